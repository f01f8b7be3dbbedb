"""DER, base64, PEM and percent-encoding, each in the one spelling that programs write.

Decoding is lenient wherever one lets it, and two spellings of one value are two opinions of who the client
is. So what has been decoded is written again, and that must be what came.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from typing import Final

from mtlsd.pki.der import SEQUENCE, bounds

MAX_CERTIFICATES = 10
"""In one chain, beside the leaf. OpenSSL looks at no more than 100, and nobody's client sends more than 4."""

_LINE: Final = 64  # RFC 7468 section 2; OpenSSL and Go write no other
_BEGIN: Final = b"-----BEGIN CERTIFICATE-----\n"
_END: Final = b"\n-----END CERTIFICATE-----\n"


def der(octets: bytes) -> bytes:
    """The same octets, which are one SEQUENCE of exactly that length (X.690 section 10.1).

    :raises ValueError: otherwise.
    """
    if not octets or octets[0] != SEQUENCE:
        raise ValueError("is not a certificate: no DER SEQUENCE begins there")
    if bounds(octets, 0)[1] != len(octets):
        raise ValueError("has octets after the end of the certificate")
    return octets


def ders(octets: bytes) -> tuple[bytes, ...]:
    """The certificates that these octets are a row of, at least one.

    :raises ValueError: where they are not, or are more than :data:`MAX_CERTIFICATES`.
    """
    found: list[bytes] = []
    start = 0
    while start < len(octets) or not found:
        if octets[start : start + 1] != bytes([SEQUENCE]):
            raise ValueError("is not a row of certificates: no DER SEQUENCE begins there")
        end = bounds(octets, start)[1]
        found.append(octets[start:end])
        bounded(found)
        start = end
    return tuple(found)


def bounded(certificates: Sequence[object]) -> None:
    """Refuse a chain that nobody has.

    :raises ValueError: where there are more than :data:`MAX_CERTIFICATES`.
    """
    if len(certificates) > MAX_CERTIFICATES:
        raise ValueError(f"has more than {MAX_CERTIFICATES} certificates in the chain")


def base64_octets(text: bytes) -> bytes:
    """What padded base64 without line breaks stands for (RFC 4648 section 4).

    :raises ValueError: also for white space, a missing padding, or bits set that no octet has.
    """
    try:
        octets = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        raise ValueError("is not base64") from None
    if binascii.b2a_base64(octets, newline=False) != text:
        raise ValueError("is not base64 as programs write it: its last character has stray bits")
    return octets


def base64_der(text: bytes) -> bytes:
    """The certificate whose DER in base64 this is.

    :raises ValueError: where it is anything else.
    """
    return der(base64_octets(text))


def pem(text: bytes) -> bytes:
    """The one certificate in PEM (RFC 7468 section 3), with a line feed after each line.

    :raises ValueError: for lines of other than 64 characters, and for anything before or after it.
    """
    if not text.startswith(_BEGIN):
        raise ValueError("does not begin with a line -----BEGIN CERTIFICATE-----")
    if not text.endswith(_END):
        raise ValueError("does not end with a line -----END CERTIFICATE-----")
    body = text[len(_BEGIN) : -len(_END)]
    if b"-" in body:
        raise ValueError("holds more than one certificate, or something else than one")
    joined = body.replace(b"\n", b"")
    octets = base64_octets(joined)
    feeds = (len(joined) - 1) // _LINE
    if len(body) != len(joined) + feeds or body[_LINE :: _LINE + 1] != b"\n" * feeds:
        raise ValueError(f"has lines that are not of {_LINE} characters")
    return der(octets)


def pems(text: bytes) -> tuple[bytes, ...]:
    """The certificates in PEM that follow each other, at least one: a leaf and its chain.

    :raises ValueError: where it is anything else.
    """
    pieces = text.split(_END[1:])
    if pieces.pop() or not pieces:
        raise ValueError("does not end with a line -----END CERTIFICATE-----")
    bounded(pieces[1:])
    return tuple(pem(piece + _END[1:]) for piece in pieces)


def folded_pem(text: bytes) -> bytes:
    """The one certificate in PEM that has a space for each line feed, and none at its end.

    :raises ValueError: where it is anything else.
    """
    begin, end = _BEGIN[:-1] + b" ", b" " + _END[1:-1]
    return pem(_BEGIN + _between(text, begin, end).replace(b" ", b"\n") + _END)


def joined_pem(text: bytes) -> bytes:
    """The one certificate in PEM that has nothing for each line feed.

    :raises ValueError: where it is anything else.
    """
    return base64_der(_between(text, _BEGIN[:-1], _END[1:-1]))


def _between(text: bytes, begin: bytes, end: bytes) -> bytes:
    if not text.startswith(begin) or not text.endswith(end) or len(text) < len(begin) + len(end):
        raise ValueError("does not begin or not end as one certificate in PEM on one line does")
    body = text[len(begin) : -len(end)]
    if b"\n" in body:
        raise ValueError("has a line feed")
    return body


def unescaped(text: bytes, escaped: bytes) -> bytes:
    """Undo percent-encoding (RFC 3986 section 2.1).

    :param escaped: which characters stand percent-encoded in there, and never as they are. No other does: a
        ``%`` that is left over is for the caller to stumble over, who knows no text with one.
    :raises ValueError: where one of those stands there as it is.
    """
    for octet in escaped:
        character = bytes([octet])
        if character in text:
            raise ValueError(f"has an octet {octet:02X} that should be percent-encoded")
    for octet in escaped:
        text = text.replace(b"%%%02X" % octet, bytes([octet]))
    if b"%" in text:  # seldom: most programs write upper case
        for octet in escaped:
            text = text.replace(b"%%%02x" % octet, bytes([octet]))
    return text
