"""kill -9 while a list is kept, and a disk that is full: the last good state is there again."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.pki.crls import entry
from tests.unit.revocation.crls import SERIAL, URL, World

LIST = [entry(serial) for serial in range(10_000, 14_000)]
TMPFS_BYTES = 128 * 1024


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path, crl_urls=(URL,))
    world.serve(*LIST, number=6)
    world.start()
    return world


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def half(write: Callable[[int, Any], int]) -> Callable[[int, Any], int]:
    def write_half(descriptor: int, data: Any) -> int:
        write(descriptor, data[: len(data) // 2])
        kill()
        return 0

    return write_half


def before(_: Callable[..., Any]) -> Callable[..., None]:
    return lambda *_, **__: kill()


def after(call: Callable[..., Any]) -> Callable[..., None]:
    def call_and_die(*arguments: Any, **how: Any) -> None:
        call(*arguments, **how)
        kill()

    return call_and_die


@pytest.mark.parametrize(
    ("call", "how", "expected"),
    [
        ("write", half, 6),
        ("fsync", before, 6),
        ("fsync", after, 6),
        ("rename", before, 6),
        ("rename", after, 7),
        ("close", after, 6),
    ],
)
def test_killed_while_it_writes(
    world: World, call: str, how: Callable[[Callable[..., Any]], Any], expected: int
) -> None:
    """A process of its own writes the next list and is killed at that step."""
    world.serve(*LIST, entry(SERIAL), number=7)
    child = os.fork()
    if child == 0:
        try:
            setattr(os, call, how(getattr(os, call)))
            world.go(3600)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    world.server.bodies.clear()
    world.restart()
    assert world.names() == []
    assert world.status().number == expected
    assert world.told() == ("revoked" if expected == 7 else "good")
    world.serve(*LIST, number=8)
    world.go(120)
    assert [path.name for path in world.directory.path.iterdir()] == list(world.directory.names())


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """What could not be kept is told; what was kept before is there again."""
    with small_disk(tmp_path / "disk") as disk:
        world = World(disk, crl_urls=(URL,))
        world.serve(*LIST[:100], number=6)
        world.start()
        world.serve(*LIST, *LIST, *LIST, entry(SERIAL), number=7)
        with few_bytes():
            world.go(3600)
        assert world.told() == "revoked", "the list itself is used"
        failed = [facts for event, facts in world.events if event == "cache.failed"]
        assert len(failed) == 1
        assert failed[0]["source"] == URL
        assert failed[0]["error"] in ("No space left on device", "File too large")
        world.server.bodies.clear()
        world.restart()
        assert world.names() == []
        assert world.status().number == 6
        assert len(list(world.directory.path.iterdir())) == 1, "nothing stands beside it"


@contextmanager
def small_disk(path: Path) -> Iterator[Path]:
    """A file system of its own where that may be made; else any directory."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "tmpfs", str(path)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0
    try:
        yield path
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(path)], check=True)


@contextmanager
def few_bytes() -> Iterator[None]:
    """No file may grow beyond what fits into :func:`small_disk`; a full disk says so first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (TMPFS_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
