"""JSON from strangers: whatever it is, it is an object within bounds, or it is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.oauth.json_body import DEEPEST, MOST_VALUES, object_from_body

JSON = "application/json"


def detail(body: bytes, content_type: str | None = JSON) -> str:
    """Why it is refused."""
    with pytest.raises(Refusal) as refused:
        object_from_body(body, content_type)
    assert refused.value.reason is reasons.REGISTRATION_JSON
    return str(refused.value.facts["detail"])


def nested(depth: int, inner: str = "1") -> str:
    return '{"a":' * (depth - 1) + "[" + inner + "]" + "}" * (depth - 1)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{}{}", "not JSON"),
        (b"{'a':1}", "not JSON"),
        (b'{"a":1,}', "not JSON"),
        (b"[]", "not an object"),
        (b'"a"', "not an object"),
        (b"null", "not an object"),
        (b'{"scope":"a","scope":"b"}', "twice"),
        (b'{"jwks":{"keys":[{"x":1,"\\u0078":2}]}}', "twice"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":-Infinity}', "Infinity"),
        (b'{"a":1e999}', "too large"),
        (b'{"a":' + b"9" * 5000 + b"}", "too long"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"a":"\xff"}', "UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"a":"\x01"}', "not JSON"),
        (nested(DEEPEST + 1).encode(), "deep"),
        (b"[" * 60_000, "deep"),
        (b'{"a":' * 10_000, "deep"),
        (b'{"a":[' + b"1," * MOST_VALUES + b"1]}", "values"),
    ],
)
def test_refused(body: bytes, says: str) -> None:
    """R59; RFC 8259 section 4 leaves open what a member means that is there twice."""
    assert says in detail(body)


@pytest.mark.parametrize(
    "content_type",
    [None, "", "application/x-www-form-urlencoded", "application/jsonp", "text/json",
     "application/json; charset=latin-1", "application/json; q=1", "application/json, application/json"],
)  # fmt: skip
def test_other_content_types(content_type: str | None) -> None:
    assert "Content-Type" in detail(b"{}", content_type)


@pytest.mark.parametrize("content_type", [JSON, "Application/JSON", 'application/json; charset="UTF-8"'])
def test_content_types(content_type: str) -> None:
    assert object_from_body(b'{"a": [1, -2.5, "x"]}', content_type) == {"a": [1, -2.5, "x"]}


def test_as_deep_as_it_may_be() -> None:
    assert object_from_body(nested(DEEPEST).encode(), JSON)
    assert object_from_body(json.dumps({"a": "[" * 1000 + '\\"{'}).encode(), JSON)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=8), values, max_size=5), st.booleans())
def test_reads_what_python_writes(document: dict[str, Any], ascii_only: bool) -> None:
    try:
        body = json.dumps(document, ensure_ascii=ascii_only).encode("utf-8")
        read = object_from_body(body, JSON)
    except UnicodeEncodeError:
        return
    except Refusal as refusal:
        said = str(refusal.facts["detail"])
        assert "deep" in said or "surrogate" in said
        return
    assert read == document


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60) | st.text('{}[]",:\\u0d8ne1+-.', max_size=40).map(str.encode))
def test_anything_else_is_refused(body: bytes) -> None:
    """Never another exception, and what it takes the library takes too."""
    try:
        read = object_from_body(body, JSON)
    except Refusal:
        return
    assert json.loads(body) == read
