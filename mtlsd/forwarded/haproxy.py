"""HAProxy: ``http-request set-header X-SSL-Client-Cert %[ssl_c_der,base64]``

The leaf's DER in base64 with padding, without line breaks. Without a certificate HAProxy sends the field with
an empty value. The chain, where it is wanted, comes in a second field whose name ends in ``-Chain``, from
``%[ssl_c_chain_der,base64]``: the DER of each certificate, one directly after the other, in one base64.
Both as in HAProxy's configuration manual, section 7.3.4; recorded with 2.6.12.
"""

from __future__ import annotations

from mtlsd.forwarded.codecs import base64_der, base64_octets, ders
from mtlsd.forwarded.forwarded import Field, ForwardedCertificate


def read(certificate: Field, chain: Field) -> ForwardedCertificate | None:
    """The certificate, or None where both fields are absent or empty.

    :raises Refusal: forwarded.malformed.
    """
    if certificate:
        return ForwardedCertificate(certificate.read(base64_der), chain.read(base64_ders) if chain else ())
    if chain:
        raise chain.refusal("is a chain without a certificate")
    return None


def base64_ders(text: bytes) -> tuple[bytes, ...]:
    """The certificates whose DER, one after the other, in base64 this is.

    :raises ValueError: where it is anything else.
    """
    return ders(base64_octets(text))
