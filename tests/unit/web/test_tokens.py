"""Who gets a signed answer (RFC 9701 section 4, RFC 9110 section 12.5.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlsd.web.tokens import INTROSPECTION_JWT, prefers_jwt


@pytest.mark.parametrize(
    "accept",
    [
        INTROSPECTION_JWT,
        INTROSPECTION_JWT.upper(),
        f"{INTROSPECTION_JWT}, application/json;q=0.9",
        f"application/json; q=0.5 , {INTROSPECTION_JWT};q=0.8",
        f"{INTROSPECTION_JWT},application/json",
        f"*/*, {INTROSPECTION_JWT}",
    ],
)
def test_jwt(accept: str) -> None:
    assert prefers_jwt(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/*",
        "application/json",
        "application/jwt",
        f"{INTROSPECTION_JWT};q=0",
        f"{INTROSPECTION_JWT};q=0.000",
        f"application/json, {INTROSPECTION_JWT};q=0.5",
        f"{INTROSPECTION_JWT};q=x",
        f"x{INTROSPECTION_JWT}",
    ],
)
def test_json(accept: str) -> None:
    assert not prefers_jwt(accept)


@given(st.text(alphabet="application/json+;q=01., \t*", max_size=40))
def test_takes_any_header(accept: str) -> None:
    assert not prefers_jwt(accept)
