"""The file of an SQLite store: making it, opening it, and saying what is wrong with it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import attrs

from mtlsd.stores.interfaces import StoreTooNew, StoreUnavailable
from mtlsd.stores.schema import APPLICATION_ID, Schema, upgrade, version_of

_ACCESS = (
    "cannot be written",
    "Let mtlsd's user write the file and also its directory: SQLite keeps two more files beside it.",
)
_DAMAGED = (
    "is damaged",
    "Stop mtlsd and put a backup in its place; the sqlite3 command .recover saves what can still be read.",
)
# By primary result code, https://www.sqlite.org/rescode.html
_ADVICE: Mapping[int, tuple[str, str]] = {
    sqlite3.SQLITE_BUSY: (
        "is locked by another process",
        "Find it with fuser. To copy a store in use, take the sqlite3 command .backup.",
    ),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", _ACCESS[1]),
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_FULL: ("cannot grow: there is no room left on the disk", "Make room on its file system."),
    sqlite3.SQLITE_IOERR: (
        "cannot be read or written: the disk fails",
        "See the kernel's log, then try again.",
    ),
    sqlite3.SQLITE_NOTADB: (
        "is not a store of mtlsd: it is no SQLite database, or a damaged one",
        "Name another file in store.url, or put a backup in its place.",
    ),
    sqlite3.SQLITE_PERM: _ACCESS,
    sqlite3.SQLITE_READONLY: _ACCESS,
}


@attrs.frozen
class SQLiteFile:
    """One file, and how to open it.

    :ivar busy_seconds: how long one transaction waits for those of other processes.
    """

    path: Path
    schema: Schema = attrs.field(factory=Schema.for_sqlite)
    busy_seconds: float = 5.0

    def connect_writer(self) -> sqlite3.Connection:
        """Open the file, make it where it is missing, and bring its schema up to date.

        :raises StoreUnavailable: naming the file, what is wrong and the remedy.
        :raises StoreTooNew: before anything in it is changed.
        """
        self._create()
        return self._connect(writing=True)

    def connect_reader(self) -> sqlite3.Connection:
        """A connection that refuses to write. :raises: as `connect_writer`."""
        return self._connect(writing=False)

    def unavailable(self, error: sqlite3.Error) -> StoreUnavailable:
        """What SQLite says, for people."""
        code = getattr(error, "sqlite_errorcode", 0)  # absent on errors that Python's module raises itself
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        message, remedy = _ADVICE.get(
            code & 0xFF, (f"fails: {error}", "This is a fault of mtlsd: report it with the log.")
        )
        problem = self._problem(f"the store {message} ({name})", remedy)
        problem.__cause__ = error
        return problem

    def identity(self) -> tuple[int, int]:
        """Which file the path names at this moment.

        :raises StoreUnavailable: where there is none.
        """
        try:
            status = os.stat(self.path)
        except OSError as error:
            raise self._os_problem(error) from error
        return status.st_dev, status.st_ino

    def _problem(self, message: str, remedy: str) -> StoreUnavailable:
        return StoreUnavailable(str(self.path), message, remedy)

    def _os_problem(self, error: OSError) -> StoreUnavailable:
        remedy = "Check store.url, and that its directory exists and belongs to the user that mtlsd runs as."
        return self._problem(f"the store cannot be opened: {error.strerror}", remedy)

    def _create(self) -> None:
        """Make an empty file that only its owner can use, durably.

        An existing file is never opened here: closing it would drop the locks that SQLite holds on it
        elsewhere in this process (https://www.sqlite.org/howtocorrupt.html section 2.2).
        """
        try:
            with contextlib.suppress(FileExistsError):
                descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
                try:
                    self._give_to_owner_of_directory(descriptor)
                finally:
                    os.close(descriptor)
                _sync_directory(self.path.parent)
            self._check_mode(os.stat(self.path).st_mode)
        except OSError as error:
            raise self._os_problem(error) from error

    def _give_to_owner_of_directory(self, descriptor: int) -> None:
        """So that a command run as root before the daemon's first start does not lock the daemon out."""
        if os.geteuid() == 0:
            owner = os.stat(self.path.parent)
            os.fchown(descriptor, owner.st_uid, owner.st_gid)

    def _check_mode(self, mode: int) -> None:
        if not stat.S_ISREG(mode):
            raise self._problem("the store is not a file", "Name a file in store.url.")
        if mode & stat.S_IWOTH:
            raise self._problem(
                "everybody may write the store", f"chmod o-w {self.path}, and check its clients."
            )

    def _connect(self, *, writing: bool) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                f"file:{quote(str(self.path.absolute()))}?mode=rw",
                uri=True,
                isolation_level=None,  # transactions are begun and ended by us alone
                timeout=self.busy_seconds,
            )
            try:
                self._refuse_foreign(connection)
                self._configure(connection)
                if writing:
                    upgrade(connection, self.schema)
                else:
                    connection.execute("PRAGMA query_only = ON")
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as error:
            raise self.unavailable(error) from error
        return connection

    def _refuse_foreign(self, connection: sqlite3.Connection) -> None:
        """Before the first change: is this ours, and not of a newer mtlsd?"""
        application_id = connection.execute("PRAGMA application_id").fetchone()[0]
        objects = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if application_id != APPLICATION_ID and (application_id or objects):
            raise self._problem(
                "this SQLite database is not a store of mtlsd", "Name another file in store.url."
            )
        found = version_of(connection)
        if found > self.schema.version:
            raise StoreTooNew(
                str(self.path),
                f"the store has schema version {found}, and this mtlsd knows {self.schema.version} at most",
                "Install the mtlsd that wrote it or a newer one, or put back a backup from before.",
            )

    def _configure(self, connection: sqlite3.Connection) -> None:
        if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise self._problem("the store cannot use a write-ahead log", "Put it on a local file system.")
        connection.execute("PRAGMA synchronous = FULL")  # in WAL mode NORMAL may lose what was answered
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA trusted_schema = OFF")


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
