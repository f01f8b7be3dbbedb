"""RFC 6750 section 2.1: where the token is, and how callers are answered (section 3)."""

from __future__ import annotations

import json
import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtlsd import reasons
from mtlsd.errors import Reason, Refusal
from mtlsd.reasons import protected_resources
from mtlsd.resource_server.answer import answer_for, checked_realm
from mtlsd.resource_server.bearer import bearer_token
from mtlsd.resource_server.values import RefusedToken


@pytest.mark.parametrize("value", ["Bearer a.b-c_~+/==", b"bearer a.b-c_~+/==", " BEARER a.b-c_~+/== "])
def test_a_token(value: bytes | str) -> None:
    assert bearer_token([value]) == "a.b-c_~+/=="


@pytest.mark.parametrize(
    "fields",
    [
        ["Bearer"],
        ["Bearer "],
        ["Bearer a b"],
        ["Bearer  a"],
        ["Bearer a,Bearer b"],
        ["Bearer a, Bearer b"],
        ["Bearer a,b"],
        ["Bearer \ta"],
        ["Bearer a\r\nX: y"],
        ["Bearer ä"],
        ["Bearer ="],
        ["Bearer a=b"],
        ['Bearer token="a"'],
        ["Bearer " + "a" * 20_000],
        ["Bearer a", "Bearer a"],
        ["Bearer a", "Basic YTpi"],
        ["", ""],
        ["Bearer \u20ac"],
    ],
)
def test_what_cannot_be_read(fields: list[str]) -> None:
    with pytest.raises(Refusal) as refused:
        bearer_token(fields)
    assert refused.value.reason is reasons.ACCESS_TOKEN_REQUEST


@pytest.mark.parametrize("value", ["", "Basic YTpi", "DPoP a", "Basic YTpi, Bearer a", "Bearer\ta", "a.b.c"])
def test_what_is_no_bearer_token(value: str) -> None:
    with pytest.raises(Refusal) as refused:
        bearer_token([value])
    assert refused.value.reason is reasons.ACCESS_TOKEN_ABSENT
    assert "YTpi" not in str(refused.value.facts)


@settings(max_examples=200)
@given(st.binary(max_size=60) | st.text(max_size=60) | st.binary(max_size=60).map(b"Bearer ".__add__))
def test_everything_else(value: bytes | str) -> None:
    with suppress(Refusal):
        found = bearer_token([value])
        assert re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", found)


ALL = [own for own in vars(protected_resources).values() if isinstance(own, Reason)]


@pytest.mark.parametrize("reason", ALL, ids=str)
def test_the_class_and_never_why(reason: Reason) -> None:
    answer = answer_for(RefusedToken(Refusal(reason, {"expected": "x", "seen": "y"})))
    headers = dict(answer.headers)
    told = json.loads(answer.body)
    assert answer.status == reason.status
    assert told.get("error", "") == reason.error
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Length"] == str(len(answer.body))
    for text in (answer.body.decode(), headers.get("WWW-Authenticate", "")):
        assert reason.code not in text
        assert reason.meaning not in text
    assert ("WWW-Authenticate" in headers) == (reason.status != 503)


def test_challenges() -> None:
    """Section 3: what a caller may know."""

    def challenge(reason: Reason, realm: str = "", scope: tuple[str, ...] = ()) -> str:
        return dict(answer_for(RefusedToken(Refusal(reason), {}, scope), realm).headers)["WWW-Authenticate"]

    assert challenge(reasons.ACCESS_TOKEN_ABSENT) == "Bearer"
    assert challenge(reasons.ACCESS_TOKEN_ABSENT, "invoices") == 'Bearer realm="invoices"'
    assert challenge(reasons.ACCESS_TOKEN_SCOPE, "invoices", ("a", "b")) == (
        'Bearer realm="invoices", error="insufficient_scope", '
        'error_description="The request requires more than the access token grants.", scope="a b"'
    )
    told = {challenge(own) for own in ALL if own.error == "invalid_token"}
    assert len(told) == 1


@pytest.mark.parametrize("realm", ['a"b', "a\\", "a\r\nSet-Cookie: x", "ä"])
def test_a_realm_that_breaks_out(realm: str) -> None:
    with pytest.raises(ValueError, match="realm"):
        checked_realm(realm)
