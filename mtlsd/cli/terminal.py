"""Words and colours for people at a terminal."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta
from typing import Final

GREEN, RED, YELLOW = "32", "31", "33"

_STEPS: Final = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))


def coloured(text: str, colour: str) -> str:
    """The text in that colour, where standard output is a terminal and nobody has asked for none."""
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        return f"\x1b[{colour}m{text}\x1b[0m"
    return text


def span(length: timedelta) -> str:
    """A length of time in its largest unit: `3 days`, `1 minute`."""
    seconds = abs(int(length.total_seconds()))
    name, step = next((own for own in _STEPS if seconds >= own[1]), _STEPS[-1])
    return counted(seconds // step, name, f"{name}s")


def counted(count: int, one: str, many: str) -> str:
    """`1 entry`, `1,203 entries`."""
    return f"{count:,} {one if count == 1 else many}"


def when(instant: datetime | None, now: datetime) -> str:
    """`3 minutes ago`, `just now`, `in 6 days`, `never`."""
    if instant is None:
        return "never"
    if timedelta() <= now - instant < timedelta(seconds=1):
        return "just now"
    return f"{span(now - instant)} ago" if instant <= now else f"in {span(instant - now)}"


def octets(count: int) -> str:
    """`812 B`, `45 kB`, `36.1 MB`."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"
