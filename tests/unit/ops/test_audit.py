"""The audit log: one line an event, whatever is in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

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
