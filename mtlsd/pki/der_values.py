"""Reading the values of which certificates, revocation lists and OCSP responses are made (X.690 §8 and §11).

Each takes an element and gives a value, or raises ValueError: DER has one way to write each of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

import attrs

from mtlsd.pki.der import OBJECT_IDENTIFIER, SEQUENCE, Element, element, elements, object_identifier

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
ENUMERATED: Final = 0x0A
GENERALIZED_TIME: Final = 0x18

_MOST_EXTENSIONS: Final = 64


@attrs.frozen
class Extension:
    """One Extension (RFC 5280 section 4.1).

    :ivar oid: dotted.
    :ivar value: what stands in its OCTET STRING.
    """

    oid: str
    critical: bool
    value: bytes


class Row:
    """The elements of a SEQUENCE, taken one after the other; what is left over is refused."""

    def __init__(self, content: bytes) -> None:
        self._left: Iterator[Element] = elements(content)
        self._next: Element | None = next(self._left, None)

    def take(self, tag: int | None = None) -> Element:
        """The next element, which must be of that tag where one is given."""
        found = self._next
        if found is None or tag not in (None, found.tag):
            raise ValueError("an element is missing or of another type")
        self._next = next(self._left, None)
        return found

    def take_optional(self, tag: int) -> Element | None:
        """The next element if it is of that tag."""
        return self.take() if self._next is not None and self._next.tag == tag else None

    def end(self) -> None:
        if self._next is not None:
            raise ValueError("more elements than there may be")


def row(data: bytes) -> Row:
    """The elements of the one SEQUENCE that `data` is."""
    return Row(element(data, SEQUENCE).content)


def integer(found: Element) -> int:
    """An INTEGER or ENUMERATED, in its shortest form."""
    content = found.content
    if not content or (len(content) > 1 and content[0] in (0, 0xFF) and content[0] >> 7 == content[1] >> 7):
        raise ValueError("not an integer in its shortest form")
    return int.from_bytes(content, "big", signed=True)


def octets_of_bits(found: Element) -> bytes:
    """A BIT STRING of whole octets, which is what keys and signatures are."""
    if not found.content or found.content[0] != 0:
        raise ValueError("not a bit string of whole octets")
    return found.content[1:]


def generalized_time(found: Element) -> datetime:
    """A GeneralizedTime as RFC 5280 section 4.1.2.5.2 has it: UTC, seconds, no fraction."""
    content = found.content
    if len(content) != 15 or content[-1:] != b"Z" or not content[:-1].isdigit():
        raise ValueError("not a time in UTC with seconds")
    return datetime.strptime(content.decode("ascii"), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def oid_of(found: Element) -> str:
    if found.tag != OBJECT_IDENTIFIER:
        raise ValueError("not an object identifier")
    return object_identifier(found.content)


def extensions(data: bytes) -> Mapping[str, Extension]:
    """The one Extensions that `data` is, by their dotted OIDs; one that is there twice is refused."""
    found: dict[str, Extension] = {}
    for own in elements(element(data, SEQUENCE).content):
        extension = _extension(row(own.encoded))
        if extension.oid in found or len(found) == _MOST_EXTENSIONS:
            raise ValueError("an extension twice, or too many")
        found[extension.oid] = extension
    if not found:
        raise ValueError("extensions without any")
    return MappingProxyType(found)


def _extension(fields: Row) -> Extension:
    oid = oid_of(fields.take(OBJECT_IDENTIFIER))
    flag = fields.take_optional(BOOLEAN)
    if flag is not None and flag.content != b"\xff":
        raise ValueError("a critical flag that is not TRUE")
    value = fields.take(OCTET_STRING).content
    fields.end()
    return Extension(oid, flag is not None, value)


def public_key_bits(certificate: bytes) -> bytes:
    """What stands in the BIT STRING of a certificate's SubjectPublicKeyInfo: what key hashes are made of.

    :raises ValueError: where it has not a certificate's shape.
    """
    fields = _tbs_fields(certificate)
    key = row(fields[5].encoded)
    key.take(SEQUENCE)
    bits = octets_of_bits(key.take(BIT_STRING))
    key.end()
    return bits


def serial_number(certificate: bytes) -> int:
    return integer(_tbs_fields(certificate)[0])


def _tbs_fields(certificate: bytes) -> Sequence[Element]:
    """The fields of a TBSCertificate without its version."""
    tbs = row(certificate).take(SEQUENCE)
    fields = [own for own in elements(tbs.content) if own.tag != 0xA0]
    if len(fields) < 6:
        raise ValueError("not a certificate")
    return fields
