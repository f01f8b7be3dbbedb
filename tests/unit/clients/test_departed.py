"""Whose codes and tokens end with a new configuration."""

from __future__ import annotations

from mtlsd.clients.departed import departed, unknown
from mtlsd.clients.index import Registration
from tests.unit.stores.values import named


def registered(*client_ids: str, disabled: str = "") -> list[Registration]:
    return [Registration(named(own, disabled=own in disabled), "mtlsd.toml") for own in client_ids]


def test_who_is_registered_no_longer() -> None:
    assert departed(registered("a", "b", "c"), registered("b")) == ("a", "c")


def test_who_is_disabled_now() -> None:
    before = registered("a", "b", "c", disabled="c")
    assert departed(before, registered("a", "b", "c", disabled="bc")) == ("b",)


def test_who_comes_or_comes_back_loses_nothing() -> None:
    assert departed(registered("a", disabled="a"), registered("a", "b")) == ()


def test_at_the_start_all_that_are_disabled() -> None:
    assert departed((), registered("a", "b", disabled="b")) == ("b",)


def test_who_is_unknown() -> None:
    """Of those of files and of the store, also of those who came into the store a moment ago."""
    assert unknown("abcd", registered("a", disabled="a"), [named("c")]) == ("b", "d")
    assert unknown((), registered("a"), ()) == ()
