"""Answers that outlive a restart, and what becomes of files that are torn, foreign or in the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlsd.fetch.refused import FetchRefused
from mtlsd.revocation.inquiry import Key
from mtlsd.revocation.ocsp_record import Record, from_file, to_file
from tests.unit.revocation.ocsp_world import Asking, Reaction, World, settled

RECORD = Record(
    Key("partners", bytes(32), bytes(range(32))),
    "http://a.example/ocsp",
    bytes(32),
    datetime(2026, 3, 1, tzinfo=UTC),
    datetime(2026, 3, 2, tzinfo=UTC),
    b"response",
)


def files(directory: Path) -> list[Path]:
    return sorted((directory / "cache/ocsp").glob("*"))


def down(asking: Asking) -> Reaction:
    return FetchRefused("connection", "refused")


# -- the file --------------------------------------------------------------------------------------------


def test_round_trip() -> None:
    records = [RECORD, attrs.evolve(RECORD, nonce=None, url="http://ü.example/")]
    assert from_file(to_file(records)) == records
    assert from_file(to_file([])) == []


@given(st.binary(max_size=200))
def test_any_file(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  whatever json and base64 say
        from_file(data)


@given(st.integers(0, len(to_file([RECORD])) - 1))
def test_torn_file(length: int) -> None:
    with suppress(ValueError):
        assert from_file(to_file([RECORD])[:length]) == []


_VALUE = st.one_of(
    st.none(), st.integers(), st.text(max_size=9), st.lists(st.none(), max_size=2), st.booleans()
)


@given(st.sampled_from(sorted(json.loads(to_file([RECORD]).split(b"\n")[1]))), _VALUE)
def test_any_value(name: str, value: object) -> None:
    """A record or a ValueError, whatever stands there."""
    head, line, _ = to_file([RECORD]).decode().split("\n")
    changed = json.dumps(json.loads(line) | {name: value})
    try:
        (record,) = from_file(f"{head}\n{changed}\n".encode())
    except ValueError:
        return
    assert record.fetched_at.tzinfo is not None


# -- restarts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["issuer_by_name", "delegate_by_key", "revoked", "unknown", "without_nonce"])
def test_restart(tmp_path: Path, kind: str) -> None:
    """What is read back is verified when somebody asks, with the nonce of its time."""
    world = World(tmp_path)
    world.start()
    world.react = world.honest(kind)
    assert world.why() is None
    before = world.get()
    world.clock.advance(30)
    world.react = down
    world.restart()
    assert world.answers.status()[0].answers == {"unread": 1}
    assert world.get() == before
    assert world.why() is None
    assert len(world.askings) == 1


def test_written_after_a_while(tmp_path: Path) -> None:
    """A crash loses a few seconds at most; and not every answer is written by itself."""
    world = World(tmp_path)
    world.start()
    for _ in range(20):
        assert world.why(world.another()) is None
    assert files(tmp_path) == []
    for _ in range(5):
        world.clock.advance(5)
    found = files(tmp_path)
    assert 1 <= len(found) <= 20
    assert sum(len(from_file(file.read_bytes())) for file in found) == 20
    assert {file.stat().st_mode & 0o777 for file in found} == {0o600}


def test_what_is_forgotten_goes_from_the_disk(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.start()
    assert world.why() is None
    world.wait(60)
    assert len(files(tmp_path)) == 1
    world.wait(90_000, 60)
    assert files(tmp_path) == []


def test_stale_ones_are_not_read(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.start()
    assert world.why() is None
    settled(world.answers.stop())
    world.clock.advance(90_000)
    world.restart()
    assert world.get() is None
    world.wait(20)
    assert files(tmp_path) == []


def test_within_the_grace(tmp_path: Path) -> None:
    """P24: the responder is down, and we have to start anew."""
    world = World(tmp_path, grace=timedelta(hours=6))
    world.start()
    assert world.why() is None
    world.react = down
    world.clock.advance(90_000)
    world.restart()
    assert world.status() == "good"
    world.clock.advance(6 * 3600)
    world.restart()
    assert world.get() is None


def test_another_group_after_the_restart(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.start()
    assert world.why() is None
    world.group = attrs.evolve(world.group, name="others")
    world.restart()
    assert world.get() is None
    world.wait(20)
    assert files(tmp_path) == []


@pytest.mark.parametrize("what", ["response", "certificate", "nonce"])
def test_what_is_in_the_cache_is_not_trusted(tmp_path: Path, what: str) -> None:
    """R41: it is verified like what has just come, for the certificate that is asked about."""
    world = World(tmp_path)
    world.start()
    other = world.another()
    assert [world.why(), world.why(other)] == [None, None]
    settled(world.answers.stop())
    records = {own.key.certificate: own for file in files(tmp_path) for own in from_file(file.read_bytes())}
    mine, others = records[world.client.sha256], records[other.certificates[0].sha256]
    forged = {
        "response": attrs.evolve(mine, response=mine.response[:-1] + bytes((mine.response[-1] ^ 1,))),
        "certificate": attrs.evolve(others, key=mine.key),
        "nonce": attrs.evolve(mine, nonce=bytes(range(32))),
    }[what]
    for file in files(tmp_path):
        if mine in from_file(file.read_bytes()):
            file.write_bytes(to_file([forged]))
    world.react = down
    world.restart()
    assert world.get() is None
    assert world.why() == "fetch.connection"


def test_a_policy_that_has_become_stricter(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.start()
    world.react = world.honest("without_nonce")
    assert world.why() is None
    assert world.group.revocation is not None
    world.group = attrs.evolve(
        world.group, revocation=attrs.evolve(world.group.revocation, require_nonce=True)
    )
    world.restart()
    assert world.get() is None


# -- what goes wrong with the disk -----------------------------------------------------------------------


def _tear(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def _garble(file: Path) -> None:
    file.write_bytes(b"\xff\x00" * 100)


def _open(file: Path) -> None:
    file.chmod(0o644)


@pytest.mark.parametrize("spoil", [_tear, _garble, _open])
def test_spoilt_files(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    """Told, ignored, and written anew with the next answer."""
    world = World(tmp_path)
    world.start()
    assert world.why() is None
    settled(world.answers.stop())
    (file,) = files(tmp_path)
    spoil(file)
    world.restart()
    assert world.names() == ["cache.failed"]
    assert file.name in str(world.events[0][1]["error"])
    assert world.get() is None
    assert world.why() is None
    world.wait(20)
    world.restart()
    assert world.status() == "good"
    assert world.names() == ["cache.failed"]


def test_a_directory_that_others_can_reach(tmp_path: Path) -> None:
    world = World(tmp_path)
    (tmp_path / "cache").mkdir(0o700)
    (tmp_path / "cache/ocsp").mkdir(0o755)
    world.start()
    assert world.why() is None
    world.wait(20)
    assert world.names() == ["cache.failed"] * 2, "read, and written"
    world.wait(600)
    assert len(world.events) == 2
    (tmp_path / "cache/ocsp").chmod(0o700)
    world.wait(60)
    assert len(files(tmp_path)) == 1


def test_a_full_disk(tmp_path: Path) -> None:
    """Only means that it is not kept."""
    world = World(tmp_path)
    assert world.directory is not None
    world.directory = attrs.evolve(world.directory, max_bytes=10)
    world.answers = world.make()
    world.answers.configure([world.group])
    world.start()
    assert world.why() is None
    world.wait(300)
    assert world.names() == ["cache.failed"]
    assert world.status() == "good"
    assert settled(world.answers.stop()) is None


def test_a_disk_that_hangs(tmp_path: Path) -> None:
    """Nothing waits for it but the end."""
    world = World(tmp_path)
    world.start()
    world.threads_hang = True
    for _ in range(3):
        assert world.why(world.another()) is None
        world.wait(20)
    assert len(world.hanging) == 1, "one at a time"
    stopping = world.answers.stop()
    world.threads_hang = False
    world.hanging[0].callback(None)
    assert settled(stopping) is None
    assert sum(len(from_file(file.read_bytes())) for file in files(tmp_path)) == 3
