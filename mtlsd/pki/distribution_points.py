"""Where a certificate's revocation list is to be had, and what a list is about (RFC 5280 §4.2.1.13, §5.2.5).

Both extensions are made of the same parts, and are matched against each other in
:mod:`mtlsd.pki.crl_scope`. Read strictly; whatever comes in numbers is bounded, since anybody may have made
the certificate.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

import attrs

from mtlsd.pki import der
from mtlsd.pki.dn import DistinguishedName, RelativeDistinguishedName

ALL_REASONS: Final = frozenset(range(1, 9))
"""Bits of ReasonFlags: from keyCompromise (1) to aACompromise (8). Bit 0 is unused."""

MOST_POINTS: Final = 64
MOST_NAMES: Final = 256

_DIRECTORY_NAME: Final = 0xA4
_URI: Final = 0x86
_MOST_URI_OCTETS: Final = 2048


@attrs.frozen
class GeneralName:
    """One GeneralName (RFC 5280 §4.2.1.6).

    :ivar tag: its context tag, such as 0x86 for a URI.
    :ivar content: what is encoded in it.
    :ivar name: the directoryName, or None for every other kind.
    """

    tag: int
    content: bytes
    name: DistinguishedName | None = None

    @property
    def key(self) -> Hashable | None:
        """Two are the same when their keys are equal and not None. URIs and the like compare by octets."""
        return (self.tag, self.content) if self.name is None else self.name.key

    @property
    def uri(self) -> str | None:
        """The URI in ASCII without spaces and controls, or None for what is none or longer than 2048."""
        text = self.content.decode("ascii", "replace")
        if self.tag != _URI or len(text) > _MOST_URI_OCTETS or not text.isascii() or not text.isprintable():
            return None
        return None if " " in text else text


@attrs.frozen
class PointName:
    """A DistributionPointName: full names, or one level below the name of whoever issues the list."""

    full: tuple[GeneralName, ...] = ()
    relative: RelativeDistinguishedName | None = None

    def keys(self, issuer: DistinguishedName | None) -> frozenset[Hashable]:
        """What the name is compared by.

        :param issuer: whose name a relative one continues; None where that is uncertain.
        """
        if self.relative is None:
            return frozenset(name.key for name in self.full if name.key is not None)
        key = None if issuer is None else DistinguishedName((*issuer.rdns, self.relative)).key
        return frozenset() if key is None else frozenset({key})


@attrs.frozen
class DistributionPoint:
    """One entry of cRLDistributionPoints or freshestCRL.

    :ivar name: None where the list is the one that the issuer names elsewhere.
    :ivar reasons: what its list tells of; all reasons where the certificate does not say.
    :ivar crl_issuer: who issues the list where that is not who issued the certificate, as one or more names.
    """

    name: PointName | None = None
    reasons: frozenset[int] = ALL_REASONS
    crl_issuer: tuple[DistinguishedName, ...] = ()

    @property
    def uris(self) -> tuple[str, ...]:
        """The URIs of its name, of whatever scheme, in order: alternatives for one list."""
        names = () if self.name is None else self.name.full
        return tuple(uri for name in names if (uri := name.uri) is not None)


@attrs.frozen
class IssuingDistributionPoint:
    """What a list is about. Two lists have one scope when all of this is equal.

    :ivar reasons: None where it covers all.
    """

    name: PointName | None = None
    only_user: bool = False
    only_ca: bool = False
    only_attribute: bool = False
    reasons: frozenset[int] | None = None
    indirect: bool = False


def read_distribution_points(value: bytes) -> tuple[DistributionPoint, ...]:
    """The value of cRLDistributionPoints or freshestCRL.

    :raises ValueError: where it is malformed, or has more than 64 points or 256 names in one.
    """
    found: list[DistributionPoint] = []
    for own in der.elements(der.element(value, der.SEQUENCE).content):
        if own.tag != der.SEQUENCE or len(found) == MOST_POINTS:
            raise ValueError("not a distribution point, or too many")
        found.append(_point(own))
    if not found:
        raise ValueError("no distribution point")
    return tuple(found)


def read_issuing_distribution_point(value: bytes) -> IssuingDistributionPoint:
    """The value of issuingDistributionPoint.

    :raises ValueError: where it is malformed, or contradicts itself.
    """
    fields = _fields(der.element(value, der.SEQUENCE).content, (0xA0, 0x81, 0x82, 0x83, 0x84, 0x85))
    flags = {tag: _flag(fields[tag]) for tag in (0x81, 0x82, 0x84, 0x85) if tag in fields}
    only = [flags.get(tag, False) for tag in (0x81, 0x82, 0x85)]
    if sum(only) > 1:
        raise ValueError("a list for more than one kind of certificates only")
    return IssuingDistributionPoint(
        name=_name(fields[0xA0]) if 0xA0 in fields else None,
        only_user=only[0],
        only_ca=only[1],
        only_attribute=only[2],
        reasons=read_reasons(fields[0x83]) if 0x83 in fields else None,
        indirect=flags.get(0x84, False),
    )


def read_general_names(content: bytes) -> tuple[GeneralName, ...]:
    """What stands in a GeneralNames.

    :raises ValueError: where it is malformed, empty, or has more than 256.
    """
    found: list[GeneralName] = []
    for own in der.elements(content):
        if own.tag & 0xC0 != 0x80 or len(found) == MOST_NAMES:
            raise ValueError("not a GeneralName, or too many")
        name = DistinguishedName.from_der(own.content) if own.tag == _DIRECTORY_NAME else None
        found.append(GeneralName(own.tag, own.content, name))
    if not found:
        raise ValueError("no GeneralName")
    return tuple(found)


def read_reasons(content: bytes) -> frozenset[int]:
    """ReasonFlags, the content of a BIT STRING: the bits that are set, without the unused one.

    :raises ValueError: where it is no bit string.
    """
    if not content or content[0] > 7 or (len(content) == 1 and content[0]):
        raise ValueError("not a bit string")
    bits = "".join(f"{octet:08b}" for octet in content[1:3])
    return frozenset(number for number, bit in enumerate(bits) if bit == "1") & ALL_REASONS


def _flag(content: bytes) -> bool:
    """A BOOLEAN (X.690 §11.1); FALSE is read too, though DER leaves out what is the default."""
    if content not in (b"\xff", b"\x00"):
        raise ValueError("not a boolean")
    return content == b"\xff"


def _point(own: der.Element) -> DistributionPoint:
    fields = _fields(own.content, (0xA0, 0x81, 0xA2))
    if 0xA0 not in fields and 0xA2 not in fields:
        raise ValueError("a distribution point without name and issuer")
    issuers = read_general_names(fields[0xA2]) if 0xA2 in fields else ()
    names = tuple(issuer.name for issuer in issuers if issuer.name is not None)
    if issuers and not names:
        raise ValueError("a cRLIssuer that is no directoryName")
    return DistributionPoint(
        name=_name(fields[0xA0]) if 0xA0 in fields else None,
        reasons=read_reasons(fields[0x81]) if 0x81 in fields else ALL_REASONS,
        crl_issuer=names,
    )


def _name(content: bytes) -> PointName:
    own = der.element(content)
    if own.tag == 0xA0:
        return PointName(full=read_general_names(own.content))
    if own.tag == 0xA1:
        level = der.encode(der.SEQUENCE, der.encode(der.SET, own.content))
        return PointName(relative=DistinguishedName.from_der(level).rdns[0])
    raise ValueError("not a DistributionPointName")


def _fields(content: bytes, tags: tuple[int, ...]) -> dict[int, bytes]:
    """Tagged fields, all of them optional, each once and in this order."""
    found: dict[int, bytes] = {}
    last = -1
    for own in der.elements(content):
        if own.tag not in tags or tags.index(own.tag) <= last:
            raise ValueError("a field that does not belong here")
        last = tags.index(own.tag)
        found[own.tag] = own.content
    return found
