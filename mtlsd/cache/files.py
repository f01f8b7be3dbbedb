"""What was fetched, on disk, so that it outlives a restart.

A crash at any moment leaves each file as it was or as it was to become: it is written beside, brought to the
disk, then renamed. What is read back is somebody's word like everything that was fetched: whoever reads it
verifies it again. All of this blocks, so it belongs into a worker thread; no call waits for the network.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

import attrs

_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
_BESIDE: Final = ".new"  # what it is written to first; no name of ours begins with a dot
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_NOFOLLOW | os.O_CLOEXEC
_MIB: Final = 1 << 20


@attrs.frozen
class CacheDirectory:
    """A directory of mode 0700 with files of mode 0600, made when the first file is written.

    Everything that goes wrong is an OSError whose `strerror` an operator understands, and nothing of it needs
    to end anything: what is not kept is fetched again.

    :ivar max_file_bytes: the largest file that is written or read.
    :ivar max_bytes: all files together; what does not fit any more is not written.
    """

    path: Path
    max_file_bytes: int = 256 * _MIB
    max_bytes: int = 1024 * _MIB

    def below(self, name: str) -> Self:
        """A directory in this one, with bounds of its own."""
        return attrs.evolve(self, path=self.path / _checked(name))

    def names(self) -> frozenset[str]:
        """The files that are there; none where the directory is not there yet.

        :raises OSError: where the directory is another user's, or others can reach it.
        """
        try:
            with self._opened() as directory, os.scandir(directory) as entries:
                return frozenset(entry.name for entry in entries if _is_ours(entry))
        except FileNotFoundError:
            return frozenset()

    def read(self, name: str) -> bytes | None:
        """The content of a file, None where there is none.

        :raises OSError: where it is a link, another user's, writable for others, too large or unreadable.
        """
        _checked(name)
        try:
            with self._opened() as directory:
                return self._read(directory, name)
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Put a file there, wholly or not at all; when this returns it is on the disk.

        :raises OSError: where that cannot be done, and where the bounds would be passed.
        """
        _checked(name)
        self._make()
        with self._opened() as directory:
            fcntl.flock(directory, fcntl.LOCK_EX)  # so whatever stands beside is left from a crash
            _unlink(directory, f".{name}{_BESIDE}")
            self._check_room(directory, name, len(data))
            try:
                _write_beside(directory, name, data)
                os.rename(f".{name}{_BESIDE}", name, src_dir_fd=directory, dst_dir_fd=directory)
            except OSError:
                _unlink(directory, f".{name}{_BESIDE}")
                raise
            os.fsync(directory)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there.

        :raises OSError: where that cannot be done.
        """
        _checked(name)
        try:
            with self._opened() as directory:
                _unlink(directory, name)
        except FileNotFoundError:
            return

    def _make(self) -> None:
        for path in (*reversed(self.path.parents), self.path):
            if not path.exists():
                try:
                    os.mkdir(path, 0o700)
                except FileExistsError:
                    continue  # another process was faster

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """The directory's descriptor: what was checked is what is used, whatever happens to the path."""
        descriptor = os.open(self.path, _DIRECTORY)
        try:
            _check_private(os.fstat(descriptor), self.path)
            yield descriptor
        finally:
            os.close(descriptor)

    def _read(self, directory: int, name: str) -> bytes:
        # O_NONBLOCK: to open a FIFO must not wait for its writer.
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _FILE, dir_fd=directory)
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "It is not a regular file.", str(self.path / name))
            _check_private(status, self.path / name)
            if status.st_size > self.max_file_bytes:
                raise self._too_large(name)
            return file.read(self.max_file_bytes)

    def _check_room(self, directory: int, name: str, size: int) -> None:
        if size > self.max_file_bytes:
            raise self._too_large(name)
        with os.scandir(directory) as entries:
            others = sum(entry.stat(follow_symlinks=False).st_size for entry in entries if entry.name != name)
        if others + size > self.max_bytes:
            message = f"The cache is full: {others} of {self.max_bytes} bytes are in use."
            raise OSError(errno.ENOSPC, message, str(self.path))

    def _too_large(self, name: str) -> OSError:
        message = f"It is larger than {self.max_file_bytes} bytes."
        return OSError(errno.EFBIG, message, str(self.path / name))


def _checked(name: str) -> str:
    """:raises ValueError: for what is not the name of a file of ours: a mistake in the program."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} cannot name a file of a cache")
    return name


def _is_ours(entry: os.DirEntry[str]) -> bool:
    return _NAME.fullmatch(entry.name) is not None and entry.is_file(follow_symlinks=False)


def _check_private(status: os.stat_result, path: Path) -> None:
    """Who can write what we read back could tell us anything. Fails closed: any bit of others is too much."""
    if status.st_uid != os.geteuid():
        said = f"It belongs to user {status.st_uid}, and mtlsd runs as user {os.geteuid()} here."
        raise PermissionError(errno.EPERM, said, str(path))
    if status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        raise PermissionError(
            errno.EPERM, f"Others than its owner can reach it (mode {mode:04o}).", str(path)
        )


def _write_beside(directory: int, name: str, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE
    descriptor = os.open(f".{name}{_BESIDE}", flags, 0o600, dir_fd=directory)
    try:
        remaining = memoryview(data)
        while remaining:
            remaining = remaining[os.write(descriptor, remaining) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unlink(directory: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return
