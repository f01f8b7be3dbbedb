"""mtlsd.cache.files: what outlives a restart, and what is not taken back."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mtlsd.cache.files import CacheDirectory


@pytest.fixture
def cache(tmp_path: Path) -> CacheDirectory:
    return CacheDirectory(tmp_path / "state" / "cache")


def test_what_is_written_is_read_by_the_next_process(cache: CacheDirectory) -> None:
    assert (cache.read("a.json"), cache.names()) == (None, frozenset())
    cache.write("a.json", b"old")
    cache.write("a.json", b"new")
    assert CacheDirectory(cache.path).read("a.json") == b"new"
    assert cache.names() == {"a.json"}
    cache.remove("a.json")
    cache.remove("a.json")
    assert (cache.read("a.json"), cache.names()) == (None, frozenset())


def test_only_the_owner_can_reach_it(cache: CacheDirectory) -> None:
    old = os.umask(0)
    try:
        cache.below("crl").write("a", b"x")
    finally:
        os.umask(old)
    modes = [(cache.path / part).stat().st_mode & 0o777 for part in (".", "crl", "crl/a")]
    assert modes == [0o700, 0o700, 0o600]


@pytest.mark.parametrize("name", ["", ".a", "..", "a/b", "../a", "a\0", "a" * 201, "ä"])
def test_a_name_stays_in_the_directory(cache: CacheDirectory, name: str) -> None:
    for call in (cache.read, cache.remove, cache.below, lambda name: cache.write(name, b"")):
        with pytest.raises(ValueError, match="cannot name a file"):
            call(name)


def test_a_link_is_not_followed(cache: CacheDirectory, tmp_path: Path) -> None:
    cache.write("a", b"x")
    (tmp_path / "victim").write_bytes(b"theirs")
    (cache.path / "b").symlink_to(tmp_path / "victim")
    assert cache.names() == {"a"}
    with pytest.raises(OSError, match="symbolic link"):
        cache.read("b")
    cache.write("b", b"ours")
    assert (tmp_path / "victim").read_bytes() == b"theirs"
    (tmp_path / "link").symlink_to(cache.path)
    with pytest.raises(NotADirectoryError):
        CacheDirectory(tmp_path / "link").read("a")


def test_what_others_could_have_written_is_refused(cache: CacheDirectory) -> None:
    cache.write("a", b"x")
    (cache.path / "a").chmod(0o620)
    with pytest.raises(PermissionError, match="Others than its owner can reach it \\(mode 0620\\)"):
        cache.read("a")
    cache.path.chmod(0o711)
    for call in (cache.names, lambda: cache.read("a"), lambda: cache.write("b", b"")):
        with pytest.raises(PermissionError, match="mode 0711"):
            call()


def test_another_users_directory_is_refused(cache: CacheDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.write("a", b"x")
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    with pytest.raises(PermissionError, match="belongs to user"):
        cache.read("a")


def test_a_fifo_makes_nobody_wait(cache: CacheDirectory) -> None:
    cache.write("a", b"x")
    os.mkfifo(cache.path / "f", 0o600)
    with pytest.raises(OSError, match="not a regular file"):
        cache.read("f")


def test_it_is_bounded(tmp_path: Path) -> None:
    cache = CacheDirectory(tmp_path / "cache", max_file_bytes=10, max_bytes=25)
    cache.write("a", b"1" * 10)
    cache.write("b", b"2" * 10)
    with pytest.raises(OSError, match="full") as caught:
        cache.write("c", b"3" * 10)
    assert caught.value.errno == errno.ENOSPC
    cache.write("b", b"4" * 10)  # in its own place there is room
    with pytest.raises(OSError, match="larger than 10 bytes"):
        cache.write("a", b"1" * 11)
    (cache.path / "a").write_bytes(b"1" * 11)
    with pytest.raises(OSError, match="larger than 10 bytes"):
        cache.read("a")


@pytest.mark.parametrize("fails", ["write", "fsync", "rename"])
def test_a_failed_write_leaves_the_old_file(
    cache: CacheDirectory, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """A full disk, at any step."""
    cache.write("a", b"old")

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, fails, full)
        with pytest.raises(OSError, match="No space left"):
            cache.write("a", b"new")
    assert cache.read("a") == b"old"
    assert os.listdir(cache.path) == ["a"]


def test_what_a_crash_left_beside_is_no_file_and_is_swept(cache: CacheDirectory) -> None:
    cache.write("a", b"old")
    (cache.path / ".a.new").write_bytes(b"ne")
    assert cache.names() == {"a"}
    assert cache.read("a") == b"old"
    cache.write("a", b"new")
    assert os.listdir(cache.path) == ["a"]
