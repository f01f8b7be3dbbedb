"""Words of messages about the configuration: nothing that a file says can forge or flood a line."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable

from mtlsd.config.notes import Notes

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LONGEST = 80
# TOML 1.0: integers have 64 bits. Python reads longer ones, and refuses to print those that are very long.
_LARGEST = 2**63


def shown(value: str | int | float) -> str:
    """A value as TOML would write it, in printable ASCII and not long."""
    if isinstance(value, str):
        text = json.dumps(value[: _LONGEST + 1])
        return text if len(text) <= _LONGEST else text[:_LONGEST] + '..."'
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        return "an integer of more than 64 bits"
    return str(value).lower()


def key_path(*parts: str | int) -> str:
    """A key and the tables that it stands in, as TOML writes it: `limits.connections`, `serves[1]`."""
    path = ""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += ("." if path else "") + (part if _BARE_KEY.fullmatch(part) else shown(part))
    return path


def suggestion(name: str, known: Iterable[str]) -> str:
    """`Did you mean ...?` when one of `known` is close to `name`, otherwise nothing."""
    close = difflib.get_close_matches(name[:_LONGEST], list(known), 1)
    return f"Did you mean {close[0]}?" if close else ""


def check_names(named: Iterable[tuple[str, Notes]]) -> None:
    """Note names that cannot be used in logs and on command lines, and those that are there twice."""
    seen: set[str] = set()
    for name, notes in named:
        if not _BARE_KEY.fullmatch(name):
            notes.add("name", f"{shown(name)} cannot be used", "Take at most 64 letters, digits, - and _.")
        if name in seen:
            notes.add("name", f"{shown(name)} is there twice", "Give each one a name of its own.")
        seen.add(name)
