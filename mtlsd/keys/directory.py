"""A directory that only its owner can look into, changed so that a crash at any moment leaves it whole.

Everything goes through one descriptor of the directory: what was checked is what is read, whatever happens to
the path meanwhile.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from mtlsd.errors import ConfigError, Mistake

_MAX_BYTES = 65536  # far beyond any key and any keyring
_LOCK_SECONDS = 10.0  # a writer needs milliseconds, on a busy disk perhaps a second
_LOCK_PAUSE_SECONDS = 0.02
CHECK_PATH = "Check the path, its permissions and the disk."
_BESIDE_PREFIX, _BESIDE_SUFFIX = ".", ".new"


def refuse(place: object, message: str, remedy: str) -> ConfigError:
    """One mistake, to be raised."""
    return ConfigError((Mistake(str(place), message, remedy),))


@contextmanager
def explaining(place: object, remedy: str = CHECK_PATH) -> Iterator[None]:
    """Say what the operating system refused as a mistake at ``place``."""
    try:
        yield
    except OSError as error:
        raise refuse(place, f"{error.strerror or type(error).__name__}.", remedy) from None
    except ValueError:  # what Python says to a NUL in a path
        raise refuse(place, "This cannot be a path.", remedy) from None


def check_private(place: object, status: os.stat_result, uid: int) -> None:
    """Refuse what others than ``uid`` and root own or can reach. Fails closed: any bit of theirs is too much.

    :raises ConfigError: with the command that mends it.
    """
    if status.st_uid not in (0, uid):
        owner = _user(status.st_uid)
        raise refuse(
            place,
            f"It belongs to {owner}, and mtlsd runs as {_user(uid)}.",
            f"Run mtlsd as {owner} (runuser -u {owner} -- mtlsd ...), or give it back with chown.",
        )
    if status.st_mode & 0o077:
        mode = "700" if stat.S_ISDIR(status.st_mode) else "600"
        raise refuse(
            place,
            f"Others than its owner can reach it (mode {stat.S_IMODE(status.st_mode):04o}).",
            f"If nobody has read the keys: chmod {mode} {place}. Otherwise make new keys.",
        )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def read_private(
    path: Path | str, place: object, *, remedy: str = CHECK_PATH, dir_fd: int | None = None
) -> bytes:
    """The content of a regular file that nobody else can read.

    :param dir_fd: the directory that ``path`` is a name in; then it may not be a link.
    :raises ConfigError: when it is something else, or cannot be read.
    """
    # O_NONBLOCK: to open a FIFO must not wait for its writer.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if dir_fd is None else os.O_NOFOLLOW)
    with explaining(place, remedy), open(os.open(path, flags, dir_fd=dir_fd), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise refuse(place, "It is not a regular file.", remedy)
        check_private(place, status, os.geteuid())
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise refuse(place, f"It is larger than {_MAX_BYTES} bytes.", remedy)
    return data


@attrs.frozen
class PrivateDirectory:
    """An open directory of mode 0700; made by :meth:`opened`."""

    path: Path
    descriptor: int

    @classmethod
    @contextmanager
    def opened(cls, path: Path, *, writing: bool) -> Iterator[PrivateDirectory]:
        """The directory, locked against writers, and when ``writing`` against readers too, until the end.

        Readers write nothing: the lock is one on the directory itself (flock(2)). Where it is held, this
        waits for seconds at most, and so has no place in a reactor's thread.

        :raises ConfigError: when it is not there, or others can reach it, or it stays locked.
        """
        with explaining(path):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            check_private(path, os.fstat(descriptor), os.geteuid())
            _lock(path, descriptor, fcntl.LOCK_EX if writing else fcntl.LOCK_SH)
            yield cls(path, descriptor)
        finally:
            os.close(descriptor)

    def names(self) -> frozenset[str]:
        """What is in it."""
        with explaining(self.path):
            return frozenset(os.listdir(self.descriptor))

    def read(self, name: str, remedy: str) -> bytes:
        """The content of a file, as :func:`read_private` reads it."""
        return read_private(name, self.path / name, remedy=remedy, dir_fd=self.descriptor)

    def replace(self, name: str, data: bytes) -> None:
        """Put a file there, wholly or not at all: it is written beside, brought to the disk, then renamed.

        Whether the new name outlives a crash is settled by :meth:`sync`.
        """
        beside = f"{_BESIDE_PREFIX}{name}{_BESIDE_SUFFIX}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with explaining(self.path / name):
            with open(os.open(beside, flags, 0o600, dir_fd=self.descriptor), "wb", buffering=0) as file:
                _write_all(file.fileno(), data)
                os.fsync(file.fileno())
            os.rename(beside, name, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def remove(self, name: str) -> None:
        """Remove a file."""
        with explaining(self.path / name):
            os.unlink(name, dir_fd=self.descriptor)

    def sync(self) -> None:
        """Bring the directory's names to the disk."""
        with explaining(self.path):
            os.fsync(self.descriptor)


def _lock(path: Path, descriptor: int, kind: int) -> None:
    until = time.monotonic() + _LOCK_SECONDS
    while not _is_locked(path, descriptor, kind):
        if time.monotonic() > until:
            raise refuse(
                path,
                f"Another process has kept it locked for {_LOCK_SECONDS:.0f} seconds.",
                f"See which (fuser -v {path}), and end it or wait for it.",
            )
        time.sleep(_LOCK_PAUSE_SECONDS)


def _is_locked(path: Path, descriptor: int, kind: int) -> bool:
    """Lock it, unless somebody else holds the lock."""
    with explaining(path, "Keep the keys on a local file system: this one cannot be locked."):
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _write_all(descriptor: int, data: bytes) -> None:
    remaining = memoryview(data)
    while remaining:
        remaining = remaining[os.write(descriptor, remaining) :]


def name_of_unfinished(name: str) -> str | None:
    """What a file that :meth:`PrivateDirectory.replace` did not finish should have been; None for another."""
    if name.startswith(_BESIDE_PREFIX) and name.endswith(_BESIDE_SUFFIX):
        return name[len(_BESIDE_PREFIX) : -len(_BESIDE_SUFFIX)]
    return None


def make_private_directory(path: Path) -> None:
    """Make it where it is not there; its parent must be.

    :raises ConfigError: when that fails.
    """
    with explaining(path, "Make the directory above it, where mtlsd may write."):
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            return
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)
