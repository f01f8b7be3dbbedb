"""What an artifact is, and what is refused as one."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlsd.oauth.artifacts import MOST_CONTENT, Artifact, Bounds, ContentTooLarge, Kind

END = datetime(2026, 3, 1, tzinfo=UTC)
KEY = Artifact.key_of("secret")


def artifact(kind: Kind = "code", **members: Any) -> Artifact:
    values = {"key": KEY, "client_id": "a", "grant_id": "g", "content": {}, "expires_at": END, **members}
    return Artifact(kind, **values)


def test_the_key_is_the_hash_of_the_secret() -> None:
    assert hashlib.sha256(b"secret").digest() == KEY


def test_a_key_of_several_strings_keeps_them_apart() -> None:
    keys = [Artifact.key_of(*own) for own in (("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("", "abc"))]
    assert len(set(keys)) == len(keys)


@given(st.lists(st.text(st.characters()), min_size=1, max_size=3))
def test_every_string_has_a_key(strings: list[str]) -> None:
    """A token endpoint is asked for anything."""
    assert len(Artifact.key_of(*strings)) == 32


def test_surrogates_have_a_key() -> None:
    assert len(Artifact.key_of("\ud800")) == 32


def test_nothing_of_the_content_is_shown() -> None:
    assert "visible" not in repr(artifact(content={"state": "visible"}))


def test_equal_with_equal_content() -> None:
    assert artifact(content={"a": (1, 2), "b": 2}) == artifact(content={"b": 2, "a": [1, 2]})
    assert artifact(content={"a": 1}) != artifact(content={"a": 2})


def test_evolved_it_is_encoded_again() -> None:
    assert attrs.evolve(artifact(), content={"a": 1}).encoded == '{"a":1}'


def nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "content",
    [{"a": b"bytes"}, {"a": END}, {"a": float("nan")}, nested(100_000)],
    ids=["bytes", "datetime", "nan", "deep"],
)
def test_what_is_not_json(content: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"JSON"):
        artifact(content=content)


def test_too_much() -> None:
    room = MOST_CONTENT - len('{"a":""}')
    artifact(content={"a": "x" * room})
    with pytest.raises(ContentTooLarge):
        artifact(content={"a": "x" * (room + 1)})
    with pytest.raises(ContentTooLarge):
        artifact(content={"a": "ä" * (room // 2)})


@pytest.mark.parametrize("wrong", [{"key": b"the secret itself"}, {"expires_at": END.replace(tzinfo=None)}])
def test_wrong_members(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"key|time zone"):
        artifact(**wrong)


def test_an_unknown_kind() -> None:
    with pytest.raises(ValueError, match="kind"):
        artifact(cast("Kind", "cookie"))


def test_what_counts_together() -> None:
    bounds = Bounds()
    pushed = bounds.of(artifact("request_uri"))
    assert pushed is not None
    assert pushed == bounds.of(artifact("request_uri", grant_id="h", expires_at=END + timedelta(days=1)))
    others = (artifact("request_uri", client_id="b"), artifact("code"), artifact("refresh_token"))
    assert pushed[0] not in {own[0] for own in map(bounds.of, others) if own is not None}
    assert bounds.of(artifact("refresh_token")) == bounds.of(artifact("refresh_token", client_id="b"))


@pytest.mark.parametrize("kind", ["access_token", "replay", "revoked", "session", "registration_token"])
def test_what_nothing_bounds(kind: Kind) -> None:
    """To evict a jti or a revocation would bring something back to life."""
    assert Bounds().of(artifact(kind)) is None
    assert Bounds().of(artifact("request_uri", client_id=None)) is None
