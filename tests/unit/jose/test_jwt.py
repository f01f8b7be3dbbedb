"""Tokens: exactly the JSON that was meant, whatever the claims are (R17, R66)."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtlsd.jose import b64
from mtlsd.jose.jwk import public_jwk
from mtlsd.jose.jwt import PreparedToken
from mtlsd.jose.signer import ALGORITHMS
from tests.unit.jose.keys import signer

CLAIMS: dict[str, Any] = {
    "iss": "https://as.example.com",
    "sub": "billing",
    "client_id": "billing",
    "aud": ["https://a.example", "https://b.example"],
    "scope": "invoices:read",
    "cnf": {"x5t#S256": "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"},
}


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_pyjwt_accepts(alg: str) -> None:
    made = signer(alg)
    token = PreparedToken.from_claims(CLAIMS, made).issue(1700000000, 4000000000, "j-1")
    key = jwt.PyJWK.from_dict(public_jwk(made.public_key, made.kid, alg))
    options: Any = {"require": ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"]}
    read = jwt.decode_complete(
        token, key, algorithms=[alg], audience="https://b.example", issuer=CLAIMS["iss"], options=options
    )
    assert read["header"] == {"alg": alg, "typ": "at+jwt", "kid": made.kid}
    assert read["payload"] == {**CLAIMS, "iat": 1700000000, "exp": 4000000000, "jti": "j-1"}


def claims_of(token: str) -> list[tuple[str, object]]:
    """The members in their order, so that one which is there twice shows."""
    _, payload, _ = token.split(".")
    members = json.loads(b64.decode(payload), object_pairs_hook=lambda pairs: pairs)
    assert isinstance(members, list)
    return members


_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=150)
@given(
    st.dictionaries(
        st.text(max_size=9).filter(lambda name: name not in {"iat", "exp", "jti"}), _VALUE, max_size=5
    ),
    st.integers(min_value=0, max_value=2**40),
    st.text(max_size=20),
)
def test_any_claims(claims: dict[str, object], iat: int, jti: str) -> None:
    """No length, character, quote or percent sign of a claim changes another."""
    token = PreparedToken.from_claims(claims, signer("EdDSA")).issue(iat, iat + 300, jti)
    assert claims_of(token) == [*claims.items(), ("iat", iat), ("exp", iat + 300), ("jti", jti)]


@pytest.mark.parametrize(
    "hostile",
    [
        "%d",
        "%b%%s",
        "{0}{iat}",
        '","iat":1,"x":"',
        "\\",
        "é☃\U0001f600",
        "\ud800",
        "\r\n\x00\x7f",
        "</script>",
    ],
)
def test_hostile_values(hostile: str) -> None:
    """What a registration brings is data, as a name and as a value and as a jti."""
    token = PreparedToken.from_claims({hostile: hostile}, signer("EdDSA")).issue(1, 2, hostile)
    assert claims_of(token) == [(hostile, hostile), ("iat", 1), ("exp", 2), ("jti", hostile)]


def test_no_claims() -> None:
    token = PreparedToken.from_claims({}, signer("EdDSA"), typ="JWT").issue(1, 2, "a")
    assert claims_of(token) == [("iat", 1), ("exp", 2), ("jti", "a")]
    assert jwt.get_unverified_header(token)["typ"] == "JWT"


@pytest.mark.parametrize("claims", [{"iat": 1}, {"exp": None}, {"jti": "a", "sub": "b"}])
def test_claims_of_each_token(claims: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="each token has its own"):
        PreparedToken.from_claims(claims, signer("EdDSA"))


@pytest.mark.parametrize("value", [b"bytes", {"set"}, float("nan"), float("inf"), object()])
def test_no_json(value: object) -> None:
    with pytest.raises(ValueError, match=r"JSON"):
        PreparedToken.from_claims({"sub": value}, signer("EdDSA"))


def test_nesting_without_end() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(ValueError, match="Circular"):
        PreparedToken.from_claims({"sub": endless}, signer("EdDSA"))
