"""Reading a TOML file into plain tables."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from mtlsd.config.notes import Notes
from mtlsd.config.reading import Unreadable, read_file
from mtlsd.config.text import shown

_AT = re.compile(r"(?P<message>.*) \((?P<place>at .*)\)", re.DOTALL)
_DEEPEST = 8
_LARGEST = 2**63


def read_toml(path: Path, notes: Notes) -> dict[str, Any] | None:
    """The tables of a file; None when it cannot be read, which is noted."""
    try:
        content, _ = read_file(path, regular=False)
        document = tomllib.loads(content.decode("utf-8"))
        _check_values(document, 0)
    except Unreadable as error:
        notes.add("", error.message, error.remedy)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        notes.add("", f"is not UTF-8 in line {line}", "Save it as UTF-8.")
    except RecursionError:
        notes.add("", "is nested too deeply", "Use no more levels than docs/configuration.md shows.")
    except ValueError as error:
        # TOMLDecodeError, what int() says of a number with thousands of digits, and what _check_values says
        notes.add("", *_syntax(str(error)))
    else:
        return document
    return None


def _syntax(message: str) -> tuple[str, str]:
    found = _AT.fullmatch(message)
    if found is None:
        return f"is not TOML: {shown(message)}", "Correct it."
    what = shown(found["message"])[1:-1]
    return f"is not TOML {found['place']}: {what}", "Correct it there; text wants quotes."


def _check_values(value: object, depth: int) -> None:
    """Refuse what Python reads and TOML 1.0 does not have: later code could not even print it."""
    if depth > _DEEPEST:
        raise RecursionError
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        raise ValueError("an integer has more than 64 bits")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        _check_values(item, depth + 1)
