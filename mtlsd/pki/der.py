"""Reading the few DER structures that names are made of (X.690 §8 and §10).

Strict: one-octet tags, definite and minimal lengths, nothing after the end. ``cryptography`` reads
certificates; this reads what it cannot give back as it was sent, such as a TeletexString.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

OBJECT_IDENTIFIER: Final = 0x06
SEQUENCE: Final = 0x30
SET: Final = 0x31

_UTF8_STRING: Final = 0x0C
_TELETEX_STRING: Final = 0x14
_ENCODINGS: Final = {
    _UTF8_STRING: "utf-8",
    0x12: "ascii",  # NumericString
    0x13: "ascii",  # PrintableString; CAs put "@", "_" and "*" there against the rules, which harms nobody
    _TELETEX_STRING: "ascii",
    0x16: "ascii",  # IA5String
    0x1A: "ascii",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
_MOST_OID_OCTETS: Final = 64


@attrs.frozen
class Element:
    """One tag, length and value.

    :ivar encoded: the whole, with tag and length.
    """

    tag: int
    content: bytes
    encoded: bytes


def elements(data: bytes) -> Iterator[Element]:
    """The elements that `data` is a row of.

    :raises ValueError: while iterating, where it is not DER.
    """
    start = 0
    while start < len(data):
        content, end = bounds(data, start)
        yield Element(data[start], data[content:end], data[start:end])
        start = end


def element(data: bytes, tag: int | None = None) -> Element:
    """The one element that `data` is, of this tag where one is given.

    :raises ValueError: where it is not one element, or another one.
    """
    found = list(elements(data))
    if len(found) != 1 or tag not in (None, found[0].tag):
        raise ValueError("not the one DER element that is expected here")
    return found[0]


def bounds(data: bytes, start: int) -> tuple[int, int]:
    """Where the content of the element at `start` begins and ends: reads what is too large to copy.

    :param start: less than the length of `data`.
    :raises ValueError: where it is not DER, or ends after `data`.
    """
    if data[start] & 0x1F == 0x1F:
        raise ValueError("a tag of more than one octet")
    if start + 2 > len(data):
        raise ValueError("an element without length")
    length, content = data[start + 1], start + 2
    if length >= 0x80:
        octets = length - 0x80
        length = int.from_bytes(data[content : content + octets], "big")
        content += octets
        # A number of octets that is too great or zero (BER's indefinite form) fails here as well.
        if not 1 <= octets <= 4 or length < 0x80 or length >> 8 * (octets - 1) == 0:
            raise ValueError("a length that is not in DER's shortest form")
    if content + length > len(data):
        raise ValueError("an element that is cut off")
    return content, content + length


def object_identifier(content: bytes) -> str:
    """The dotted form of an OBJECT IDENTIFIER's content (X.690 §8.19).

    :raises ValueError: where it is cut off, not minimal, or longer than any OID in use.
    """
    if not content or len(content) > _MOST_OID_OCTETS or content[-1] & 0x80:
        raise ValueError("not an object identifier")
    arcs: list[int] = []
    arc, fresh = 0, True
    for octet in content:
        if fresh and octet == 0x80:
            raise ValueError("an object identifier that is not in its shortest form")
        arc = arc << 7 | octet & 0x7F
        fresh = octet < 0x80
        if fresh:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def text_of(value: Element) -> str | None:
    """The text of one of ASN.1's string types, None for every other type.

    A TeletexString beyond ASCII gives None: its character set is T.61 by the standard and Latin-1 by
    custom, so whoever compares it must compare the encoding.

    :raises ValueError: where the octets are not of the type's character set.
    """
    encoding = _ENCODINGS.get(value.tag)
    if encoding is None or (value.tag == _TELETEX_STRING and not value.content.isascii()):
        return None
    return value.content.decode(encoding)


def utf8_string(text: str) -> bytes:
    """`text` as a UTF8String in DER."""
    return encode(_UTF8_STRING, text.encode())


def encode(tag: int, content: bytes) -> bytes:
    """The element of that tag and content."""
    if len(content) < 0x80:
        return bytes((tag, len(content))) + content
    octets = (len(content).bit_length() + 7) // 8
    return bytes((tag, 0x80 | octets)) + len(content).to_bytes(octets, "big") + content


def names_of(certificate: bytes) -> tuple[bytes, bytes]:
    """The issuer and the subject of a certificate, each the DER of its Name as it was sent (RFC 5280 §4.1).

    :raises ValueError: where it has not a certificate's shape.
    """
    tbs = next(elements(element(certificate, SEQUENCE).content), None)
    fields = [] if tbs is None else list(elements(tbs.content))
    if fields and fields[0].tag == 0xA0:  # the version is left out of v1
        del fields[0]
    if [field.tag for field in fields[2:5]] != [SEQUENCE] * 3:
        raise ValueError("not a certificate")
    return fields[2].encoded, fields[4].encoded
