"""Signatures that others can verify, and keys that nobody sees."""

from __future__ import annotations

import pickle
import traceback

import attrs
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from mtlsd.errors import Refusal
from mtlsd.jose.jwk import public_jwk, thumbprint
from mtlsd.jose.signer import ALGORITHMS, Signer, raw_p256_signature
from mtlsd.reasons import SIGNER_UNAVAILABLE
from tests.unit.jose.keys import private_key, signer


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_pyjwt_verifies(alg: str) -> None:
    made = signer(alg)
    key = jwt.PyJWK.from_dict(public_jwk(made.public_key, made.kid, alg))
    signature = made.sign(b"input")
    assert key.Algorithm.verify(b"input", key.key, signature)
    assert not key.Algorithm.verify(b"other", key.key, signature)


def test_es256_is_always_64_octets() -> None:
    """RFC 7518 section 3.4: r and s keep their leading zeros, which one in 128 signatures has."""
    made = signer("ES256")
    shortest = 0
    for number in range(600):
        signature = made.sign(b"%d" % number)
        assert len(signature) == 64
        shortest += signature[0] == 0 or signature[32] == 0
    assert shortest


@pytest.mark.parametrize(("r", "s"), [(1, 1), (2**255, 2**256 - 1), (2**248 - 1, 2**8), (2**127, 2**247)])
def test_raw_signature(r: int, s: int) -> None:
    raw = raw_p256_signature(encode_dss_signature(r, s))
    assert (int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"), len(raw)) == (r, s, 64)


@pytest.mark.parametrize(
    "der",
    [
        b"",
        b"\x30\x00",
        encode_dss_signature(5, 5) + b"\0",
        b"\x30\x06\x02\x01\x05\x02\x01\xff",  # s is negative
        b"\x30\x07\x02\x02\x00\x05\x02\x01\x05",  # r is not in its shortest form
        encode_dss_signature(2**256, 5),
    ],
)
def test_no_raw_signature(der: bytes) -> None:
    with pytest.raises((ValueError, OverflowError)):
        raw_p256_signature(der)


@pytest.mark.parametrize(
    ("alg", "kind", "message"),
    [
        ("ES256", "P-384", "P-256"),
        ("ES256", "Ed25519", "P-256"),
        ("RS256", "RSA-1024", "2048 bits"),
        ("PS256", "P-256", "2048 bits"),
        ("EdDSA", "Ed448", "Ed25519"),
        ("EdDSA", "RSA-2048", "Ed25519"),
        ("HS256", "RSA-2048", "none of"),
        ("none", "RSA-2048", "none of"),
    ],
)
def test_key_must_fit(alg: str, kind: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Signer("a", alg, private_key(kind))  # type: ignore[arg-type]  # the wrong types are the point


def test_kid_is_the_thumbprint() -> None:
    made = signer("EdDSA")
    assert made.kid == thumbprint(public_jwk(made.public_key, "", "EdDSA"))
    assert made == signer("EdDSA")
    assert made != signer("EdDSA", 1)


class BrokenKey(ec.EllipticCurvePrivateKey):
    """A key that tells its secret when it fails."""

    curve = ec.SECP256R1()

    def sign(self, data: object, signature_algorithm: object) -> bytes:
        raise RuntimeError("the secret")


BrokenKey.__abstractmethods__ = frozenset()


def test_what_cannot_sign_refuses() -> None:
    """The caller is told that there is no signer; what the key said goes nowhere."""
    broken = Signer("a", "ES256", BrokenKey())  # type: ignore[abstract]  # made concrete above
    with pytest.raises(Refusal) as raised:
        broken.sign(b"input")
    assert raised.value.reason is SIGNER_UNAVAILABLE
    assert raised.value.facts == {"kid": "a", "alg": "ES256", "error": "RuntimeError"}
    told = "".join(traceback.format_exception(raised.value))
    assert "the secret" not in told


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_nobody_sees_the_key(alg: str) -> None:
    made = signer(alg)
    assert repr(made) == f"Signer(kid={made.kid!r}, alg={alg!r})"
    assert "PRIVATE" not in str(attrs.asdict(made))
    with pytest.raises((TypeError, pickle.PicklingError, AttributeError)):
        pickle.dumps(made)
