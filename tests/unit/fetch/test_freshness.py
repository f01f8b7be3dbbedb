"""Cache headers, within a floor and a ceiling."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtlsd.fetch.freshness import Validators, fresh_for

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FLOOR, CEILING, DEFAULT = timedelta(minutes=1), timedelta(days=1), timedelta(hours=1)
NOON, ONE = "Sat, 21 Nov 2026 12:00:00 GMT", "Sat, 21 Nov 2026 13:00:00 GMT"


def seconds(headers: Mapping[str, str]) -> float:
    return fresh_for(headers, NOW, floor=FLOOR, ceiling=CEILING, default=DEFAULT).total_seconds()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, 3600),
        ({"cache-control": "public"}, 3600),
        ({"cache-control": "public, max-age=600"}, 600),
        ({"cache-control": 'MAX-AGE="600"'}, 600),
        ({"cache-control": "max-age=600", "age": "100"}, 500),
        ({"cache-control": "max-age=600", "age": "-100"}, 600),
        ({"cache-control": "max-age=600", "expires": NOON}, 600),
        ({"cache-control": "s-maxage=600"}, 3600),
        ({"cache-control": "max-age=5"}, 60),
        ({"cache-control": "max-age=99999999999999"}, 60),
        ({"cache-control": "max-age=999999999999"}, 86400),
        ({"cache-control": "max-age=x"}, 60),
        ({"cache-control": "max-age=600, max-age=700"}, 60),
        ({"cache-control": "max-age=600, no-store"}, 60),
        ({"cache-control": "no-cache"}, 60),
        ({"expires": ONE, "date": NOON}, 3600),
        ({"expires": ONE}, 3600),
        ({"expires": ONE, "date": ONE}, 60),
        ({"expires": "Saturday, 21-Nov-26 12:30:00 GMT"}, 1800),
        ({"expires": "0"}, 60),
        ({"expires": "never"}, 60),
    ],
)
def test_fresh_for(headers: Mapping[str, str], expected: float) -> None:
    """RFC 9111 sections 4.2 and 5.2.2."""
    assert seconds(headers) == expected


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(["cache-control", "age", "expires", "date"]), st.text(max_size=40)))
def test_any_headers(headers: Mapping[str, str]) -> None:
    assert 60 <= seconds(headers) <= 86400


def test_validators() -> None:
    found = Validators.from_headers({"etag": 'W/"a-1"', "last-modified": NOON})
    assert found.headers() == {"If-None-Match": 'W/"a-1"', "If-Modified-Since": NOON}
    assert Validators().headers() == {}


@pytest.mark.parametrize("etag", ["", "a", '"a', 'w/"a"', '"a b"', '"ä"', f'"{"a" * 300}"', '"a"\r\nX: y'])
def test_bad_validators_are_not_sent_back(etag: str) -> None:
    assert Validators.from_headers({"etag": etag, "last-modified": "yesterday"}) == Validators()
