"""Keys and certificates for the tests of JOSE: made once, since RSA keys take their time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from mtlsd.jose.keyring import SigningKey
from mtlsd.jose.signer import PrivateKey, Signer

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def private_key(kind: str, number: int = 0) -> CertificateIssuerPrivateKeyTypes:
    """A key of a kind; another one for each number."""
    return _private_key(kind, number)


def certificate(kind: str, number: int = 0) -> bytes:
    """A self-signed certificate, as DER, of that key."""
    return _certificate(kind, number)


@cache
def _private_key(kind: str, _: int) -> CertificateIssuerPrivateKeyTypes:
    curves = {
        "P-224": ec.SECP224R1(),
        "P-256": ec.SECP256R1(),
        "P-384": ec.SECP384R1(),
        "P-521": ec.SECP521R1(),
    }
    if kind in curves:
        return ec.generate_private_key(curves[kind])
    if kind.startswith("RSA-"):
        return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.removeprefix("RSA-")))
    if kind == "DSA":
        return dsa.generate_private_key(2048)
    return ed25519.Ed25519PrivateKey.generate() if kind == "Ed25519" else ed448.Ed448PrivateKey.generate()


@cache
def _certificate(kind: str, number: int) -> bytes:
    key = private_key(kind, number)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"client {number}")])
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), number + 1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
    )
    edwards = isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    return builder.sign(key, None if edwards else hashes.SHA256()).public_bytes(Encoding.DER)


KIND_OF = {"ES256": "P-256", "RS256": "RSA-2048", "PS256": "RSA-2048", "EdDSA": "Ed25519"}


def signing_private_key(alg: str, number: int = 0) -> PrivateKey:
    """A key that an algorithm can use."""
    key = private_key(KIND_OF[alg], number)
    assert isinstance(key, PrivateKey)
    return key


def signer(alg: str, number: int = 0) -> Signer:
    """A signer; another one for each number."""
    return Signer.from_private_key(signing_private_key(alg, number), alg)


def signing_key(number: int = 0, alg: str = "ES256", created_at: datetime = NOW) -> SigningKey:
    """A key of a keyring; another one for each number."""
    return SigningKey(signer(alg, number), created_at)
