"""The text of a subject's key."""

from __future__ import annotations

from collections.abc import Hashable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtlsd.stores.subject_key import subject_key_text

leaves = st.text() | st.binary() | st.integers() | st.none()
keys: st.SearchStrategy[Hashable] = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.frozensets(inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300)
@given(keys, keys)
def test_equal_text_means_equal_keys(a: Hashable, b: Hashable) -> None:
    assert (subject_key_text(a) == subject_key_text(b)) == (a == b)


@given(keys)
def test_it_is_ascii_without_line_breaks(key: Hashable) -> None:
    text = subject_key_text(key)
    assert text.isascii()
    assert text.isprintable()


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("1", 1),
        (b"a", "a"),
        (b"a", "61"),
        (("a", "b"), "ab"),
        (("a",), "a"),
        (("a", "b"), ("ab",)),
        (None, ""),
    ],
)
def test_types_keep_apart(a: Hashable, b: Hashable) -> None:
    assert subject_key_text(a) != subject_key_text(b)


def test_a_set_has_no_order() -> None:
    assert subject_key_text(frozenset("abc")) == subject_key_text(frozenset("cba"))


def test_the_text_never_changes() -> None:
    """Stores hold it: another spelling would let a taken subject be registered again."""
    key = ((("2.5.4.3", "billing"), ("2.5.4.11", b"\x01")), "é")
    assert subject_key_text(key) == (
        '["t",["t",["t",["s","2.5.4.3"],["s","billing"]],["t",["s","2.5.4.11"],["b","01"]]],["s","\\u00e9"]]'
    )


def test_other_types_are_refused() -> None:
    with pytest.raises(TypeError, match="float"):
        subject_key_text((1.5,))
