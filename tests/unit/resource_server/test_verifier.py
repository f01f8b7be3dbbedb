"""Which tokens are good: RFC 9068 section 4, RFC 8725 section 3, RFC 8705 section 3 (R16, R17, R18, R24)."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtlsd import reasons
from mtlsd.errors import Reason
from mtlsd.jose import b64
from mtlsd.resource_server.values import RefusedToken, TokenRules, scope_names
from mtlsd.resource_server.verifier import LONGEST_TOKEN, kid_of, verify_introspected, verify_jwt
from tests.unit.jose.keys import NOW
from tests.unit.resource_server.world import (
    ANOTHER,
    AUDIENCE,
    CERTIFICATE,
    CLAIMS,
    ISSUER,
    KEYS,
    NO_CLAIM,
    NOW_SECONDS,
    RULES,
    SIGNER,
    accepted,
    changed,
    encoded,
    key_of,
    refused,
    signer,
    token,
    verdict,
    x5t_s256,
)


def test_a_good_token() -> None:
    found = accepted(verdict(token()))
    assert (found.client_id, found.subject, found.jti) == ("billing", "billing", "1")
    assert found.scope == ("invoices:read", "invoices:write")
    assert found.audience == (AUDIENCE,)
    assert found.x5t_s256 == x5t_s256(CERTIFICATE)
    assert [check.outcome for check in found.trace] == ["passed"] * len(found.trace)


@pytest.mark.parametrize("alg", ["PS256", "RS256", "ES256", "EdDSA"])
def test_each_algorithm(alg: str) -> None:
    own = signer(alg)
    accepted(verify_jwt(token(own), CERTIFICATE, [key_of(own)], RULES, NOW))


# -- binding ------------------------------------------------------------------------------------------------

BINDING = [
    (ANOTHER, {}, reasons.ACCESS_TOKEN_CERTIFICATE_MISMATCH),
    (b"", {}, reasons.ACCESS_TOKEN_CERTIFICATE_MISMATCH),
    (None, {}, reasons.ACCESS_TOKEN_CERTIFICATE_ABSENT),
    (CERTIFICATE, {"cnf": NO_CLAIM}, reasons.ACCESS_TOKEN_UNBOUND),
    (None, {"cnf": NO_CLAIM}, reasons.ACCESS_TOKEN_UNBOUND),
]
THUMBPRINT = x5t_s256(CERTIFICATE)
UNREADABLE: list[object] = [
    None,
    {},
    [],
    THUMBPRINT,
    {"jkt": THUMBPRINT},
    {"x5t#S256": THUMBPRINT, "jkt": THUMBPRINT},
    {"x5t#S256": THUMBPRINT, "x5t#S384": "x"},
    {"x5t#s256": THUMBPRINT},
    {"x5t#S256": None},
    {"x5t#S256": [THUMBPRINT]},
    {"x5t#S256": ""},
    {"x5t#S256": THUMBPRINT + "="},
    {"x5t#S256": f" {THUMBPRINT}"},
    {"x5t#S256": THUMBPRINT[:-1]},
    {"x5t#S256": THUMBPRINT[:22]},
    {"x5t#S256": hashlib.sha256(CERTIFICATE).hexdigest()},
]


@pytest.mark.parametrize(("certificate", "claims", "reason"), BINDING)
def test_other_connections(certificate: bytes | None, claims: dict[str, Any], reason: Reason) -> None:
    """R16: there is no fallback to bearer tokens."""
    refused(verdict(token(**claims), certificate), reason)


@pytest.mark.parametrize("cnf", UNREADABLE)
@pytest.mark.parametrize("accept_unbound", [False, True])
def test_a_confirmation_that_cannot_be_checked(cnf: object, accept_unbound: bool) -> None:
    """P36; what is bound to something else is not unbound."""
    rules = attrs.evolve(RULES, accept_unbound=accept_unbound)
    refused(verdict(token(cnf=cnf), CERTIFICATE, rules), reasons.ACCESS_TOKEN_CONFIRMATION)


def test_stray_bits_of_a_thumbprint() -> None:
    """P36: another spelling of the same octets."""
    last = THUMBPRINT[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = alphabet[alphabet.index(last) ^ 1]
    text = token(cnf={"x5t#S256": THUMBPRINT[:-1] + other})
    refused(verdict(text), reasons.ACCESS_TOKEN_CONFIRMATION)


def test_where_unbound_tokens_are_accepted() -> None:
    """Those that are bound are compared all the same."""
    rules = attrs.evolve(RULES, accept_unbound=True)
    for certificate in (None, CERTIFICATE):
        assert accepted(verdict(token(cnf=NO_CLAIM), certificate, rules)).x5t_s256 is None
    refused(verdict(token(), None, rules), reasons.ACCESS_TOKEN_CERTIFICATE_ABSENT)
    refused(verdict(token(), ANOTHER, rules), reasons.ACCESS_TOKEN_CERTIFICATE_MISMATCH)


# -- signature ----------------------------------------------------------------------------------------------


def hmac_token() -> str:
    """RFC 8725 section 2.1: the public key as a secret."""
    signing_input = f"{encoded({'alg': 'HS256', 'typ': 'at+jwt', 'kid': SIGNER.kid})}.{encoded(CLAIMS)}"
    secret = json.dumps(KEYS[0].to_jwk()).encode()
    return f"{signing_input}.{b64.encode_text(hmac.digest(secret, signing_input.encode(), 'sha256'))}"


HEADERS = [
    ({"alg": "none"}, reasons.ACCESS_TOKEN_ALGORITHM),
    ({"alg": "None"}, reasons.ACCESS_TOKEN_ALGORITHM),
    ({"alg": "HS256"}, reasons.ACCESS_TOKEN_ALGORITHM),
    ({"alg": "es256"}, reasons.ACCESS_TOKEN_ALGORITHM),
    ({"alg": NO_CLAIM}, reasons.ACCESS_TOKEN_ALGORITHM),
    ({"alg": ["ES256"]}, reasons.ACCESS_TOKEN_ALGORITHM),
    ({"alg": "RS256"}, reasons.ACCESS_TOKEN_ALGORITHM),  # is not that of the key
    ({"typ": "JWT"}, reasons.ACCESS_TOKEN_MALFORMED),
    ({"typ": "at+JWT "}, reasons.ACCESS_TOKEN_MALFORMED),
    ({"typ": "token-introspection+jwt"}, reasons.ACCESS_TOKEN_MALFORMED),
    ({"typ": NO_CLAIM}, reasons.ACCESS_TOKEN_MALFORMED),
    ({"typ": None}, reasons.ACCESS_TOKEN_MALFORMED),
    ({"crit": ["exp"]}, reasons.ACCESS_TOKEN_MALFORMED),
    ({"b64": False}, reasons.ACCESS_TOKEN_MALFORMED),
    ({"kid": 1}, reasons.ACCESS_TOKEN_MALFORMED),
    ({"kid": NO_CLAIM}, reasons.ACCESS_TOKEN_KEY),
    ({"kid": "../../dev/null"}, reasons.ACCESS_TOKEN_KEY),
    ({"kid": signer(number=1).kid}, reasons.ACCESS_TOKEN_SIGNATURE),
]


@pytest.mark.parametrize(("header", "reason"), HEADERS)
def test_headers(header: dict[str, Any], reason: Reason) -> None:
    refused(verdict(token(header=header)), reason)


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt"])
def test_types(typ: str) -> None:
    """RFC 9068 section 4, and RFC 2045: a media type has no case."""
    accepted(verdict(token(header={"typ": typ})))


def test_a_token_brings_no_key() -> None:
    """RFC 8725 section 3.10: whoever writes the token would choose."""
    thief = signer(number=7)
    jwk = {**key_of(thief).to_jwk(), "kid": SIGNER.kid}
    header = {
        "kid": SIGNER.kid,
        "jwk": jwk,
        "jku": "https://thief.example/jwks",
        "x5u": "https://thief.example",
    }
    refused(verdict(token(thief, header)), reasons.ACCESS_TOKEN_SIGNATURE)


def test_forgeries() -> None:
    refused(verdict(hmac_token()), reasons.ACCESS_TOKEN_ALGORITHM)
    head, claims, signature = token().split(".")
    other = token(sub="admin").split(".")[1]
    refused(verdict(f"{head}.{other}.{signature}"), reasons.ACCESS_TOKEN_SIGNATURE)
    none = encoded({"alg": "none", "typ": "at+jwt"})
    for text in (f"{none}.{claims}.", f"{none}.{claims}", claims, "", ".", "..", "...", f"{token()}.x.y"):
        refused(verdict(text), reasons.ACCESS_TOKEN_MALFORMED)
    refused(verdict(f"{none}.{claims}.{signature}"), reasons.ACCESS_TOKEN_ALGORITHM)


def test_two_keys_of_one_kid() -> None:
    """Nothing says which is meant, so it is neither."""
    twin = attrs.evolve(KEYS[1], kid=SIGNER.kid)
    found = verify_jwt(token(), CERTIFICATE, [twin, KEYS[0]], RULES, NOW)
    refused(found, reasons.ACCESS_TOKEN_KEY)


def test_algorithms_may_be_fewer() -> None:
    rules = attrs.evolve(RULES, algorithms=("PS256",))
    refused(verdict(token(), CERTIFICATE, rules), reasons.ACCESS_TOKEN_ALGORITHM)


def test_a_name_twice() -> None:
    """RFC 8725 section 2.4 would have two readers read two things."""
    head = encoded({"alg": "ES256", "typ": "at+jwt", "kid": SIGNER.kid})
    claims = encoded(json.dumps(CLAIMS)[:-1].encode() + b', "sub": "admin"}')
    signed = f"{head}.{claims}"
    text = f"{signed}.{b64.encode_text(SIGNER.sign(signed.encode()))}"
    refused(verdict(text), reasons.ACCESS_TOKEN_MALFORMED)


# -- claims -------------------------------------------------------------------------------------------------

LEEWAY = int(RULES.leeway.total_seconds())
SAID = [
    *(({name: NO_CLAIM}, reasons.ACCESS_TOKEN_CLAIMS) for name in CLAIMS if name not in ("cnf", "scope")),
    *(({name: {}}, reasons.ACCESS_TOKEN_CLAIMS) for name in CLAIMS if name != "cnf"),
    ({"iss": ISSUER + "/"}, reasons.ACCESS_TOKEN_ISSUER),
    ({"iss": ISSUER.upper()}, reasons.ACCESS_TOKEN_ISSUER),
    ({"iss": [ISSUER]}, reasons.ACCESS_TOKEN_CLAIMS),
    ({"aud": "https://other.example"}, reasons.ACCESS_TOKEN_AUDIENCE),
    ({"aud": AUDIENCE + "/"}, reasons.ACCESS_TOKEN_AUDIENCE),
    ({"aud": []}, reasons.ACCESS_TOKEN_CLAIMS),
    ({"aud": [AUDIENCE, 1]}, reasons.ACCESS_TOKEN_CLAIMS),
    ({"aud": None}, reasons.ACCESS_TOKEN_CLAIMS),
    ({"exp": NOW_SECONDS - LEEWAY}, reasons.ACCESS_TOKEN_EXPIRED),
    ({"exp": 0}, reasons.ACCESS_TOKEN_EXPIRED),
    ({"exp": str(NOW_SECONDS + 60)}, reasons.ACCESS_TOKEN_CLAIMS),
    ({"exp": True}, reasons.ACCESS_TOKEN_CLAIMS),
    ({"exp": -1}, reasons.ACCESS_TOKEN_CLAIMS),
    ({"exp": 10**30}, reasons.ACCESS_TOKEN_CLAIMS),
    ({"iat": NOW_SECONDS + LEEWAY + 1}, reasons.ACCESS_TOKEN_NOT_YET_VALID),
    ({"nbf": NOW_SECONDS + LEEWAY + 1}, reasons.ACCESS_TOKEN_NOT_YET_VALID),
    ({"nbf": "now"}, reasons.ACCESS_TOKEN_CLAIMS),
    ({"scope": ["invoices:read"]}, reasons.ACCESS_TOKEN_CLAIMS),
    ({"scope": "invoices:read  x"}, reasons.ACCESS_TOKEN_CLAIMS),
    ({"scope": "invoices:read\tx"}, reasons.ACCESS_TOKEN_CLAIMS),
    ({"sub": ""}, reasons.ACCESS_TOKEN_CLAIMS),
]  # fmt: skip


@pytest.mark.parametrize(("claims", "reason"), SAID)
def test_claims(claims: dict[str, Any], reason: Reason) -> None:
    """A JWT and an introspection answer are read alike."""
    found = refused(verdict(token(**claims)), reason)
    assert found.trace[-1].outcome == "failed"
    document = changed({**CLAIMS, "active": True}, claims)
    refused(verify_introspected(document, CERTIFICATE, RULES, NOW), reason)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ["https://other.example", AUDIENCE]},
        {"exp": NOW_SECONDS - LEEWAY + 1},
        {"iat": NOW_SECONDS + LEEWAY, "nbf": NOW_SECONDS + LEEWAY},
        {"scope": NO_CLAIM},
        {"scope": ""},
        {"act": {"sub": "x"}},
    ],
)
def test_good_claims(claims: dict[str, Any]) -> None:
    accepted(verdict(token(**claims)))


def test_scope() -> None:
    """The last check, so that nobody learns by it whether a token is good."""
    good = verify_jwt(token(), CERTIFICATE, KEYS, RULES, NOW, "invoices:write invoices:read")
    accepted(good)
    found = verify_jwt(token(), CERTIFICATE, KEYS, RULES, NOW, ["invoices:read", "admin"])
    assert refused(found, reasons.ACCESS_TOKEN_SCOPE).scope == ("admin", "invoices:read")
    found = verify_jwt(token(), ANOTHER, KEYS, RULES, NOW, "admin")
    assert refused(found, reasons.ACCESS_TOKEN_CERTIFICATE_MISMATCH).scope == ()


# -- introspection ------------------------------------------------------------------------------------------


def test_what_is_introspected() -> None:
    """R18: `cnf` stands at the top."""
    document = {**CLAIMS, "active": True, "token_type": "Bearer"}
    accepted(verify_introspected(document, CERTIFICATE, RULES, NOW))
    refused(verify_introspected(document, ANOTHER, RULES, NOW), reasons.ACCESS_TOKEN_CERTIFICATE_MISMATCH)


@pytest.mark.parametrize("active", [False, None, "true", 1, "yes", [True], NO_CLAIM])
def test_what_is_not_active(active: object) -> None:
    document = changed({**CLAIMS, "active": True}, {"active": active})
    refused(verify_introspected(document, CERTIFICATE, RULES, NOW), reasons.ACCESS_TOKEN_INACTIVE)


def test_the_comparison_of_the_server() -> None:
    """Its yes is not taken for ours."""
    document = {**CLAIMS, "active": True, "cnf_matches": True}
    found = verify_introspected(document, ANOTHER, RULES, NOW)
    refused(found, reasons.ACCESS_TOKEN_CERTIFICATE_MISMATCH)
    found = verify_introspected({"active": False, "cnf_matches": False}, CERTIFICATE, RULES, NOW)
    refused(found, reasons.ACCESS_TOKEN_CERTIFICATE_MISMATCH)


# -- the rest -----------------------------------------------------------------------------------------------


def test_what_is_told_of_whom() -> None:
    """Nothing that is not proven is said of anybody; no token and no signature is in the facts."""
    proven = refused(verdict(token(aud="x")), reasons.ACCESS_TOKEN_AUDIENCE)
    assert proven.facts == {"client_id": "billing", "sub": "billing", "jti": "1"}
    forged = token()[:-6] + "AAAAAA"
    unproven = refused(verdict(forged), reasons.ACCESS_TOKEN_SIGNATURE)
    assert unproven.facts == {}
    assert forged.split(".")[2] not in repr(unproven)


def test_what_strangers_write_is_made_printable() -> None:
    found = refused(verdict(token(header={"kid": "a\r\nb\u202e" + "x" * 5000})), reasons.ACCESS_TOKEN_KEY)
    seen = str(found.refusal.facts["seen"])
    assert seen.isascii()
    assert seen.isprintable()
    assert len(seen) < 300


@pytest.mark.parametrize("name", ["typ", "alg"])
@pytest.mark.parametrize(
    "written", ["'\"", ["'\""] * 200, 7**5000, {"a": 1}], ids=["quotes", "list", "integer", "object"]
)
def test_what_strangers_write_is_short(name: str, written: object) -> None:
    """Lists in lists, each with quotes around the others, would double the text at each level."""
    for _ in range(18):
        written = [written]
        found = verdict(token(header={name: written}))
        assert isinstance(found, RefusedToken)
        assert len(repr(found)) < 2500


@pytest.mark.parametrize(
    "rules",
    [
        {"issuer": ""},
        {"audiences": ()},
        {"audiences": [""]},
        {"algorithms": ()},
        {"algorithms": ("none",)},
        {"algorithms": ("HS256", "ES256")},
        {"leeway": timedelta(hours=1)},
        {"leeway": timedelta(seconds=-1)},
    ],
)
def test_rules_that_let_everything_through(rules: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=" "):
        TokenRules(**{"issuer": ISSUER, "audiences": AUDIENCE, **rules})


def test_names_of_a_scope() -> None:
    assert scope_names("b a b") == ("a", "b") == scope_names(["b", "a"])
    for bad in (["a b"], ['a"'], ["é"], [""], ["a\\"]):
        with pytest.raises(ValueError, match="scope"):
            scope_names(bad)


@settings(max_examples=200)
@given(st.text(max_size=80) | st.text("eyJ.-_=", max_size=60))
def test_no_text_is_a_token(text: str) -> None:
    """Whatever comes, it is a refusal and no exception."""
    refused(verdict(text), reasons.ACCESS_TOKEN_MALFORMED)
    assert kid_of(text) is None


@settings(max_examples=150)
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_one_changed_octet(position: int, difference: int) -> None:
    text = token().encode()
    at = position % len(text)
    broken = bytes([*text[:at], text[at] ^ difference, *text[at + 1 :]]).decode("latin-1")
    assert isinstance(verdict(broken), RefusedToken)


def test_the_longest_token() -> None:
    refused(verdict(token(padding="x" * LONGEST_TOKEN)), reasons.ACCESS_TOKEN_MALFORMED)
