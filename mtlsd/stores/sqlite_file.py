"""The file of an SQLite store: making it, opening it, and saying what is wrong with it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from pathlib import Path
from tempfile import mkstemp
from typing import Final
from urllib.parse import quote

import attrs

from mtlsd.stores.interfaces import StoreTooNew, StoreUnavailable
from mtlsd.stores.schema import APPLICATION_ID, Schema, upgrade, version_of
from mtlsd.stores.sqlite_errors import in_words

_BESIDE: Final = ("-wal", "-shm")  # https://www.sqlite.org/wal.html


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
        try:
            if not self.path.exists():
                self._make()
            self._check_mode(os.stat(self.path).st_mode)
            self._check_writable()
        except OSError as error:
            raise self._os_problem(error) from error
        return self._connect(writing=True)

    def connect_reader(self) -> sqlite3.Connection:
        """A connection that refuses to write. :raises: as `connect_writer`."""
        return self._connect(writing=False)

    def unavailable(self, error: sqlite3.Error) -> StoreUnavailable:
        """What SQLite says, for people."""
        problem = self._problem(*in_words(error))
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

    def _make(self) -> None:
        """Make a whole store beside, then give it its name, unless somebody else was faster.

        So nobody ever sees half of it, and processes that start together agree on one: SQLite does not wait
        for others while it turns the write-ahead log on. An existing file is never opened here: closing
        it would drop the locks that SQLite holds on it elsewhere in this process
        (https://www.sqlite.org/howtocorrupt.html section 2.2).
        """
        directory = self.path.parent
        descriptor, name = mkstemp(".new", f".{self.path.name}.", directory)  # mode 0600
        beside = attrs.evolve(self, path=Path(name))
        try:
            _give_to_owner_of_directory(descriptor, directory)
            beside._connect(writing=True).close()
            with contextlib.suppress(FileExistsError):
                os.link(beside.path, self.path)
        except StoreUnavailable as error:
            raise self._problem(error.message, error.remedy) from error
        finally:
            for ending in ("-journal", "-wal", "-shm", ""):
                Path(name + ending).unlink(missing_ok=True)
        _sync_directory(directory)

    def _check_mode(self, mode: int) -> None:
        if not stat.S_ISREG(mode):
            raise self._problem("the store is not a file", "Name a file in store.url.")
        if mode & stat.S_IWOTH:
            raise self._problem(
                "everybody may write the store", f"chmod o-w {self.path}, and check its clients."
            )

    def _check_writable(self) -> None:
        """Before SQLite opens them: it would make its files beside the store as unwritable as that is."""
        for file in (self.path, *(self.path.with_name(self.path.name + ending) for ending in _BESIDE)):
            # It may vanish when another process closes the store
            if file.exists() and not os.access(file, os.W_OK) and file.exists():
                remedy = f"Let the user that mtlsd runs as own it, and chmod 600 {file}."
                raise self._problem(f"{file.name} cannot be written", remedy)

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
        connection.execute("BEGIN")  # one state: another process may be making it a store just now
        application_id = connection.execute("PRAGMA application_id").fetchone()[0]
        objects = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        found = version_of(connection)
        connection.execute("COMMIT")
        if application_id != APPLICATION_ID and (application_id or objects):
            raise self._problem(
                "this SQLite database is not a store of mtlsd", "Name another file in store.url."
            )
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


def _give_to_owner_of_directory(descriptor: int, directory: Path) -> None:
    """Close the file, after root has given it away: a command before the first start may be root's."""
    try:
        if os.geteuid() == 0:
            owner = os.stat(directory)
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
    finally:
        os.close(descriptor)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
