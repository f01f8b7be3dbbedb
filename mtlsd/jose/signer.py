"""What signs: one private key with the one algorithm it is used with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import attrs
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from mtlsd.errors import Refusal
from mtlsd.jose.jwk import public_members, thumbprint
from mtlsd.reasons import SIGNER_UNAVAILABLE

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
PublicKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

ALGORITHMS = ("ES256", "RS256", "PS256", "EdDSA")
"""What tokens can be signed with: RFC 7518 section 3.1 and RFC 8037 section 3.1 (Ed25519 alone)."""

MINIMUM_RSA_BITS = 2048


def _es256(key: object) -> Callable[[bytes], bytes]:
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("ES256 needs an EC key on the curve P-256")
    sign, algorithm = key.sign, ec.ECDSA(hashes.SHA256())
    return lambda signing_input: raw_p256_signature(sign(signing_input, algorithm))


def raw_p256_signature(der: bytes) -> bytes:
    """r and s of an ECDSA signature on P-256, both in 32 octets (RFC 7518 section 3.4).

    :param der: Ecdsa-Sig-Value (RFC 3279 section 2.2.3).
    :raises ValueError: when that is not what it is.
    :raises OverflowError: when r or s is too large, or negative.
    """
    r, s = decode_dss_signature(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _rsa_key(key: object, alg: str) -> rsa.RSAPrivateKey:
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < MINIMUM_RSA_BITS:
        raise ValueError(f"{alg} needs an RSA key of {MINIMUM_RSA_BITS} bits or more")
    return key


def _rs256(key: object) -> Callable[[bytes], bytes]:
    sign, scheme, digest = _rsa_key(key, "RS256").sign, padding.PKCS1v15(), hashes.SHA256()
    return lambda signing_input: sign(signing_input, scheme, digest)


def _ps256(key: object) -> Callable[[bytes], bytes]:
    digest = hashes.SHA256()
    scheme = padding.PSS(padding.MGF1(digest), salt_length=digest.digest_size)  # RFC 7518 section 3.5
    sign = _rsa_key(key, "PS256").sign
    return lambda signing_input: sign(signing_input, scheme, digest)


def _eddsa(key: object) -> Callable[[bytes], bytes]:
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ValueError("EdDSA needs an Ed25519 key")
    return key.sign


_SIGNATURES: tuple[Callable[[object], Callable[[bytes], bytes]], ...] = (_es256, _rs256, _ps256, _eddsa)


def _bind(signer: Signer) -> Callable[[bytes], bytes]:
    if signer.alg not in ALGORITHMS:
        raise ValueError(f"the algorithm is none of {', '.join(ALGORITHMS)}")
    return _SIGNATURES[ALGORITHMS.index(signer.alg)](signer.private_key)


@attrs.frozen
class Signer:
    """A private key, and the algorithm that it signs with.

    Never shows the key: neither its repr nor what it raises has anything of it.

    :ivar kid: names the public key in the JWKS and in the header of a token.
    :ivar alg: one of :data:`ALGORITHMS`.
    :raises ValueError: when the key does not fit the algorithm.
    """

    kid: str
    alg: str
    private_key: PrivateKey = attrs.field(repr=False, eq=False)
    _signature: Callable[[bytes], bytes] = attrs.field(
        init=False, repr=False, eq=False, default=attrs.Factory(_bind, takes_self=True)
    )

    @classmethod
    def from_private_key(cls, private_key: PrivateKey, alg: str) -> Signer:
        """The signer whose ``kid`` is the key's RFC 7638 thumbprint.

        :raises ValueError: when the key does not fit the algorithm.
        """
        return cls(thumbprint(public_members(private_key.public_key())), alg, private_key)

    @property
    def public_key(self) -> PublicKey:
        """The key that verifies what this one signs."""
        return self.private_key.public_key()

    def sign(self, signing_input: bytes) -> bytes:
        """The JWS signature (RFC 7515 section 5.1, before base64url).

        :raises Refusal: ``signer.unavailable`` when the key cannot sign.
        """
        try:
            return self._signature(signing_input)
        except (
            Exception
        ) as error:  # whatever a key may fail with, the token is refused and nothing of it is shown
            raise Refusal(
                SIGNER_UNAVAILABLE, {"kid": self.kid, "alg": self.alg, "error": type(error).__name__}
            ) from None
