"""The users file: one line a user, `name:hash`, for mtlsd alone to read."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Self

import attrs

from mtlsd.errors import ConfigError, Mistake
from mtlsd.pki.printable import printable
from mtlsd.users.names import check_name
from mtlsd.users.passwords import PasswordHash

MOST_BYTES = 4 * 1024 * 1024
_HEAD = "# Users of mtlsd: name:hash. Change it with mtlsd user add, passwd and remove.\n"


@attrs.frozen
class UserTable:
    """All users of a file, by name."""

    users: Mapping[str, PasswordHash] = MappingProxyType({})

    @classmethod
    def from_text(cls, text: str, place: str) -> Self:
        """:raises ConfigError: with every line that is wrong."""
        users: dict[str, PasswordHash] = {}
        mistakes = []
        for number, line in enumerate(text.split("\n"), 1):
            if not line.strip() or line.startswith("#"):
                continue
            name, _, encoded = line.rstrip("\r").partition(":")
            try:
                if check_name(name) in users:
                    raise ValueError("this user is there twice")
                users[name] = PasswordHash.from_string(encoded)
            except ValueError as error:
                remedy = "Write name:hash, or remove the line and use mtlsd user add."
                mistakes.append(Mistake(f"{place}: line {number}", str(error), remedy))
        if mistakes:
            raise ConfigError(tuple(mistakes))
        return cls(users)

    @classmethod
    def read(cls, path: Path) -> Self:
        """:raises ConfigError: it is not there, others may read it, or lines are wrong."""
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                content = file.read(MOST_BYTES + 1)
        except OSError as error:
            remedy = "Make it with mtlsd user add, as the user that mtlsd runs as."
            raise _unusable(path, f"cannot be read: {error.strerror}", remedy) from error
        if is_open(status):
            raise _unusable(path, "may be read by others, who could guess passwords with it", "chmod 600 it.")
        try:
            text = content.decode("ascii")
        except UnicodeDecodeError:
            raise _unusable(path, "is no users file", "Make one with mtlsd user add.") from None
        if len(content) > MOST_BYTES:
            raise _unusable(path, f"has more than {MOST_BYTES} bytes", "Use a checker of your own.")
        return cls.from_text(text, path.name)

    def with_user(self, name: str, password: PasswordHash) -> Self:
        return attrs.evolve(self, users={**self.users, name: password})

    def without_user(self, name: str) -> Self:
        return attrs.evolve(self, users={own: hashed for own, hashed in self.users.items() if own != name})

    def standing_of(self, name: str) -> str | None:
        """What changes when the user's password does, and tells nothing of it; None for no user."""
        found = self.users.get(name)
        return None if found is None else hashlib.sha256(found.text.encode("ascii")).hexdigest()[:32]

    def to_text(self) -> str:
        return _HEAD + "".join(f"{name}:{self.users[name].text}\n" for name in sorted(self.users))


def is_open(status: os.stat_result) -> bool:
    """Whether others than the owner may read the file; a group may where the file is lent to mtlsd."""
    lent = status.st_uid != os.geteuid()
    return bool(status.st_mode & (stat.S_IRWXO | (stat.S_IWGRP if lent else stat.S_IRWXG)))


@contextmanager
def changing(path: Path) -> Iterator[list[UserTable]]:
    """Change the users file: the table in the list is what it has, and the last one there is written.

    One process at a time. Whoever reads sees the old file or the new one, whole; once this has returned it is
    on the disk.

    :raises ConfigError: as :meth:`UserTable.read` does, but for a file that is not there; and where
        it cannot be written.
    """
    with _explaining(path), _locked(path):
        before = UserTable.read(path) if path.exists() else UserTable()
        tables = [before]
        yield tables
        if tables[-1] is not before:
            _write(path, tables[-1].to_text().encode("ascii"))


@contextmanager
def _explaining(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        remedy = (
            "Make room on its file system."
            if error.errno in (errno.ENOSPC, errno.EDQUOT)
            else "Let users.file lie in a directory of the user that mtlsd runs as; run this as that user."
        )
        message = f"cannot be written in {printable(str(path.parent))}: {error.strerror}"
        raise _unusable(path, message, remedy) from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _write(path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            if path.exists():  # root may add a user to the file that mtlsd owns
                old = path.stat()
                os.fchown(descriptor, old.st_uid, old.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _unusable(path: Path, message: str, remedy: str) -> ConfigError:
    return ConfigError((Mistake(path.name, message, remedy),))
