"""Public keys of others: RFC 7517, RFC 7518 section 6, RFC 8037."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from mtlsd.jose.jwk import jwk_of_certificate, public_members
from mtlsd.jose.verification import VERIFICATION_ALGORITHMS, VerificationKey, canonical_algorithm
from tests.unit.jose.keys import certificate, private_key

KINDS = {"PS256": "RSA-2048", "RS256": "RSA-2048", "ES256": "P-256", "EdDSA": "Ed25519"}


def jwk(kind: str, **more: Any) -> dict[str, Any]:
    return {**public_members(private_key(kind).public_key()), **more}


def signed(alg: str) -> tuple[bytes, bytes]:
    """A signing input and its signature, made by a library that is not ours."""
    key: Any = private_key(KINDS[alg])
    token = jwt.encode({"a": "b"}, key, algorithm=alg)
    signing_input, _, signature = token.rpartition(".")
    return signing_input.encode(), jwt.utils.base64url_decode(signature)


@pytest.mark.parametrize("alg", VERIFICATION_ALGORITHMS)
def test_verifies_what_others_sign(alg: str) -> None:
    key = VerificationKey.from_jwk(jwk(KINDS[alg], kid="a"))
    data, signature = signed(alg)
    assert key.verifies(alg, data, signature)
    assert not key.verifies(alg, data + b"x", signature)
    assert not key.verifies(alg, data, signature[:-1])
    assert not key.verifies(alg, data, signature + b"\0")
    assert not key.verifies(alg, data, b"")
    for other in VERIFICATION_ALGORITHMS:
        assert other == alg or not key.verifies(other, data, signature)
    stranger = VerificationKey.from_jwk(public_members(_other(KINDS[alg]).public_key()))
    assert not stranger.verifies(alg, data, signature)


def _other(kind: str) -> Any:
    if kind == "P-256":
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate() if kind == "Ed25519" else private_key(kind, 1)


def test_der_is_no_signature_of_jose() -> None:
    """RFC 7518 section 3.4: r and s, not ASN.1."""
    key: Any = private_key("P-256")
    signature = key.sign(b"data", ec.ECDSA(hashes.SHA256()))
    assert not VerificationKey.from_jwk(jwk("P-256")).verifies("ES256", b"data", signature)


def test_round_trip() -> None:
    for kind in KINDS.values():
        key = VerificationKey.from_jwk(jwk(kind, kid="one", use="sig", key_ops=["verify"], x5t="ignored"))
        assert VerificationKey.from_jwk(key.to_jwk()) == key
        assert hash(key) == hash(VerificationKey.from_jwk(key.to_jwk()))


def test_a_jwk_can_pin_the_algorithm() -> None:
    key = VerificationKey.from_jwk(jwk("RSA-2048", alg="PS256"))
    data, signature = signed("RS256")
    assert key.algorithms == ("PS256",)
    assert not key.verifies("RS256", data, signature)


def test_ed25519_has_two_names() -> None:
    """RFC 9864"""
    assert VerificationKey.from_jwk(jwk("Ed25519", alg="Ed25519")).algorithms == ("EdDSA",)
    assert canonical_algorithm("Ed25519") == "EdDSA"


@pytest.mark.parametrize("alg", ["none", "HS256", "ES384", "ps256", "", None, 7, ["PS256"], "RSA-OAEP"])
def test_other_algorithms_are_none(alg: object) -> None:
    assert canonical_algorithm(alg) is None


def test_a_certificate_in_it_must_fit() -> None:
    """R13"""
    with_certificate = jwk_of_certificate(certificate("P-256"))
    assert VerificationKey.from_jwk(with_certificate).algorithms == ("ES256",)
    with pytest.raises(ValueError, match="another key"):
        VerificationKey.from_jwk({**with_certificate, **public_members(_other("P-256").public_key())})


RSA_1024 = rsa.generate_private_key(65537, 1024).public_key()
P256 = jwk("P-256")


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        "key",
        {},
        {"kty": "oct", "k": "AAAA"},
        jwk("RSA-2048", d="AAAA"),
        public_members(RSA_1024),
        jwk("P-384"),
        {**P256, "crv": "P-521"},
        {**P256, "x": P256["y"]},
        {**P256, "x": P256["x"] + "="},
        {**P256, "x": "AA"},
        {**P256, "y": None},
        {**P256, "use": "enc"},
        {**P256, "key_ops": ["sign"]},
        {**P256, "key_ops": "verify"},
        {**P256, "alg": "HS256"},
        {**P256, "alg": "PS256"},
        {**P256, "alg": 7},
        {**P256, "kid": 7},
        {**P256, "kid": ""},
        {**P256, "kid": "x" * 300},
        {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
        {"kty": "OKP", "crv": "X25519", "x": jwk("Ed25519")["x"]},
        jwk("RSA-2048", e="AQ"),
        jwk("RSA-2048", e="AAEAAQ"),
        jwk("RSA-2048", n="AAAA"),
    ],
)
def test_refused(bad: object) -> None:
    with pytest.raises(ValueError, match=r"^(has|is) "):
        VerificationKey.from_jwk(bad)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = ["kty", "crv", "x", "y", "n", "e", "kid", "alg", "use", "key_ops", "x5c", "d"]


@given(st.dictionaries(st.sampled_from(NAMES), JSON), st.sampled_from(["P-256", "RSA-2048", "Ed25519"]))
def test_any_jwk_is_read_or_refused(change: dict[str, Any], kind: str) -> None:
    try:
        key = VerificationKey.from_jwk({**jwk(kind), **change})
    except ValueError:
        return
    assert VerificationKey.from_jwk(key.to_jwk()) == key


@given(st.sampled_from(VERIFICATION_ALGORITHMS), st.binary(max_size=300))
def test_no_bytes_are_a_signature(alg: str, signature: bytes) -> None:
    assert not VerificationKey.from_jwk(jwk(KINDS[alg])).verifies(alg, b"data", signature)
