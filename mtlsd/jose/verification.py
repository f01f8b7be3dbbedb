"""What verifies: one public key of somebody else's, with the algorithms that it may be used with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Self, TypeAlias

import attrs
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from mtlsd.jose import b64
from mtlsd.jose.jwk import certificates_of_jwk, public_members

PublicKey: TypeAlias = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey

VERIFICATION_ALGORITHMS: Final = ("PS256", "ES256", "EdDSA", "RS256")
"""RFC 7518 section 3.1 and RFC 8037 section 3.1. HMAC and `none` are not among them: they prove nothing."""

_LEAST_RSA_BITS: Final = 2048
_MOST_RSA_BITS: Final = 8192  # what a longer one costs to verify is paid by us
_LONGEST_KID: Final = 256
_SHA256 = hashes.SHA256()
_PSS = padding.PSS(padding.MGF1(_SHA256), salt_length=_SHA256.digest_size)  # RFC 7518 section 3.5


def canonical_algorithm(alg: object) -> str | None:
    """The algorithm by its name in :data:`VERIFICATION_ALGORITHMS`; None for every other one.

    RFC 9864 calls `Ed25519` what RFC 8037 calls EdDSA with that curve.
    """
    if alg == "Ed25519":
        return "EdDSA"
    return alg if isinstance(alg, str) and alg in VERIFICATION_ALGORITHMS else None


@attrs.frozen
class VerificationKey:
    """A public key, as a JWK registers it.

    :ivar kid: what names it; None where the JWK has no `kid`.
    :ivar alg: the one algorithm that the JWK allows; None where it names none.
    :ivar members: the members that are the key itself.
    """

    kid: str | None
    alg: str | None
    members: tuple[tuple[str, str], ...]
    _key: PublicKey = attrs.field(repr=False, eq=False)

    @classmethod
    def from_jwk(cls, jwk: object) -> Self:
        """Read one JWK (RFC 7517 section 4). Certificates in it must fit it, and are then left out (R13).

        :raises ValueError: saying what is wrong, never with a value of the JWK.
        """
        certificates_of_jwk(jwk)
        if not isinstance(jwk, Mapping):
            raise ValueError("is not a JSON object")
        kid = jwk.get("kid")
        if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= _LONGEST_KID):
            raise ValueError("has a kid that is not a string, or is too long")
        key = _public_key(jwk)
        _check_purpose(jwk)
        alg = canonical_algorithm(jwk.get("alg"))
        if jwk.get("alg") is not None and alg not in _algorithms(key):
            raise ValueError(f"has an alg that is none of {', '.join(_algorithms(key))}")
        return cls(kid, alg, tuple(sorted(public_members(key).items())), key)

    @property
    def algorithms(self) -> tuple[str, ...]:
        """What a signature of this key may be made with."""
        return _algorithms(self._key) if self.alg is None else (self.alg,)

    def to_jwk(self) -> dict[str, str]:
        """The JWK; :meth:`from_jwk` reads it back to an equal key."""
        named = {"kid": self.kid, "alg": self.alg}
        return {**dict(self.members), **{name: value for name, value in named.items() if value is not None}}

    def verifies(self, alg: str, signing_input: bytes, signature: bytes) -> bool:
        """Whether this key has made the JWS signature (RFC 7515 section 5.2).

        :param alg: one of :data:`VERIFICATION_ALGORITHMS`; one that is not the key's verifies nothing.
        """
        if alg not in self.algorithms:
            return False
        try:
            _VERIFY[alg](self._key, signature, signing_input)
        except (InvalidSignature, ValueError):
            return False
        return True


def is_for_signatures(jwk: object) -> bool:
    """Whether the JWK may be meant for signatures: one for encryption stands beside it with other uses."""
    return not isinstance(jwk, Mapping) or jwk.get("use") in (None, "sig")


def _check_purpose(jwk: Mapping[str, object]) -> None:
    operations = jwk.get("key_ops")
    if jwk.get("use") not in (None, "sig"):
        raise ValueError("has a use that is not sig")
    if operations is not None and not (isinstance(operations, list | tuple) and "verify" in operations):
        raise ValueError("has key_ops without verify")


def _public_key(jwk: Mapping[str, object]) -> PublicKey:
    kty, crv = jwk.get("kty"), jwk.get("crv")
    if kty == "RSA":
        return _rsa(_bytes(jwk, "n"), _bytes(jwk, "e"))
    if kty == "EC" and crv == "P-256":
        return _p256(_bytes(jwk, "x"), _bytes(jwk, "y"))
    if kty == "OKP" and crv == "Ed25519":
        return _ed25519(_bytes(jwk, "x"))
    raise ValueError("is no key that this server verifies with: it takes RSA, EC on P-256, and Ed25519")


def _bytes(jwk: Mapping[str, object], name: str) -> bytes:
    try:
        return b64.decode(jwk.get(name))
    except ValueError as error:
        raise ValueError(f"has a member {name} that {error}") from None


def _rsa(n: bytes, e: bytes) -> rsa.RSAPublicKey:
    if not n[0] or not e[0]:
        raise ValueError("has an n or e that begins with zeros (RFC 7518 section 6.3.1)")
    modulus, exponent = int.from_bytes(n, "big"), int.from_bytes(e, "big")
    if not _LEAST_RSA_BITS <= modulus.bit_length() <= _MOST_RSA_BITS:
        raise ValueError(f"is an RSA key of less than {_LEAST_RSA_BITS} or more than {_MOST_RSA_BITS} bits")
    if not 3 <= exponent < 2**32:
        raise ValueError("has an exponent that is too small or too large")
    try:
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError:
        raise ValueError("is not an RSA key") from None


def _p256(x: bytes, y: bytes) -> ec.EllipticCurvePublicKey:
    if len(x) != 32 or len(y) != 32:
        raise ValueError("has an x or y that is not of 32 octets")
    numbers = ec.EllipticCurvePublicNumbers(
        int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP256R1()
    )
    try:
        return numbers.public_key()
    except ValueError:
        raise ValueError("is not a point on P-256") from None


def _ed25519(x: bytes) -> ed25519.Ed25519PublicKey:
    try:
        return ed25519.Ed25519PublicKey.from_public_bytes(x)
    except ValueError:
        raise ValueError("is not an Ed25519 key") from None


def _algorithms(key: PublicKey) -> tuple[str, ...]:
    if isinstance(key, rsa.RSAPublicKey):
        return ("PS256", "RS256")
    return ("ES256",) if isinstance(key, ec.EllipticCurvePublicKey) else ("EdDSA",)


def _verify_es256(key: Any, signature: bytes, signing_input: bytes) -> None:
    """r and s, both in 32 octets (RFC 7518 section 3.4)."""
    if len(signature) != 64:
        raise InvalidSignature
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    key.verify(encode_dss_signature(r, s), signing_input, ec.ECDSA(_SHA256))


_VERIFY: Mapping[str, Callable[[Any, bytes, bytes], None]] = MappingProxyType(
    {
        "PS256": lambda key, signature, data: key.verify(signature, data, _PSS, _SHA256),
        "RS256": lambda key, signature, data: key.verify(signature, data, padding.PKCS1v15(), _SHA256),
        "ES256": _verify_es256,
        "EdDSA": lambda key, signature, data: key.verify(signature, data),
    }
)
