"""What SQLite's result codes mean to an operator."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

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


def in_words(error: sqlite3.Error) -> tuple[str, str]:
    """:return: what is wrong with the store, and the remedy. SQLite's messages hold no values of rows."""
    code = getattr(error, "sqlite_errorcode", 0)  # absent on errors that Python's module raises itself
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    message, remedy = _ADVICE.get(
        code & 0xFF, (f"fails: {error}", "This is a fault of mtlsd: report it with the log.")
    )
    return f"the store {message} ({name})", remedy
