"""The audit log: one line an event, whatever is in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlsd.errors import Fact
from mtlsd.ops.audit import AuditFile, AuditLog

NOW = datetime(2026, 11, 21, 12, 30, 1, 500_000, tzinfo=UTC)


def written(name: str, facts: dict[str, str]) -> bytes:
    lines: list[bytes] = []
    AuditLog(lines.append, lambda: NOW).event(name, facts)
    assert len(lines) == 1
    return lines[0]


def test_an_event() -> None:
    line = written("token.issued", {"client_id": "a"})
    assert line.endswith(b"\n")
    assert json.loads(line) == {
        "at": "2026-11-21T12:30:01.500+00:00",
        "event": "token.issued",
        "client_id": "a",
    }


@given(st.dictionaries(st.sampled_from(["subject", "seen"]), st.text()))
def test_nothing_forges_a_line(facts: dict[str, str]) -> None:
    line = written("handshake.refused", facts)
    assert line.count(b"\n") == 1
    assert all(0x20 <= byte < 0x7F for byte in line[:-1])
    assert {name: json.loads(line)[name] for name in facts} == facts


def test_a_file_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for line in (b"one\n", b"two\n"):
        file = AuditFile(str(path))
        file.write(line)
        file.close()
    assert path.read_bytes() == b"one\ntwo\n"
    assert path.stat().st_mode & 0o027 == 0


@given(st.text(min_size=1, max_size=10), st.integers(1, 40))
def test_no_stranger_fills_the_disk(unit: str, count: int) -> None:
    """A certificate can have names of 100 KB, and nobody has to hold its key to have them written down."""
    lines: list[bytes] = []
    text = unit * 10_000
    facts: dict[str, Fact] = {
        "reason": "chain.untrusted",
        "subject": text,
        "seen": [text[:700]] * count,
        "depth": 1,
    }
    AuditLog(lines.append, lambda: NOW).event("handshake.refused", facts)
    event = json.loads(lines[0])
    assert len(event["subject"]) < 300
    assert event["subject"].startswith(text[:256])
    assert event["subject"].endswith("characters more")
    assert len(event["seen"]) <= 33
    assert (event["reason"], event["depth"]) == ("chain.untrusted", 1)


def test_long_values_of_a_short_line_stay() -> None:
    assert json.loads(written("reload.refused", {"seen": "x" * 4000}))["seen"] == "x" * 4000


def test_a_half_line_does_not_spoil_the_next(tmp_path: Path) -> None:
    """A full disk takes a part of a line, and that is an error."""

    class Full(BytesIO):
        def write(self, data: object) -> int:
            assert isinstance(data, bytes)
            return super().write(data[:3])

    audit = AuditFile(str(tmp_path / "audit"))
    audit._file, disk = Full(), audit._file
    with pytest.raises(OSError, match="No space left"):
        audit.write(b"half\n")
    audit._file = disk
    audit.write(b"whole\n")
    audit.write(b"next\n")
    assert (tmp_path / "audit").read_bytes() == b"\nwhole\nnext\n"
