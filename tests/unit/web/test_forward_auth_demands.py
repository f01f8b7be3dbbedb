"""What a proxy demands is told clearly, or nobody passes."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlsd.errors import Refusal
from mtlsd.web.forward_auth_demands import MOST_AUDIENCES, Demands

API, LEDGER = "https://api.example.com/", "urn:example:ledger"


def from_query(text: str) -> Demands:
    return Demands.from_query(text.encode("latin-1"))


def test_an_audience() -> None:
    assert from_query(f"audience={API}") == Demands(frozenset({API}))
    assert from_query("audience=https%3A%2F%2Fapi.example.com%2F") == Demands(frozenset({API}))


def test_any_of_several_audiences_and_all_of_a_scope() -> None:
    demands = from_query(f"audience={API}&audience={LEDGER}&scope=invoices:read+invoices:write")
    assert demands == Demands(frozenset({API, LEDGER}), ("invoices:read", "invoices:write"))


@pytest.mark.parametrize(
    "query",
    [
        "",
        "scope=a",
        "audience=",
        f"audience={API}&scope=",
        f"audience={API}&scopes=a",
        f"audience={API}&Scope=a",
        f"audience={API}&scope=a&scope=b",
        f"audience={API}&",
        f"audience={API}&scope=a++b",
        f"audience={API}&scope=+a",
        f"audience={API}&scope=a%00",
        f"audience={API}&scope=a%0Ab",
        f"audience={API}&scope=%22",
        f"audience={API}&scope=%FF",
        f"audience={API}&scope=%",
        f"audience={API}&unbound=yes",
        "audience=a%20b",
        "audience=%C3%A4",
        "audience=" + "a" * 513,
        "&".join(["audience=a"] * (MOST_AUDIENCES + 1)),
    ],
)
def test_what_is_not_clear(query: str) -> None:
    with pytest.raises(Refusal) as refused:
        from_query(query)
    assert refused.value.reason.code == "forward_auth.demands"
    assert refused.value.reason.status == 400


def test_fields() -> None:
    assert Demands.from_fields([API.encode()], []) == Demands(frozenset({API}))
    both = [f"{API} {LEDGER}".encode()]
    assert Demands.from_fields(both, [b"a b"]) == Demands(frozenset({API, LEDGER}), ("a", "b"))


@pytest.mark.parametrize(
    ("audience", "scope"),
    [
        ([], []),
        ([b""], []),
        ([b" "], []),
        ([b"a  b"], []),
        ([b"a", b"a"], []),
        ([b"a"], [b""]),
        ([b"a"], [b"a", b"b"]),
        ([b"a"], [b"\xe4"]),
        ([b"a\tb"], []),
    ],
)
def test_fields_that_are_not_clear(audience: list[bytes], scope: list[bytes]) -> None:
    with pytest.raises(Refusal):
        Demands.from_fields(audience, scope)


PIECES = st.sampled_from(["audience", "scope", "=", "&", "a", "+", "%20", "%", "\xe4"])
LIKELY = st.lists(PIECES, max_size=12).map(lambda own: "".join(("audience=a", *own)).encode("latin-1"))


@given(st.binary(max_size=60) | LIKELY)
def test_any_query(query: bytes) -> None:
    """It is refused, or demands something, and nothing that is empty."""
    with suppress(Refusal):
        demands = Demands.from_query(query)
        assert demands.audiences
        assert all((*demands.audiences, *demands.scope))
