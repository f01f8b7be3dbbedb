"""Distinguished names, compared as parsed values and never as text (RFC 4517 §4.2.15, RFC 5280 §7.1)."""

from __future__ import annotations

from functools import cached_property
from typing import Final, Self

import attrs
from cryptography import x509

from mtlsd.pki import der, rfc4514
from mtlsd.pki.attributes import BY_OID, MOST_ATTRIBUTES, EqualityRule, equality_rule
from mtlsd.pki.printable import printable
from mtlsd.pki.stringprep import prepare

_SPECIAL: Final = ',+"\\<>;'
# Somebody who has only the public certificate can make us read a name, so what that costs is bounded.
_MOST_OCTETS: Final = 4096

_AttributeKey = tuple[str, str, str | bytes]
_Key = tuple[tuple[_AttributeKey, ...], ...]


@attrs.frozen
class AttributeTypeAndValue:
    """One attribute of a name.

    :ivar oid: its type, dotted.
    :ivar value: the text of a string type; of any other type the whole encoding in DER.
    """

    oid: str
    value: str | bytes

    @cached_property
    def key(self) -> _AttributeKey | None:
        """What is compared, or None where the comparison is Undefined and so never matches: prohibited
        characters, nothing but spaces, or beyond ASCII where the type is IA5.

        Made when it is wanted: it costs far more than reading, and strangers send names that nobody compares.
        """
        # The second item keeps a text from equalling an encoding, and tuples of one type sortable.
        if isinstance(self.value, bytes):
            return (self.oid, "der", self.value)
        rule = equality_rule(self.oid)
        prepared = self.value if rule is EqualityRule.EXACT else prepare(self.value)
        if prepared is None or not prepared.strip(" "):
            return None
        if rule is EqualityRule.CASE_IGNORE_IA5 and not self.value.isascii():
            return None
        return (self.oid, "text", prepared)

    def to_string(self) -> str:
        """``type=value`` (RFC 4514 §2.3 and §2.4): a keyword and text, or else an OID and the encoding."""
        known = BY_OID.get(self.oid)
        if known is None or isinstance(self.value, bytes):
            encoded = self.value if isinstance(self.value, bytes) else der.utf8_string(self.value)
            return f"{self.oid if known is None else known.keywords[0]}=#{encoded.hex()}"
        return f"{known.keywords[0]}={_escaped(self.value)}"


def _escaped(value: str) -> str:
    """RFC 4514 §2.4, and whatever does not print."""
    text = printable(value, _SPECIAL)
    if text.endswith(" "):
        text = f"{text[:-1]}\\ "
    return "\\" + text if value.startswith((" ", "#")) and value != " " else text


@attrs.frozen
class RelativeDistinguishedName:
    """One level of a name: nearly always one attribute, seldom several without order."""

    attributes: tuple[AttributeTypeAndValue, ...]

    @property
    def key(self) -> tuple[_AttributeKey, ...] | None:
        """What is compared; None where an attribute has none, or where one is there twice."""
        keys = [attribute.key for attribute in self.attributes if attribute.key is not None]
        if not keys or len(set(keys)) != len(self.attributes):
            return None
        return tuple(sorted(keys))

    def to_string(self) -> str:
        """The attributes with plus signs between (RFC 4514 §2.2)."""
        return "+".join(attribute.to_string() for attribute in self.attributes)


@attrs.frozen
class DistinguishedName:
    """A subject's or an issuer's name.

    Attribute types whose rule we do not know compare exactly, and values that are no text (or text in a
    TeletexString beyond ASCII, whose character set is uncertain) compare by their encoding.

    :ivar rdns: in the order of the encoding: the most significant first.
    """

    rdns: tuple[RelativeDistinguishedName, ...]

    @cached_property
    def key(self) -> _Key | None:
        """Two names match if and only if their keys are equal and not None. None is the key of the empty name
        and of one with an Undefined attribute; such a name matches nothing, not even itself.
        """
        keys = tuple(key for rdn in self.rdns if (key := rdn.key) is not None)
        return keys if keys and len(keys) == len(self.rdns) else None

    @classmethod
    def from_string(cls, text: str) -> Self:
        """Read a name as people write it in a registration; see :mod:`mtlsd.pki.rfc4514`.

        :raises ValueError: where it is no name, or one that could never match; the message has the token,
            its position and the remedy.
        """
        return cls(tuple(_level(tokens) for tokens in reversed(rfc4514.parse(text))))

    @classmethod
    def from_name(cls, name: x509.Name) -> Self:
        """Take a name from `cryptography`.

        :raises ValueError: where an attribute does not fit its ASN.1 type.
        """
        return cls.from_der(name.public_bytes())

    @classmethod
    def from_der(cls, data: bytes) -> Self:
        """Read a Name as it stands in a certificate (RFC 5280 §4.1.2.4).

        :raises ValueError: where it is malformed, such as a UTF8String that is not UTF-8.
        """
        if len(data) > _MOST_OCTETS:
            raise ValueError(f"a name of more than {_MOST_OCTETS} octets")
        rdns = []
        room = MOST_ATTRIBUTES
        for level in der.elements(der.element(data, der.SEQUENCE).content):
            if level.tag != der.SET:
                raise ValueError("a relative distinguished name that is not a SET")
            attributes = tuple(_encoded(attribute) for attribute in der.elements(level.content))
            room -= max(len(attributes), 1)
            if not attributes or room < 0:
                raise ValueError(f"a level without attribute, or more than {MOST_ATTRIBUTES} attributes")
            rdns.append(RelativeDistinguishedName(attributes))
        return cls(tuple(rdns))

    def matches(self, other: DistinguishedName) -> bool:
        """distinguishedNameMatch (RFC 4517 §4.2.15); Undefined is no match."""
        return self.key is not None and self.key == other.key

    def is_reversed_of(self, other: DistinguishedName) -> bool:
        """Whether it is the other name from back to front: written in the order that openssl prints by
        default instead of RFC 4514's. To be said, never to be accepted.
        """
        if len(self.rdns) != len(other.rdns) or self.matches(other):
            return False  # without work that the other name's owner could make long, and so measure
        return self.matches(attrs.evolve(other, rdns=other.rdns[::-1]))

    def to_string(self) -> str:
        """RFC 4514, and safe to print: whatever does not print is escaped. It reads back as the same name."""
        return ",".join(rdn.to_string() for rdn in reversed(self.rdns))

    def __str__(self) -> str:
        return self.to_string()


def _encoded(attribute: der.Element) -> AttributeTypeAndValue:
    """An AttributeTypeAndValue as it is encoded."""
    parts = list(der.elements(attribute.content))
    if attribute.tag != der.SEQUENCE or len(parts) != 2 or parts[0].tag != der.OBJECT_IDENTIFIER:
        raise ValueError("an attribute that is not a type and a value")
    text = der.text_of(parts[1])
    return AttributeTypeAndValue(
        der.object_identifier(parts[0].content), parts[1].encoded if text is None else text
    )


def _level(tokens: tuple[rfc4514.Token, ...]) -> RelativeDistinguishedName:
    """A level as it is written, each attribute of it once."""
    attributes = tuple(_written(token) for token in tokens)
    for position, attribute in enumerate(attributes):
        if attribute.key in [earlier.key for earlier in attributes[:position]]:
            raise tokens[position].mistake("this is there twice", "Write each attribute of a level once.")
    return RelativeDistinguishedName(attributes)


def _written(token: rfc4514.Token) -> AttributeTypeAndValue:
    """An attribute as it is written."""
    attribute = AttributeTypeAndValue(token.oid, token.value)
    if attribute.key is None:
        raise token.mistake(
            "its value can never match: it is only spaces, has a character that RFC 4518 prohibits (controls,"
            " emoji and the like), or one beyond ASCII where the attribute is ASCII only",
            "Register another name that the certificate has, or pin the certificate.",
        )
    return attribute
