"""What is ours and what is not, whatever a token says of itself (R66)."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from mtlsd.jose import b64
from mtlsd.jose.jwk import public_jwk
from mtlsd.jose.jwt import AT_JWT, INTROSPECTION_JWT, PreparedToken, sign_jwt
from mtlsd.jose.keyring import Keyring, SigningKey
from mtlsd.jose.own import OwnTokens
from mtlsd.jose.signer import ALGORITHMS, Signer
from tests.unit.jose.keys import signer

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLAIMS = {"iss": "https://as", "sub": "billing"}
ORDER_OF_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def fresh() -> Signer:
    return Signer.from_private_key(ec.generate_private_key(ec.SECP256R1()), "ES256")


def keyring(active: Signer) -> Keyring:
    return Keyring(SigningKey(fresh(), NOW), SigningKey(active, NOW))


OURS = fresh()
OWN = OwnTokens.from_keyring(keyring(OURS), NOW)
TOKEN = PreparedToken.from_claims(CLAIMS, OURS).issue(1, 2, "j")
HEADER, PAYLOAD, SIGNATURE = TOKEN.split(".")


def encoded(value: object) -> str:
    return b64.encode_text(json.dumps(value).encode())


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_ours(alg: str) -> None:
    own = OwnTokens.from_keyring(keyring(signer(alg)), NOW)
    read = own.read(PreparedToken.from_claims(CLAIMS, signer(alg)).issue(1, 2, "j"))
    assert read is not None
    assert (read.typ, read.claims) == (AT_JWT, {**CLAIMS, "iat": 1, "exp": 2, "jti": "j"})
    read = own.read(sign_jwt(CLAIMS, signer(alg), INTROSPECTION_JWT))
    assert read is not None
    assert (read.typ, read.claims) == (INTROSPECTION_JWT, CLAIMS)


def test_retired_keys_count_until_their_time() -> None:
    rotated = keyring(OURS).rotate(NOW, SigningKey(fresh(), NOW), timedelta(hours=1))
    assert OwnTokens.from_keyring(rotated, NOW + timedelta(minutes=59)).read(TOKEN) is not None
    assert OwnTokens.from_keyring(rotated, NOW + timedelta(minutes=61)).read(TOKEN) is None


def test_another_key_that_claims_our_kid() -> None:
    forged = Signer(OURS.kid, "ES256", ec.generate_private_key(ec.SECP256R1()))
    assert OWN.read(PreparedToken.from_claims(CLAIMS, forged).issue(1, 2, "j")) is None


@pytest.mark.parametrize("alg", ["none", "None", "HS256", "ES384", "RS256", ""])
def test_no_header_chooses_the_algorithm(alg: str) -> None:
    """`none`, and HMAC with the public key as its secret."""
    header = encoded({"alg": alg, "typ": "at+jwt", "kid": OURS.kid})
    assert OWN.read(f"{header}.{PAYLOAD}.{SIGNATURE}") is None
    assert OWN.read(f"{header}.{PAYLOAD}.") is None
    public = json.dumps(public_jwk(OURS.public_key, OURS.kid, "ES256"))
    headers: Any = {"typ": "at+jwt", "kid": OURS.kid}
    assert OWN.read(jwt.encode(CLAIMS, public * 2, algorithm="HS256", headers=headers)) is None


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "ES256", "typ": "JWT", "kid": OURS.kid},
        {"alg": "ES256", "kid": OURS.kid},
        {"alg": "ES256", "typ": "at+jwt"},
        {"alg": "ES256", "typ": "at+jwt", "kid": OURS.kid, "crit": ["x"], "x": 1},
        {"alg": "ES256", "typ": "at+jwt", "kid": OURS.kid, "jwk": public_jwk(OURS.public_key, "x", "ES256")},
    ],
)
def test_no_other_header_even_with_a_good_signature(header: dict[str, Any]) -> None:
    signed = f"{encoded(header)}.{PAYLOAD}"
    signature = b64.encode_text(OURS.sign(signed.encode()))
    assert OWN.read(f"{signed}.{signature}") is None


def test_changed() -> None:
    claims = encoded({**CLAIMS, "sub": "root"})
    assert OWN.read(f"{HEADER}.{claims}.{SIGNATURE}") is None
    assert OWN.read(f"{HEADER}.{PAYLOAD}.{SIGNATURE}=") is None
    assert OWN.read(f"{HEADER}.{PAYLOAD}.{SIGNATURE}.") is None
    assert OWN.read(f"{HEADER}.{PAYLOAD}.{'A' * 3000}") is None
    assert OWN.read(f" {TOKEN}") is None


def test_the_other_signature_of_the_same_token_reads_the_same() -> None:
    """ECDSA has two signatures for everything: a token is known by its jti, never by its text."""
    raw = base64.urlsafe_b64decode(SIGNATURE + "==")
    s = ORDER_OF_P256 - int.from_bytes(raw[32:], "big")
    other = OWN.read(f"{HEADER}.{PAYLOAD}.{b64.encode_text(raw[:32] + s.to_bytes(32, 'big'))}")
    assert other is not None
    assert other == OWN.read(TOKEN)


@settings(max_examples=200)
@given(st.text() | st.lists(st.text(alphabet="eyJ.Aé-_= "), max_size=5).map(".".join))
def test_takes_any_string(text: str) -> None:
    assert OWN.read(text) is None
    assert OWN.read(f"{HEADER}.{text}") is None
