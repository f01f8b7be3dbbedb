"""From `[users]` to who checks passwords, and what users see."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from mtlsd.config.document import UsersTable
from mtlsd.config.model import Listener, Users
from mtlsd.config.notes import Notes
from mtlsd.config.reading import Unreadable, read_file
from mtlsd.config.text import shown
from mtlsd.pages.pages import NAMES, Pages, TemplateMistake

_LARGEST_TEMPLATE = 256 * 1024


def load_users(table: UsersTable, directory: Path, notes: Notes) -> Users:
    """What `[users]` says; every template is tried. Whoever checks passwords is looked at by the start."""
    file = directory / table.file
    if table.checker is not None and not table.checker.strip():
        notes.add("checker", "is empty", "Name a checker of twisted.cred, or remove it.")
    if not table.file or file.is_dir():
        notes.add("file", f"{shown(table.file)} is no file", "Name a file; mtlsd user add makes it.")
    if table.idle_minutes > table.session_minutes:
        notes.warn("idle_minutes", "is more than session_minutes", "Take less: it means nothing otherwise.")
    templates = {} if table.templates is None else _templates(directory, table.templates, notes)
    return Users(file, table.checker, table.session_minutes, table.idle_minutes, templates)


def check_users(users: Users, listeners: Iterable[Listener], notes: Notes) -> None:
    """Where users are asked to log in, somebody can."""
    asked = any("authorization" in listener.serves for listener in listeners)
    if asked and users.checker is None and not users.file.exists():
        notes.warn(
            "file", "is not there yet: nobody can log in", "Add somebody: mtlsd user add -c FILE NAME."
        )


def _templates(directory: Path, name: str, notes: Notes) -> Mapping[str, str]:
    """The files of the directory that are templates, by their names."""
    try:
        there = sorted(entry.name for entry in (directory / name).iterdir())
    except (OSError, ValueError):
        notes.add("templates", f"{shown(name)} is no directory that can be read", "Name a directory.")
        return {}
    templates = {}
    for file in there:
        if file in NAMES:
            templates[file] = _text(directory / name, file, notes)
        elif file.endswith((".html", ".css")):
            notes.warn("templates", f"{shown(file)} is not used", f"There are: {', '.join(NAMES)}.")
    try:
        Pages.from_templates("as", templates)
    except TemplateMistake as mistake:
        remedy = "Correct it, or remove it to get the one that comes with mtlsd."
        notes.add("templates", f"{shown(mistake.name)} cannot be used: {shown(str(mistake))}", remedy)
    return templates


def _text(directory: Path, file: str, notes: Notes) -> str:
    try:
        return read_file(directory / file, largest=_LARGEST_TEMPLATE)[0].decode("utf-8")
    except Unreadable as error:
        notes.add("templates", f"{shown(file)} {error.message}", error.remedy)
    except UnicodeDecodeError:
        notes.add("templates", f"{shown(file)} is not UTF-8", "Save it as UTF-8.")
    return ""
