"""What a certificate may be used for, and whether its key is strong enough.

OpenSSL checks these in a handshake, but not where a path is built offline (there it knows no purpose and no
security level), so they are checked here for every source of certificates alike.
"""

from __future__ import annotations

from mtlsd import reasons
from mtlsd.errors import Fact, Reason, Refusal
from mtlsd.pki.certificate import Certificate

CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"

_LEAST_BITS = {"RSA": 2048, "EC": 224, "Ed25519": 256, "Ed448": 456}
"""What OpenSSL's security level 2 demands (112 bits); every other type of key is refused."""


def check_client_usage(certificate: Certificate) -> None:
    """Refuse a leaf that may not authenticate a client (RFC 5280 sections 4.2.1.3, 4.2.1.9, 4.2.1.12).

    An extended key usage, where there is one, must name clientAuth itself: anyExtendedKeyUsage alone is not
    enough. A key usage, where there is one, must allow digitalSignature. Fails closed: what this does not
    know how to allow is refused. Pinned certificates do not come here, only to
    :func:`check_authentication_usage` and :func:`check_strength`: what ``openssl req -x509`` makes is a CA's
    certificate.

    :raises Refusal: certificate.is_ca, certificate.eku, certificate.ku or certificate.weak
    """
    if certificate.is_ca:
        raise _refusal(reasons.CERTIFICATE_IS_CA, certificate, expected="CA:FALSE", seen="CA:TRUE")
    check_authentication_usage(certificate)
    check_strength(certificate)


def check_authentication_usage(certificate: Certificate) -> None:
    """Refuse a certificate that says itself that it is not for authenticating a client: pinned ones too.

    OpenSSL refuses them in a handshake, whoever has pinned them.

    :raises Refusal: certificate.eku or certificate.ku
    """
    usages = certificate.extended_key_usage
    if usages is not None and CLIENT_AUTH not in usages:
        raise _refusal(reasons.CERTIFICATE_EKU, certificate, expected=CLIENT_AUTH, seen=sorted(usages))
    if certificate.digital_signature is False:
        raise _refusal(reasons.CERTIFICATE_KU, certificate, expected="digitalSignature", seen="absent")


def check_issuer_usage(certificate: Certificate) -> None:
    """Refuse a CA whose extended key usage, where there is one, does not have clientAuth.

    :raises Refusal: chain.purpose
    """
    usages = certificate.extended_key_usage
    if usages is not None and CLIENT_AUTH not in usages:
        raise _refusal(reasons.CHAIN_PURPOSE, certificate, expected=CLIENT_AUTH, seen=sorted(usages))


def check_strength(certificate: Certificate, reason: Reason = reasons.CERTIFICATE_WEAK) -> None:
    """Refuse a key that is too short, or of a type that nobody here vouches for (FAPI 2 section 5.4).

    :raises Refusal: with that reason
    """
    least = _LEAST_BITS.get(certificate.key_type)
    if least is None or certificate.key_bits < least:
        expected = [f"{key_type} {bits}" for key_type, bits in _LEAST_BITS.items()]
        seen = f"{certificate.key_type} {certificate.key_bits}"
        raise _refusal(reason, certificate, expected=expected, seen=seen)


def _refusal(reason: Reason, certificate: Certificate, *, expected: Fact, seen: Fact) -> Refusal:
    return Refusal(reason, {**certificate.facts(), "expected": expected, "seen": seen})
