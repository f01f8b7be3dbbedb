"""JSON Web Keys (RFC 7517, RFC 7518 section 6, RFC 8037), public ones only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from mtlsd.jose import b64

_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_OWN_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
_SECRET_MEMBERS = ("d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv")  # RFC 7518 section 6, AKP's draft


def public_members(public_key: object) -> dict[str, str]:
    """The members of a JWK that are the key itself: ``kty`` and what goes with it.

    :raises ValueError: for a kind of key that JOSE does not have.
    """
    if isinstance(public_key, rsa.RSAPublicKey):
        numbers = public_key.public_numbers()
        return {"kty": "RSA", "n": _integer(numbers.n), "e": _integer(numbers.e)}
    if isinstance(public_key, ec.EllipticCurvePublicKey) and public_key.curve.name in _CURVES:
        size, point = (public_key.curve.key_size + 7) // 8, public_key.public_numbers()
        crv = _CURVES[public_key.curve.name]
        return {"kty": "EC", "crv": crv, "x": _integer(point.x, size), "y": _integer(point.y, size)}
    if isinstance(public_key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        crv = "Ed25519" if isinstance(public_key, ed25519.Ed25519PublicKey) else "Ed448"
        return {"kty": "OKP", "crv": crv, "x": b64.encode_text(public_key.public_bytes_raw())}
    raise ValueError("the key is neither RSA, nor EC on P-256, P-384 or P-521, nor Ed25519, nor Ed448")


def public_jwk(public_key: object, kid: str, alg: str) -> dict[str, str]:
    """The JWK of a key that verifies signatures, as a JWK Set publishes it.

    :raises ValueError: for a kind of key that JOSE does not have.
    """
    return {**public_members(public_key), "use": "sig", "alg": alg, "kid": kid}


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """The SHA-256 thumbprint of a public key (RFC 7638), base64url without padding.

    :raises ValueError: for a kind of key that JOSE does not have, and when a member is missing.
    """
    kty = jwk.get("kty")
    if not isinstance(kty, str) or kty not in _OWN_MEMBERS:
        raise ValueError("kty is none of RSA, EC and OKP")
    members = {name: jwk.get(name) for name in _OWN_MEMBERS[kty]}
    for name, value in members.items():
        if not isinstance(value, str):
            raise ValueError(f"{name} is missing or is not a string")
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return b64.sha256_text(canonical.encode("ascii"))


def jwk_of_certificate(der: bytes) -> dict[str, Any]:
    """The JWK of a certificate's key with the certificate in ``x5c``, as RFC 8705 section 2.2.2 registers it.

    :raises ValueError: when it is no certificate, or its key is of a kind that JOSE does not have.
    """
    return {
        **public_members(_public_key_of(der)),
        "x5c": [b64.encode_standard(der)],
        "x5t#S256": b64.sha256_text(der),
    }


def certificates_of_jwks(jwks: object, *, place: str = "jwks") -> tuple[bytes, ...]:
    """The certificates, as DER, that a client registers by its JWK Set (RFC 8705 section 2.2.2, R12, R13).

    Keys without ``x5c`` are passed over, since a client may have keys for other purposes too; but one key at
    least must have it. What is the same certificate twice comes once.

    :param jwks: any value that JSON can hold.
    :param place: what messages call it.
    :raises ValueError: with everything that is wrong, each with its key's place, such as
        ``jwks.keys[1] (kid "a")``.
    """
    found, mistakes = usable_certificates(jwks, place=place)
    if mistakes:
        raise ValueError("; ".join(mistakes))
    if not found:
        raise ValueError(f"{place} has no key with a certificate in x5c")
    return found


def usable_certificates(jwks: object, *, place: str = "jwks") -> tuple[tuple[bytes, ...], tuple[str, ...]]:
    """As :func:`certificates_of_jwks`, but one bad key spoils no other, and there may be no certificate.

    :return: the certificates as DER, and for each key that cannot be used its place and what is wrong.
    :raises ValueError: when it is no JWK Set at all.
    """
    keys = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(keys, list | tuple):
        raise ValueError(f"{place} is not a JSON object with a list of keys (RFC 7517 section 5)")
    found: dict[bytes, None] = {}
    mistakes: list[str] = []
    for index, jwk in enumerate(keys):
        try:
            found.update(dict.fromkeys(certificates_of_jwk(jwk)))
        except ValueError as error:
            mistakes.append(f"{place}.keys[{index}]{_kid(jwk)} {error}")
    return tuple(found), tuple(mistakes)


def certificates_of_jwk(jwk: object) -> tuple[bytes, ...]:
    """The one certificate, as DER, that a JWK stands for: its ``x5c``'s first. Empty where it has no ``x5c``.

    :raises ValueError: when the certificate's key is not the JWK's own (R13), when the JWK has a secret, and
        when it cannot be read. The message never has a value of the JWK.
    """
    if not isinstance(jwk, Mapping):
        raise ValueError("is not a JSON object")
    _refuse_secrets(jwk)
    if "x5c" not in jwk:
        return ()
    chain = _decode_x5c(jwk["x5c"])
    _compare(jwk, _own_members(jwk), _in_x5c(0, chain[0]))
    for index, der in enumerate(chain[1:], start=1):
        _in_x5c(index, der)
    digest = jwk.get("x5t#S256")
    if digest is not None and digest != b64.sha256_text(chain[0]):
        raise ValueError("has an x5t#S256 that is not the thumbprint of the first certificate in x5c")
    return (chain[0],)


def _refuse_secrets(jwk: Mapping[str, object]) -> None:
    if jwk.get("kty") == "oct":
        raise ValueError(
            "is a symmetric key (kty oct): only public keys may be registered; replace that secret"
        )
    if secrets := [name for name in _SECRET_MEMBERS if name in jwk]:
        raise ValueError(
            f"has the private key in it ({', '.join(secrets)}): it is no secret any more; make a new key and "
            "register only its public members"
        )


def _own_members(jwk: Mapping[str, object]) -> tuple[str, ...]:
    kty = jwk.get("kty")
    if not isinstance(kty, str) or kty not in _OWN_MEMBERS:
        raise ValueError("has a kty that is none of RSA, EC and OKP")
    return _OWN_MEMBERS[kty]


def _decode_x5c(x5c: object) -> list[bytes]:
    if not isinstance(x5c, list | tuple) or not x5c:
        raise ValueError("has an x5c that is not a list of certificates")
    chain = []
    for index, text in enumerate(x5c):
        try:
            chain.append(b64.decode_standard(text))
        except ValueError as error:
            raise ValueError(f"has an x5c[{index}] that {error}") from None
    return chain


def _in_x5c(index: int, der: bytes) -> object:
    try:
        return _public_key_of(der)
    except ValueError as error:
        raise ValueError(f"has an x5c[{index}] that cannot be used: {error}") from None


def _compare(jwk: Mapping[str, object], names: tuple[str, ...], public_key: object) -> None:
    """R13: the JWK's own members must be those of the certificate's key, in their one right spelling."""
    expected = public_members(public_key)
    for name in names:
        if name not in jwk:
            raise ValueError(f"has no {name}")
        if name in ("kty", "crv"):
            continue
        try:
            b64.decode(jwk[name])
        except ValueError as error:
            raise ValueError(f"has a member {name} that {error}") from None
    if different := [name for name in names if jwk[name] != expected.get(name)]:
        raise ValueError(
            f"is another key than that of the first certificate in its x5c ({', '.join(different)} differ)"
        )


def _public_key_of(der: bytes) -> object:
    try:
        public_key = x509.load_der_x509_certificate(der).public_key()
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        # The library's own words may quote the bytes; they help nobody who registers a client.
        raise ValueError("it is not the DER of an X.509 certificate with a key that can be read") from None
    public_members(public_key)
    return public_key


def _kid(jwk: object) -> str:
    """`` (kid "a")``, written so that nothing in a hostile kid can forge a line."""
    kid = jwk.get("kid") if isinstance(jwk, Mapping) else None
    return f" (kid {json.dumps(kid[:64])})" if isinstance(kid, str) else ""


def _integer(value: int, size: int = 0) -> str:
    """Base64urlUInt (RFC 7518 section 2), of ``size`` octets where that is fixed."""
    return b64.encode_text(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))
