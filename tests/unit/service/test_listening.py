"""Which ports stay open at a reload."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from mtlsd.service.listening import Listening, Prepared, kept_open


def listening(**endpoints: str) -> dict[str, Listening]:
    anything = cast(Any, None)
    listeners = {name: SimpleNamespace(name=name, endpoint=endpoint) for name, endpoint in endpoints.items()}
    return {
        name: Listening(cast(Any, listener), anything, anything, anything, anything)
        for name, listener in listeners.items()
    }


def prepared(**endpoints: str) -> list[Prepared]:
    return [
        cast(Prepared, SimpleNamespace(name=name, listener=own.listener))
        for name, own in listening(**endpoints).items()
    ]


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        pytest.param({"a": "tcp:1"}, {"a": "tcp:1"}, {"a": "a"}, id="nothing changes"),
        pytest.param({"a": "tcp:1"}, {"b": "tcp:1"}, {"b": "a"}, id="a name"),
        pytest.param({"a": "tcp:1"}, {"a": "tcp:2"}, {}, id="an endpoint"),
        pytest.param(
            {"a": "tcp:1", "b": "tcp:2"}, {"a": "tcp:2", "b": "tcp:1"}, {"a": "b", "b": "a"}, id="a swap"
        ),
        pytest.param(
            {"a": "tcp:1"}, {"b": "tcp:1", "a": "tcp:2"}, {"b": "a"}, id="the old name goes elsewhere"
        ),
        pytest.param({"a": "tcp:0", "b": "tcp:0"}, {"b": "tcp:0"}, {"b": "b"}, id="any port, by name"),
        pytest.param(
            {"a": "tcp:0", "b": "tcp:0"}, {"c": "tcp:0", "b": "tcp:0"}, {"b": "b", "c": "a"}, id="any port"
        ),
    ],
)
def test_a_port_stays_open_where_its_endpoint_stays(
    old: dict[str, str], new: dict[str, str], kept: dict[str, str]
) -> None:
    before = listening(**old)
    found = kept_open(before, prepared(**new))
    assert found == {name: before[was] for name, was in kept.items()}
