"""What outlives a restart, and what a broken cache does: nothing but being told."""

from __future__ import annotations

import errno
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mtlsd.cache.files import CacheDirectory
from mtlsd.fetch.freshness import Validators
from mtlsd.revocation.crl_cache import KeptList, sweep
from mtlsd.revocation.crl_pace import Pace
from tests.pki import NOW
from tests.pki.crls import crl_of, entry
from tests.unit.revocation.crls import DAY, SERIAL, URL, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, crl_urls=(URL,))


def kept_file(world: World) -> Path:
    (name,) = world.directory.names()
    return world.directory.path / name


def test_the_last_good_list_serves_until_it_runs_out(world: World) -> None:
    world.serve(entry(SERIAL))
    world.start()
    world.server.bodies.clear()
    world.wall += 2 * DAY
    world.restart()
    assert world.told() == "revoked"
    assert world.status().last_good == NOW
    world.go(120)
    assert world.names() == ["source.failed"]
    world.age(NOW + 6 * DAY + timedelta(seconds=1))
    assert world.told() == "crl.expired"


def test_and_for_the_grace_after_that(tmp_path: Path) -> None:
    world = World(tmp_path, crl_urls=(URL,), grace=DAY)
    world.serve(entry(SERIAL))
    world.start()
    world.server.bodies.clear()
    world.wall = NOW + 6 * DAY + timedelta(hours=23)
    world.restart()
    assert world.told() == "revoked"


def test_a_restart_asks_only_what_has_changed_and_not_all_at_once(tmp_path: Path) -> None:
    urls = tuple(f"http://crl.example/{number}" for number in range(4))
    world = World(tmp_path, crl_urls=urls)
    for number, url in enumerate(urls):
        world.server.bodies[url] = crl_of(world.ca(f"CA {number}", world.root)).der()
    world.intermediates = tuple(world.ca(f"CA {number}", world.root).der for number in range(4))
    world.start()
    chances = iter((0.1, 0.3, 0.5, 0.7))
    world.chance = 0.5
    world.sources.stop()
    world.server.urls()

    def spread() -> float:
        return next(chances, 0.5)

    world.random = spread
    world.start()
    asked = []
    for second in range(61):
        asked += [second] * sum("If-None-Match" in own.headers for own in world.server.asked)
        world.server.urls()
        world.go(1)
    assert asked == [6, 18, 30, 42]


def test_a_restart_is_no_way_back(world: World) -> None:
    """Not even behind a list that has run out meanwhile."""
    world.serve(entry(SERIAL), number=6)
    world.start()
    world.wall = NOW + 6 * DAY + timedelta(hours=1)
    world.serve(number=5, next_update=NOW + 30 * DAY)
    world.restart()
    world.go(3600)
    assert world.names() == ["crl.older", "source.failed"]
    assert world.told() == "crl.expired"


def test_what_certificates_named_is_remembered(tmp_path: Path) -> None:
    world = World(tmp_path, crl_from_certificate=True)
    world.serve(entry(SERIAL))
    world.start()
    path = world.path(URL)
    world.ensure(path)
    world.restart()
    assert world.told(path) == "revoked"
    assert world.server.urls() == []


def test_what_nobody_names_any_more_is_removed(world: World) -> None:
    world.serve()
    world.start()
    world.policy = {"crl_urls": ("http://other.example/",)}
    world.restart()
    assert world.told() == "crl.none"
    assert world.directory.names() == frozenset()


def test_groups_share_a_directory(world: World) -> None:
    world.serve()
    world.start()
    world.directory.write("ocsp-1", b"of another kind")
    sweep(world.directory, ["partners", "others"])
    assert len(world.directory.names()) == 2
    sweep(world.directory, ["others"])
    assert world.directory.names() == {"ocsp-1"}


@pytest.mark.parametrize("how", ["torn", "foreign", "changed", "empty", "another"])
def test_what_is_torn_or_foreign_is_told_and_removed(world: World, how: str) -> None:
    world.serve(entry(SERIAL))
    world.start()
    world.server.bodies.clear()
    file, data = kept_file(world), kept_file(world).read_bytes()
    if how == "another":
        file = file.with_name(file.name[:-1] + ("0" if file.name[-1] != "0" else "1"))
        file.touch(0o600)
    bad = {"torn": data[:-1], "foreign": b"x", "changed": data[:-1] + b"x", "empty": b"", "another": data}
    file.write_bytes(bad[how])
    world.restart()
    assert world.names() == ["cache.failed", *(["source.failed"] if how != "another" else [])]
    assert not file.exists()
    assert world.told() == ("revoked" if how == "another" else "crl.none")


def test_a_list_that_somebody_else_signed_is_not_taken_back(world: World) -> None:
    world.serve()
    world.start()
    other = world.crl(key=world.root.key).der()
    kept = KeptList(URL, Validators('"1"'), NOW, (), other)
    kept_file(world).write_bytes(kept.to_bytes())
    world.serve(entry(SERIAL), number=6)
    world.restart()
    assert "If-None-Match" not in world.server.asked[0].headers
    assert world.told() == "revoked"


@pytest.mark.parametrize(
    "head",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"url": 1, "fetched_at": "2026-01-01T00:00:00+00:00"}',
        b'{"url": "http://x/", "fetched_at": "2026-01-01T00:00:00"}',
        b'{"url": "http://x/", "fetched_at": 7}',
        b"[" * 100_000,
    ],
)
def test_heads_that_nobody_wrote(head: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        KeptList.from_bytes(b"mtlsd crl 1\n" + head + b"\nbody")


def test_what_is_kept_comes_back() -> None:
    kept = KeptList(URL, Validators('W/"x"', None), NOW, ((b"a", b"b"), (b"c",)), b"\n\x00\n")
    assert KeptList.from_bytes(kept.to_bytes()) == kept


def test_a_full_disk_is_told_once_and_ends_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.serve(entry(SERIAL))
    world.start()
    world.names()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", _full)
        for number in range(6, 9):
            world.serve(entry(SERIAL), entry(1), number=number)
            world.go(3600)
    failed = [facts for event, facts in world.events if event == "cache.failed"]
    assert failed == [{"group": "partners", "kind": "crl", "source": URL, "error": "No space left on device"}]
    assert world.status().number == 8
    world.server.bodies.clear()
    world.restart()
    assert world.status().number == 5, "the last one that could be kept"


def test_what_could_not_be_kept_is_kept_when_there_is_room(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though nothing new comes meanwhile."""
    world.serve(entry(SERIAL))
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", _full)
        world.start()
        world.go(3 * 3600)
    assert world.names() == ["crl.updated", "cache.failed"]
    world.go(3600)
    world.server.bodies.clear()
    world.restart()
    assert world.told() == "revoked"


def test_an_older_list_is_not_kept(world: World) -> None:
    world.serve(entry(SERIAL), number=6)
    world.start()
    world.serve(number=5)
    world.go(3600)
    world.server.bodies.clear()
    world.restart()
    assert world.told() == "revoked"


def test_what_is_the_same_is_not_written_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without ETags sends it all every time."""
    world.server.etags = False
    world.serve(entry(SERIAL))
    world.start()
    writes: list[object] = []
    monkeypatch.setattr(CacheDirectory, "write", lambda *_: writes.append(_))
    world.go(13 * 3600)
    assert len(world.server.urls()) == 3
    world.restart()
    world.go(120)
    assert len(world.server.urls()) == 1
    assert writes == []
    world.serve(number=6)
    world.age(world.wall + timedelta(hours=7))
    assert len(writes) == 1


def test_a_directory_that_others_can_reach(world: World) -> None:
    world.serve(entry(SERIAL))
    world.directory.write("x", b"")
    world.directory.path.chmod(0o755)
    world.start()
    assert world.told() == "revoked"
    assert world.names() == ["cache.failed", "crl.updated", "cache.failed"]


def test_what_cannot_be_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, crl_from_certificate=True)
    world.pace = Pace(idle=DAY)
    world.serve()
    world.start()
    world.ensure(world.path(URL))
    world.names()
    monkeypatch.setattr(CacheDirectory, "remove", _full)
    world.age(NOW + DAY + timedelta(hours=1))
    assert world.sources.status() == ()
    assert world.names() == ["cache.failed"]


def test_what_is_too_large_for_the_cache_is_used_all_the_same(world: World) -> None:
    world.directory = CacheDirectory(world.directory.path, max_file_bytes=100)
    world.serve(entry(SERIAL))
    world.start()
    assert world.told() == "revoked"
    assert world.names() == ["crl.updated", "cache.failed"]


def _full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
