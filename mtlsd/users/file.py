"""The users file as a checker of `twisted.cred`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from mtlsd.errors import ConfigError
from mtlsd.users.passwords import PasswordHash
from mtlsd.users.table import UserTable

InThread = Callable[[Callable[[], bool]], Deferred[bool]]
Stamp = tuple[int, int, int]


@implementer(ICredentialsChecker)
@attrs.define(eq=False)
class UsersFile:
    """Checks users by a users file, and reads the file again when it has changed.

    One that cannot be read leaves in force what was read last, and the log says so.

    :ivar in_thread: runs what takes long, a bounded number of them at once.
    :ivar nobody: the hash that is computed for a name which nobody has, so that it takes as long.
    """

    _log = Logger()
    credentialInterfaces = (IUsernamePassword,)

    path: Path
    in_thread: InThread
    nobody: PasswordHash
    _table: UserTable
    _stamp: Stamp | None

    @classmethod
    def open(cls, path: Path, in_thread: InThread, random_bytes: Callable[[int], bytes]) -> UsersFile:
        """Read the file; one that is not there has no users yet.

        :raises ConfigError: it cannot be used.
        """
        stamp = _stamp(path)  # first: a change in between is seen the next time
        table = UserTable() if stamp is None else UserTable.read(path)
        return cls(path, in_thread, PasswordHash.of_nobody(random_bytes), table, stamp)

    @property
    def table(self) -> UserTable:
        """The users as they are in the file now."""
        stamp = _stamp(self.path)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._table = UserTable() if stamp is None else UserTable.read(self.path)
            except ConfigError as error:
                self._log.error("users.unreadable {error}", error=error)
        return self._table

    # camelCase as ICredentialsChecker has it
    def requestAvatarId(self, credentials: Any) -> Deferred[bytes | tuple[()]]:
        """The user's name, or UnauthorizedLogin after the same time for every name."""
        name = bytes(credentials.username).decode("utf-8", "replace")
        password = bytes(credentials.password).decode("utf-8", "replace")
        found = self.table.users.get(name)
        hashed = self.nobody if found is None else found

        def decide(matches: bool) -> bytes | tuple[()]:
            if found is None or not matches:
                raise UnauthorizedLogin
            return name.encode("utf-8")

        return self.in_thread(lambda: hashed.matches(password)).addCallback(decide)

    def standing_of(self, name: str) -> str | None:
        """What ends a user's sessions when it changes: None for somebody who is no user any more."""
        return self.table.standing_of(name)


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
