"""Numbered schema files, and bringing a database up to date with them.

``schema/sqlite/0001_clients.sql`` makes version 1 out of an empty database, the next file version 2, and so
on. Each is applied in a transaction of its own, and the version is kept in ``PRAGMA user_version``.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Self

import attrs

APPLICATION_ID = 0x6D746C73  # "mtls"; PRAGMA application_id says whose file an SQLite database is

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


@attrs.frozen
class Schema:
    """All schema files, oldest first.

    :ivar steps: the statements of each file; the first one leads to version 1.
    """

    steps: tuple[tuple[str, ...], ...]

    @classmethod
    def for_sqlite(cls) -> Self:
        """The files that are installed with mtlsd."""
        return cls.from_directory(resources.files("mtlsd.stores") / "schema" / "sqlite")

    @classmethod
    def from_directory(cls, directory: Traversable) -> Self:
        """:raises ValueError: where the files are not numbered 0001, 0002, ... or end within a statement."""
        files = sorted((entry for entry in directory.iterdir() if entry.name.endswith(".sql")), key=_name)
        for number, entry in enumerate(files, start=1):
            match = _NAME.fullmatch(entry.name)
            if match is None or int(match[1]) != number:
                raise ValueError(f"schema file {entry.name} should be numbered {number:04}")
        return cls(tuple(tuple(_statements(entry.read_text("utf-8"))) for entry in files))

    @property
    def version(self) -> int:
        """The version that this mtlsd writes."""
        return len(self.steps)


def _name(entry: Traversable) -> str:
    return entry.name


def _statements(script: str) -> Iterator[str]:
    """The statements of `script` one by one: executescript() would commit on its own."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if any(line.strip() and not line.strip().startswith("--") for line in statement.splitlines()):
        raise ValueError("the last statement has no end")


def version_of(connection: sqlite3.Connection) -> int:
    """The schema version of an open database; 0 for an empty one."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def upgrade(connection: sqlite3.Connection, schema: Schema) -> None:
    """Apply what is missing, one transaction a file. Several processes may do this at once.

    Takes the write lock even where nothing is missing, so that a database which cannot be written is found
    now and not with the first write.
    """
    while _apply_next(connection, schema):
        pass


def _apply_next(connection: sqlite3.Connection, schema: Schema) -> bool:
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = version_of(connection)
        missing = version < schema.version
        if missing:
            for statement in schema.steps[version]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version + 1:d}")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID:d}")
        else:
            # Of a file that may only be read, BEGIN IMMEDIATE makes a transaction that reads
            connection.execute(f"PRAGMA user_version = {version:d}")
        connection.execute("COMMIT" if missing else "ROLLBACK")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return missing
