"""Where mtlsd writes: the store, the signing keys, the cache and the audit log. Nothing is made here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mtlsd.config.notes import Notes
from mtlsd.config.text import shown

STANDARD_OUTPUT = "-"
_SQLITE = "sqlite:"


def store_file(url: str, directory: Path, notes: Notes) -> Path:
    """The SQLite file of a store's URL. Mistakes are noted."""
    if url.startswith(("postgresql:", "postgres:")):
        notes.add("url", "this release has no PostgreSQL store", f'Take "{_SQLITE}mtlsd.db".')
        return directory
    name = url.removeprefix(_SQLITE)
    if name == url or not name or name.startswith((":", "//")):
        remedy = f'Take "{_SQLITE}" and a file: "{_SQLITE}mtlsd.db", "{_SQLITE}/var/lib/mtlsd/mtlsd.db".'
        notes.add("url", f"{shown(url)} is no store", remedy)
        return directory
    return _file("url", name, directory, notes)


def audit_file(name: str, directory: Path, notes: Notes) -> Path | None:
    """The audit log's file; None for the standard output."""
    return None if name == STANDARD_OUTPUT else _file("file", name, directory, notes)


def directory_of(key: str, name: str, directory: Path, notes: Notes) -> Path:
    """A directory of mtlsd's own, which it makes when it is not there: `signing_keys`, `cache`."""
    path = directory / name
    if _is(path, Path.exists) and not _is(path, Path.is_dir):
        notes.add(key, f"{shown(name)} is no directory", "Name a directory; mtlsd makes it.")
    elif not _is(path.parent, Path.is_dir):
        notes.add(key, f"{shown(name)} stands in no directory", "Make the directory above it.")
    return path


def _file(key: str, name: str, directory: Path, notes: Notes) -> Path:
    path = directory / name
    if not name or _is(path, Path.is_dir):
        notes.add(key, f"{shown(name)} is a directory", "Name a file in it.")
    elif not _is(path.parent, Path.is_dir):
        notes.add(key, f"{shown(name)} stands in no directory", "Make the directory above it.")
    return path


def _is(path: Path, question: Callable[[Path], bool]) -> bool:
    try:
        return question(path)
    except (OSError, ValueError):
        # a name too long, a NUL in it, a directory that may not be entered
        return False
