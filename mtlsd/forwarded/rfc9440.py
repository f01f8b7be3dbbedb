"""RFC 9440: ``Client-Cert`` and ``Client-Cert-Chain``.

Structured fields (RFC 9651): the first is one byte sequence, ``:base64:``, the second a list of them without
the leaf (section 2.3). Where RFC 9651 has a receiver ignore a field that does not parse, such a field is
refused here: section 2.4 lets nobody but the proxy send it. The grammar of RFC 9440 gives the members no
parameters, so there are none; nor is there other white space than one space after a comma.
"""

from __future__ import annotations

from mtlsd.forwarded.codecs import base64_der, bounded
from mtlsd.forwarded.forwarded import Field, ForwardedCertificate


def read(certificate: Field, chain: Field) -> ForwardedCertificate | None:
    """The certificate, or None where both fields are absent or empty.

    :raises Refusal: forwarded.malformed.
    """
    if certificate:
        leaf = certificate.read(byte_sequence)
        others = chain.read(byte_sequences) if chain else ()
        if leaf in others:
            raise chain.refusal("has the client's certificate itself in it (RFC 9440 section 2.3)")
        return ForwardedCertificate(leaf, others)
    if chain:
        raise chain.refusal("is a chain without a certificate (RFC 9440 section 2.3)")
    return None


def byte_sequence(text: bytes) -> bytes:
    """The certificate in one byte sequence (RFC 9651 section 3.3.5).

    :raises ValueError: where it is anything else.
    """
    if len(text) < 2 or not text.startswith(b":") or not text.endswith(b":"):
        raise ValueError("is not one byte sequence, which begins and ends with a colon")
    return base64_der(text[1:-1])


def byte_sequences(text: bytes) -> tuple[bytes, ...]:
    """The certificates in a list of byte sequences (RFC 9651 section 3.1).

    :raises ValueError: where it is anything else.
    """
    first, *others = text.split(b",")
    members = (first, *(member.removeprefix(b" ") for member in others))
    bounded(members)
    return tuple(map(byte_sequence, members))
