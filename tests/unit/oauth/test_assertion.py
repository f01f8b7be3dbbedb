"""private_key_jwt: RFC 7523, RFC 7521, and what attackers make of it (R81)."""

from __future__ import annotations

import hmac
import json
from typing import Any

import attrs
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from mtlsd import reasons
from mtlsd.errors import Reason, Refusal
from mtlsd.jose import b64
from mtlsd.jose.jwk import public_members
from mtlsd.oauth.assertion import LONGEST_ASSERTION, AssertionRules, ClientAssertion
from tests.pki import NOW
from tests.unit.jose.keys import private_key
from tests.unit.oauth.signing import (
    AT,
    ISSUER,
    KINDS,
    TOKEN_ENDPOINT,
    World,
    claims,
    index,
    jwk,
    raw,
    secretive,
    signed,
    signing,
    with_assertion,
)

CLIENTS = index([signing("a"), signing("b"), secretive("old")])
ASSERTION = reasons.CLIENT_ASSERTION
NO_KEY = reasons.CLIENT_KEY_UNKNOWN


def accepts(assertion: str, world: World | None = None) -> str:
    return (world or World(CLIENTS)).authenticate(with_assertion(assertion)).client.client_id


def refused(assertion: str, world: World | None = None, now: Any = NOW, **parameters: str) -> Reason:
    with pytest.raises(Refusal) as raised:
        (world or World(CLIENTS)).authenticate(with_assertion(assertion, **parameters), now=now)
    assert raised.value.reason.error == "invalid_client"
    assert raised.value.reason.status == 401
    assert len(assertion) < 9 or assertion not in str(raised.value.facts)
    return raised.value.reason


@pytest.mark.parametrize("alg", KINDS)
def test_good(alg: str) -> None:
    authenticated = World(CLIENTS).authenticate(with_assertion(signed("a", alg), client_id="a"))
    assert authenticated.client.client_id == "a"
    assert authenticated.identity is None
    assert authenticated.proven is None


@pytest.mark.parametrize(
    "change",
    [
        {"aud": TOKEN_ENDPOINT},
        {"aud": [ISSUER]},
        {"aud": [ISSUER, TOKEN_ENDPOINT]},
        {"iat": AT + 10},
        {"nbf": AT + 10},
        {"iat": None},
        {"exp": AT + 0.5},
        {"exp": AT + 3600},
        {"iat": AT - 3000},
        {"jti": "x" * 256},
    ],
)
def test_what_is_accepted(change: dict[str, Any]) -> None:
    """R81: a clock that is 10 s ahead is no mistake."""
    assert accepts(signed("a", **change)) == "a"


@pytest.mark.parametrize(
    "change",
    [
        {"aud": None},
        {"aud": "https://other.example"},
        {"aud": ISSUER + "/"},
        {"aud": ISSUER.upper()},
        {"aud": TOKEN_ENDPOINT + "?x"},
        {"aud": [ISSUER, "https://other.example"]},
        {"aud": ["https://other.example", ISSUER]},
        {"aud": [ISSUER, TOKEN_ENDPOINT, ISSUER]},
        {"aud": []},
        {"aud": [[ISSUER]]},
        {"aud": {"a": ISSUER}},
        {"aud": 7},
        {"exp": None},
        {"exp": AT},
        {"exp": AT - 1},
        {"exp": AT + 3700},
        {"exp": 10**20},
        {"exp": -1},
        {"exp": "soon"},
        {"exp": True},
        {"iat": AT + 61},
        {"nbf": AT + 61},
        {"iat": "now"},
        {"nbf": []},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
        {"jti": "x" * 257},
        {"iss": "b"},
        {"sub": "b"},
        {"iss": None},
        {"sub": None},
        {"iss": ["a"], "sub": ["a"]},
    ],
)
def test_claims(change: dict[str, Any]) -> None:
    """RFC 7523 section 3; R81: more than 60 s ahead is refused."""
    assert refused(unchecked(claims("a", **change))) is ASSERTION


def unchecked(body: object, kind: str = "P-256", **header: Any) -> str:
    """Signed by the key of everybody here, whatever is in it: the library has rules of its own."""
    key: Any = private_key(kind)
    alg = next(alg for alg, own in KINDS.items() if own == kind)
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return jwt.PyJWS().encode(payload, key, algorithm=alg, headers={"kid": kind, **header})


def test_null_is_no_date() -> None:
    for name in ("exp", "iat", "nbf"):
        assert refused(unchecked({**claims("a"), name: None})) is ASSERTION


class TestFapi2:
    """R81: the issuer as a string, and no RS256."""

    WORLD = World(CLIENTS, rules=AssertionRules.for_server(ISSUER, [TOKEN_ENDPOINT], fapi2=True))

    @pytest.mark.parametrize("alg", ["PS256", "ES256", "EdDSA"])
    def test_good(self, alg: str) -> None:
        assert accepts(signed("a", alg, jti=alg), self.WORLD) == "a"

    @pytest.mark.parametrize("audience", [[ISSUER], [ISSUER, TOKEN_ENDPOINT], TOKEN_ENDPOINT])
    def test_audience(self, audience: object) -> None:
        assert refused(signed("a", aud=audience), self.WORLD) is ASSERTION

    def test_algorithm(self) -> None:
        assert refused(signed("a", "RS256"), self.WORLD) is ASSERTION

    def test_lifetime(self) -> None:
        assert refused(signed("a", exp=AT + 1000), self.WORLD) is ASSERTION


class TestAttacks:
    def test_no_signature(self) -> None:
        """alg none, in every spelling"""
        for alg in ("none", "None", "NONE", "nOnE", "", None, 0):
            for signature in (b"", b"x"):
                text = raw({"alg": alg, "kid": "P-256"}, claims("a"), b"x")
                text = text if signature else text.rpartition(".")[0] + "."
                assert refused(text) is ASSERTION

    def test_the_public_key_as_a_secret(self) -> None:
        """HS256 with the public key, in every form that somebody could have it in"""
        key: Any = private_key("RSA-2048").public_key()
        forms = [
            key.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
            for encoding in (Encoding.PEM, Encoding.DER)
        ]
        forms.append(json.dumps(jwk("RSA-2048")).encode())
        for secret in forms:
            for alg in ("HS256", "HS512", "RS256", "ES256"):
                text = raw({"alg": alg, "kid": "RSA-2048"}, claims("a")).rpartition(".")[0]
                signature = hmac.digest(secret, text.encode(), "sha256")
                assert refused(f"{text}.{b64.encode_text(signature)}") in (ASSERTION, NO_KEY)

    def test_a_key_that_it_brings_along(self) -> None:
        """jwk, jku, x5u and x5c in the header say nothing."""
        mine = ec.generate_private_key(ec.SECP256R1())
        for kid in ("P-256", "mine", None):
            header = {
                "kid": kid,
                "jwk": {**public_members(mine.public_key()), "kid": kid},
                "jku": "https://attacker.example/jwks",
                "x5u": "https://attacker.example/x5u",
                "x5c": ["AAAA"],
            }
            headers = {name: value for name, value in header.items() if value is not None}
            assert refused(jwt.encode(claims("a"), mine, algorithm="ES256", headers=headers)) in (
                ASSERTION,
                NO_KEY,
            )

    @pytest.mark.parametrize(
        "header",
        [
            {"crit": ["exp"]},
            {"crit": []},
            {"b64": False},
            {"typ": "at+jwt"},
            {"typ": "dpop+jwt"},
            {"typ": 7},
            {"kid": 7},
            {"kid": ["P-256"]},
            {"alg": "ES384"},
            {"alg": ["ES256"]},
        ],
    )
    def test_headers(self, header: dict[str, Any]) -> None:
        """RFC 7515 section 4.1.11: what must be understood, and is not"""
        good = signed("a").split(".")
        full = {"alg": "ES256", "kid": "P-256", **header}
        assert refused(raw(full, claims("a"), b64.decode(good[2]))) is ASSERTION

    def test_typ(self) -> None:
        for number, typ in enumerate(("JWT", "jwt", "client-authentication+jwt")):
            assert accepts(unchecked(claims("a", jti=str(number)), typ=typ)) == "a"

    def test_another_clients_signature(self) -> None:
        """Every pair: the key of one never speaks for the other."""
        world = World(index([signing("a", jwk("P-256")), signing("b", jwk("P-256", 1))]))
        keys: dict[str, Any] = {"a": private_key("P-256"), "b": private_key("P-256", 1)}
        for signer, key in keys.items():
            for client_id in keys:
                text = jwt.encode(claims(client_id), key, algorithm="ES256")
                if signer == client_id:
                    assert accepts(text, world) == client_id
                else:
                    assert refused(text, world) is ASSERTION

    def test_the_client_id_of_the_form_must_be_the_same(self) -> None:
        """RFC 7521 section 4.2"""
        assert refused(signed("a"), client_id="b") is ASSERTION

    def test_one_bit(self) -> None:
        header, body, signature = signed("a").split(".")
        other = b64.encode_text(bytes([b64.decode(signature)[0] ^ 1]) + b64.decode(signature)[1:])
        changed = b64.encode_text(b64.decode(body).replace(b'"a"', b'"b"'))
        for text in (f"{header}.{body}.{other}", f"{header}.{changed}.{signature}"):
            assert refused(text) is ASSERTION

    def test_one_name_twice(self) -> None:
        """Two readers could see two audiences."""
        body = json.dumps(claims("a")).encode().replace(b'"aud"', b'"aud": "https://other.example", "aud"')
        assert refused(unchecked(body)) is ASSERTION

    @pytest.mark.parametrize(
        "text",
        [
            ".",
            "..",
            "...",
            "a.b",
            "a.b.c.d",
            "é.b.c",
            "a" * (LONGEST_ASSERTION + 1),
            raw(b"", b""),
            raw(b"[" * 3000, b"{}"),
            raw(b"\xff", b"{}"),
            raw([], {}),
            raw({"alg": "ES256"}, []),
            raw({"alg": "ES256"}, b'{"sub": "a", "iss": "a", "exp": NaN}'),
            raw({"alg": "ES256"}, b'{"sub": "a", "iss": "a", "exp": ' + b"9" * 5000 + b"}"),
            raw({"alg": "ES256"}, claims("a")) + "=",
            raw({"alg": "ES256"}, claims("a")) + "\n",
            " " + signed("a"),
        ],
    )
    def test_garbage(self, text: str) -> None:
        assert refused(text) is ASSERTION

    def test_huge(self) -> None:
        assert refused(signed("a", padding="x" * LONGEST_ASSERTION)) is ASSERTION


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(Refusal):
        ClientAssertion.from_text(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["iss", "sub", "aud", "exp", "iat", "nbf", "jti"])


@given(st.dictionaries(NAMES, JSON, min_size=1))
def test_any_claims_are_accepted_or_refused(change: dict[str, Any]) -> None:
    """What is accepted is the client's, and meant for us, whatever stands in it."""
    body = {**claims("a"), **change}
    try:
        accepted = accepts(unchecked(json.dumps(body).encode("utf-8", "replace")))
    except Refusal:
        return
    assert accepted == body["iss"] == body["sub"]
    assert set(body["aud"] if isinstance(body["aud"], list) else [body["aud"]]) <= {ISSUER, TOKEN_ENDPOINT}
    assert AT < body["exp"] <= AT + 3630


@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "jwk", "b64"]), JSON, min_size=1))
def test_any_header_is_accepted_or_refused(change: dict[str, Any]) -> None:
    header = {"alg": "ES256", "kid": "P-256", **change}
    try:
        found = ClientAssertion.from_text(raw(header, claims("a")))
    except Refusal:
        return
    assert found.alg == "ES256"
    assert "crit" not in header


def test_nothing_secret_is_shown() -> None:
    found = ClientAssertion.from_text(signed("a"))
    assert "jti of a" not in repr(found)
    assert signed("a").split(".")[2] not in repr(found)
    assert attrs.asdict(found)["client_id"] == "a"
