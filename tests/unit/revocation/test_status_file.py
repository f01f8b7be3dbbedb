"""What the daemon writes for `mtlsd revocation status` is what is read."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlsd.revocation.ocsp_status import ResponderStatus
from mtlsd.revocation.status import SourceStatus
from mtlsd.revocation.status_file import Row, StatusFile, rows_of
from tests.pki.maker import NOW

LIST = SourceStatus("a", "crl", "/ca.crl", "CN=CA", 5, 7, 900, NOW, NOW, NOW, NOW, NOW, "crl.older: x")
RESPONDER = ResponderStatus(
    ("a", "b"), "http://ocsp.example", NOW, None, None, "open", 3, {"good": 2, "x": 1}, 1
)
FILE = StatusFile(NOW, 7, tuple(rows_of([LIST, RESPONDER])))


def test_a_responder_is_shown_for_each_group() -> None:
    of_list, first, second = FILE.rows
    assert (of_list.group, first.group, second.group) == ("a", "a", "b")
    assert (first.state, first.waiting, first.known, first.stale) == ("open", 3, 3, 1)
    assert (of_list.state, first.entries) == (None, None)


def test_round_trip() -> None:
    assert StatusFile.from_bytes(FILE.to_bytes()) == FILE
    document = json.loads(FILE.to_bytes())
    assert document.keys() == {"written_at", "pid", "sources"}
    assert "waiting" not in document["sources"][0]
    assert "entries" not in document["sources"][1]


def test_a_later_release_may_say_more() -> None:
    document = {**FILE.rows[0].to_document(), "new": 1}
    assert Row.from_document(document) == FILE.rows[0]


@pytest.mark.parametrize(
    "change", [{"last_good": 5}, {"last_good": "yesterday"}, {"next_update": "2026-11-21T12:00:00"}]
)
def test_instants_are_instants(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"as it was written|Invalid isoformat|has no zone"):
        Row.from_document({**FILE.rows[0].to_document(), **change})


@given(st.binary(max_size=30) | st.integers(0, len(FILE.to_bytes())).map(lambda own: FILE.to_bytes()[:own]))
def test_anything_else_is_refused(data: bytes) -> None:
    with suppress(ValueError):
        assert StatusFile.from_bytes(data).rows == FILE.rows
