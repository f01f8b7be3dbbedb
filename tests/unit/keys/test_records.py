"""``keyring.json``, read strictly."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtlsd.jose.keyring import Keyring, RetiringKey
from mtlsd.keys.records import KeyRecord, OtherVersion, format_records, parse_records, records_of
from tests.unit.jose.keys import NOW, signing_key

RECORDS = records_of(Keyring(signing_key(1), signing_key(0), (RetiringKey(signing_key(2), NOW),)))


def document(**changes: object) -> dict[str, Any]:
    """A good file whose first key is changed."""
    good: dict[str, Any] = json.loads(format_records(RECORDS))
    good["keys"][0].update(changes)
    return good


def test_round_trip() -> None:
    assert parse_records(format_records(RECORDS)) == RECORDS
    assert parse_records(format_records(())) == ()


@given(st.datetimes(timezones=st.timezones()))
def test_any_instant(instant: datetime) -> None:
    try:
        in_utc = instant.astimezone(UTC)
    except OverflowError:
        return
    written = KeyRecord("a", "ES256", "retiring", instant, instant).to_json()
    assert KeyRecord.from_json(written) == KeyRecord("a", "ES256", "retiring", in_utc, in_utc)


def test_instants_are_written_in_utc() -> None:
    instant = datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    assert KeyRecord("a", "ES256", "next", instant).to_json()["created_at"] == "2026-03-01T12:00:00Z"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (document(kid=5), "not a string"),
        (document(alg=None), "not a string"),
        (document(state="waiting"), "a state is none of"),
        (document(state=[]), "a state is none of"),
        (document(state="next"), "one active and one next"),
        (document(state="retiring"), "until_at"),
        (document(until_at="2026-03-01T12:00:00Z"), "until_at"),
        (document(created_at="2026-03-01T12:00:00"), "RFC 3339"),
        (document(created_at="0001-01-01T00:00:00+14:00"), "RFC 3339"),
        (document(created_at=1772366400), "RFC 3339"),
        (document(kid=RECORDS[1].kid), "twice"),
        (document(private="x"), "exactly the members"),
        ({**document(), "more": 1}, "exactly the members"),
        ({"version": 1, "keys": {}}, "exactly the members"),
        ({"version": 1, "keys": [5]}, "exactly the members"),
        ({"keys": []}, "no version"),
        ([], "no version"),
    ],
)
def test_refuses(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_records(json.dumps(value).encode())


def test_other_version() -> None:
    with pytest.raises(OtherVersion):
        parse_records(b'{"version": 2, "anything": "else"}')


@settings(max_examples=150)
@given(
    st.binary(max_size=40)
    | st.recursive(
        st.none() | st.integers() | st.sampled_from(["active", "2026-03-01T12:00:00Z"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.fixed_dictionaries({}, optional=dict.fromkeys(RECORDS[0].to_json(), inner))
            | st.fixed_dictionaries({"version": st.just(1), "keys": inner})
        ),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode())
)
def test_any_content(data: bytes) -> None:
    """Records, or a ValueError."""
    try:
        records = parse_records(data)
    except ValueError:
        return
    assert parse_records(format_records(records)) == records


@pytest.mark.parametrize("data", [b"[" * 60000, b'{"version":' + b"9" * 5000 + b"}", b"\xff\xfe"])
def test_hostile_content(data: bytes) -> None:
    with pytest.raises(ValueError, match="not JSON"):
        parse_records(data)
