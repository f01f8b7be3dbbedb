"""The table of `mtlsd revocation status`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mtlsd.cli.terminal import GREEN, RED, YELLOW, coloured, counted, octets, when
from mtlsd.revocation.status_file import Row

_HEADING = ("GROUP", "KIND", "SOURCE", "STATE", "LAST GOOD", "NEXT UPDATE", "HOLDS")
_STATE = _HEADING.index("STATE")


def print_rows(rows: Sequence[Row], unchecked: Sequence[str], now: datetime) -> None:
    """One line a source, and its error below."""
    states = [state_of(row, now) for row in rows]
    table = [_HEADING, *(_cells(row, state[0], now) for row, state in zip(rows, states, strict=True))]
    table += [(group, "", "", "not checked", "", "", "") for group in unchecked]
    colours = ["", *(colour for _, colour in states), *(YELLOW for _ in unchecked)]
    errors = ["", *(row.error or "" for row in rows), *("" for _ in unchecked)]
    widths = [max(len(line[column]) for line in table) for column in range(len(_HEADING))]
    for line, colour, error in zip(table, colours, errors, strict=True):
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        if colour:
            cells[_STATE] = coloured(cells[_STATE], colour)
        print("  ".join(cells).rstrip())
        if error:
            print(f"{'':{widths[0]}}  {error}")


def state_of(row: Row, now: datetime) -> tuple[str, str]:
    """How a source fares, in a word, and its colour.

    ``good``; ``late``: it does not answer, and what it gave still counts; ``expired``: that counts no more;
    ``failing``: there is nothing from it; ``open``: a responder that is left alone for a while; ``never``:
    nobody has asked it yet.
    """
    if row.next_update is not None and row.next_update < now:
        return "expired", RED
    if row.state in ("open", "half_open"):
        return "open", RED
    if row.error is not None:
        return ("late", YELLOW) if row.next_update is not None or _counting(row) else ("failing", RED)
    return ("never", YELLOW) if row.last_good is None and row.next_update is None else ("good", GREEN)


def _counting(row: Row) -> int:
    """How many of a responder's answers still count."""
    return (row.known or 0) - (row.stale or 0)


def _cells(row: Row, state: str, now: datetime) -> tuple[str, ...]:
    expires = "" if row.next_update is None else when(row.next_update, now)
    return row.group, row.kind, row.source, state, when(row.last_good, now), expires, _holds(row)


def _holds(row: Row) -> str:
    if row.kind == "ocsp":
        stale = f", {row.stale} out of date" if row.stale else ""
        waiting = f", {row.waiting} waiting" if row.waiting else ""
        return f"{counted(row.known, 'answer', 'answers')}{stale}{waiting}" if row.known is not None else ""
    if row.entries is None or row.bytes is None:
        return ""
    number = "" if row.number is None else f"number {row.number}, "
    return f"{number}{counted(row.entries, 'entry', 'entries')}, {octets(row.bytes)}"
