"""Private keys as they come into the world: generated, or read from a file."""

from __future__ import annotations

from datetime import datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from mtlsd.jose.keyring import SigningKey
from mtlsd.jose.signer import ALGORITHMS, PrivateKey, Signer

RSA_BITS = 3072  # 128 bits of security; 2048 are accepted from operators who bring their own


def generate(alg: str, now: datetime) -> SigningKey:
    """A new key, from OpenSSL's random generator.

    :raises ValueError: when ``alg`` is none of :data:`mtlsd.jose.signer.ALGORITHMS`.
    """
    if alg not in ALGORITHMS:
        raise ValueError(f"the algorithm is none of {', '.join(ALGORITHMS)}")
    private_key: PrivateKey
    if alg == "ES256":
        private_key = ec.generate_private_key(ec.SECP256R1())
    elif alg == "EdDSA":
        private_key = ed25519.Ed25519PrivateKey.generate()
    else:
        private_key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    return SigningKey(Signer.from_private_key(private_key, alg), now)


def to_pem(private_key: PrivateKey) -> bytes:
    """PKCS #8 in PEM, not encrypted: whoever may read the file may sign."""
    return private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def from_pem(data: bytes) -> PrivateKey:
    """A private key from PEM: PKCS #8, or the older forms of RSA and EC keys.

    :raises ValueError: when it cannot be read or is of a kind that signs no token. Nothing of it is shown.
    """
    try:
        key = serialization.load_pem_private_key(data, None)
    except TypeError:
        raise ValueError("the key is encrypted") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("it is not a private key in PEM") from None
    if isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        return key
    raise ValueError("the key is neither RSA, nor EC, nor Ed25519")


def usual_algorithm(private_key: PrivateKey) -> str:
    """What a key signs with where nobody says; for RSA, RS256, which RFC 9068 wants supported (R66)."""
    if isinstance(private_key, rsa.RSAPrivateKey):
        return "RS256"
    return "EdDSA" if isinstance(private_key, ed25519.Ed25519PrivateKey) else "ES256"
