"""`mtlsd revocation status`: what a daemon says of its sources, and what is known without one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mtlsd.cache.files import CacheDirectory
from mtlsd.cli.exits import OK
from mtlsd.cli.revocation_table import state_of
from mtlsd.cli.terminal import octets, span, when
from mtlsd.ops.audit import utc_now
from mtlsd.revocation.status_file import NAME, Row, StatusFile
from tests.pki.maker import NOW
from tests.unit.cli.conftest import Ran

Mtlsd = Callable[..., Ran]
URL = "https://pki.example/ca.crl"
DAY = timedelta(days=1)


def configure(directory: Path, revocation: str) -> None:
    config = directory / "mtlsd.toml"
    config.write_text(config.read_text().replace('crl = ["ca.crl"]', revocation))


def write(directory: Path, pid: int, *rows: Row) -> None:
    status = StatusFile(utc_now() - timedelta(seconds=3), pid, rows)
    CacheDirectory(directory / "cache").write(NAME, status.to_bytes())


def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def cells(ran: Ran) -> list[list[str]]:
    """The table, cell by cell."""
    assert "\x1b" not in ran.out, "no colours where nobody sees them"
    return [[cell.strip() for cell in line.split("  ") if cell] for line in ran.out.splitlines()[1:]]


def test_without_a_daemon(directory: Path, mtlsd: Mtlsd) -> None:
    ran = mtlsd("revocation", "status")
    assert ran.code == OK
    assert ran.out.startswith("No daemon has written anything yet. From files and cache:\n")
    (heading, row) = cells(ran)
    assert heading[:4] == ["GROUP", "KIND", "SOURCE", "STATE"]
    assert row[:4] == ["dev", "crl", str(directory / "ca.crl"), "good"]
    assert row[5:] == ["in 364 days", f"number 1, 0 entries, {row[-1].rpartition(', ')[2]}"]
    assert not (directory / "cache").exists(), "nothing is made"


def test_what_was_never_asked(directory: Path, mtlsd: Mtlsd) -> None:
    configure(directory, f'crl = ["{URL}", "from-certificate"], ocsp = "from-certificate"')
    rows = cells(mtlsd("revocation", "status"))[1:]
    assert rows == [
        ["dev", "crl", URL, "never", "never"],
        ["dev", "ocsp", "from-certificate", "never", "never"],
    ]


def test_a_file_that_cannot_be_read(directory: Path, mtlsd: Mtlsd) -> None:
    """The configuration is good as long as the file is there and large, so the status has to tell."""
    (directory / "ca.crl").write_bytes(b"\n" * (1 << 21))
    (document,) = mtlsd("revocation", "status", "--json").json["sources"]
    assert document["error"].startswith("crl.malformed: neither DER nor PEM")
    assert document["last_good"] is None
    assert "  crl.malformed: neither DER nor PEM" in mtlsd("revocation", "status").out


def test_group_that_nobody_checks(directory: Path, mtlsd: Mtlsd) -> None:
    config = directory / "mtlsd.toml"
    config.write_text(config.read_text().replace("revocation =", "# "))
    assert cells(mtlsd("revocation", "status"))[1:] == [["dev", "not checked"]]
    assert mtlsd("revocation", "status", "--json").json == {
        "daemon": None,
        "sources": [],
        "unchecked": ["dev"],
    }


def test_a_daemon_that_runs(directory: Path, mtlsd: Mtlsd) -> None:
    now = utc_now()
    listed = Row(
        "dev", "crl", URL, "CN=CA", 7, 1203, 45_678, now - DAY, now + 6 * DAY, now - timedelta(minutes=3),
        error="fetch.deadline: not done within 120 seconds",
    )  # fmt: skip
    responder = Row(
        "dev", "ocsp", "http://ocsp.example", state="open", waiting=2, known=1, stale=1, answers={"good": 1}
    )
    write(directory, os.getpid(), responder, listed, Row("another", "crl", URL))
    ran = mtlsd("revocation", "status")
    assert ran.out.startswith(f"By daemon {os.getpid()}, 3 seconds ago:\n")
    assert cells(ran)[1:] == [
        ["dev", "crl", URL, "late", "3 minutes ago", "in 5 days", "number 7, 1,203 entries, 46 kB"],
        ["fetch.deadline: not done within 120 seconds"],
        ["dev", "ocsp", "http://ocsp.example", "open", "never", "1 answer, 1 out of date, 2 waiting"],
    ]
    document = mtlsd("revocation", "status", "--json").json
    assert document["daemon"]["running"] is True
    assert document["daemon"]["age_seconds"] == 3
    assert [own["kind"] for own in document["sources"]] == ["crl", "ocsp"]
    assert [own["standing"] for own in document["sources"]] == ["late", "open"]
    assert "state" not in document["sources"][0]
    assert document["sources"][1]["answers"] == {"good": 1}


def test_what_was_configured_since(directory: Path, mtlsd: Mtlsd) -> None:
    """What the daemon says is some seconds old: a source that it does not know yet was never asked."""
    configure(directory, f'crl = ["ca.crl", "{URL}"], ocsp = "http://ocsp.example/"')
    write(directory, os.getpid())
    assert cells(mtlsd("revocation", "status"))[1:] == [
        ["dev", "crl", str(directory / "ca.crl"), "never", "never"],
        ["dev", "crl", URL, "never", "never"],
        ["dev", "ocsp", "http://ocsp.example/", "never", "never"],
    ]


def test_a_daemon_that_has_gone(directory: Path, mtlsd: Mtlsd) -> None:
    """Its word is old: files and cache are read instead."""
    pid = gone()
    write(directory, pid, Row("dev", "crl", URL))
    ran = mtlsd("revocation", "status")
    assert ran.out.startswith(f"Not running any more: daemon {pid}, 3 seconds ago. From files and cache:\n")
    assert cells(ran)[1][2] == str(directory / "ca.crl")
    assert mtlsd("revocation", "status", "--json").json["daemon"]["running"] is False


@pytest.mark.parametrize("content", [b"", b"[]", b'{"written_at": "x"}', b'{"sources": [1], "pid": 1}'])
def test_a_torn_file(directory: Path, mtlsd: Mtlsd, content: bytes) -> None:
    CacheDirectory(directory / "cache").write(NAME, content)
    ran = mtlsd("revocation", "status")
    assert ran.code == OK
    assert ran.out.startswith("The daemon's word cannot be read (")
    assert cells(ran)[1][3] == "good"


def test_a_directory_that_others_can_write(directory: Path, mtlsd: Mtlsd) -> None:
    write(directory, os.getpid())
    (directory / "cache").chmod(0o777)
    assert "Others than its owner can reach it" in mtlsd("revocation", "status").out


@pytest.mark.parametrize(
    ("how", "state"),
    [
        ({}, "never"),
        ({"last_good": NOW}, "good"),
        ({"next_update": NOW + DAY}, "good"),
        ({"next_update": NOW + DAY, "error": "x"}, "late"),
        ({"next_update": NOW - DAY, "last_good": NOW - 2 * DAY}, "expired"),
        ({"error": "x"}, "failing"),
        ({"kind": "ocsp", "last_good": NOW, "state": "closed"}, "good"),
        ({"kind": "ocsp", "last_good": NOW, "state": "half_open"}, "open"),
        ({"kind": "ocsp", "last_good": NOW, "state": "closed", "error": "ocsp.stale"}, "failing"),
        ({"kind": "ocsp", "state": "closed", "error": "x", "known": 2, "stale": 1}, "late"),
        ({"kind": "ocsp", "state": "closed", "error": "x", "known": 2, "stale": 2}, "failing"),
    ],
)
def test_states(how: dict[str, Any], state: str) -> None:
    assert state_of(Row(**{"group": "dev", "kind": "crl", "source": URL, **how}), NOW)[0] == state


def test_words() -> None:
    assert [span(timedelta(seconds=own)) for own in (0, 1, 59, 60, 7199, 86_400)] == [
        "0 seconds", "1 second", "59 seconds", "1 minute", "1 hour", "1 day",
    ]  # fmt: skip
    assert when(None, NOW) == "never"
    assert (when(NOW, NOW), when(NOW - DAY, NOW), when(NOW + DAY, NOW)) == (
        "just now",
        "1 day ago",
        "in 1 day",
    )
    assert [octets(own) for own in (0, 999, 1000, 999_999, 36_100_000)] == [
        "0 B", "999 B", "1 kB", "1000 kB", "36.1 MB",
    ]  # fmt: skip
