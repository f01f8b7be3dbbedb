"""Checks one after the other, each noted; the first that fails ends them."""

from __future__ import annotations

from typing import Final, NoReturn

import attrs

from mtlsd.errors import Fact, Reason, Refusal
from mtlsd.judge.values import Check, Trace
from mtlsd.pki.printable import printable

_LONGEST_SHOWN: Final = 200
_MOST_SHOWN: Final = 8
_GREATEST_SHOWN: Final = 1 << 63


def shown(value: object) -> Fact:
    """What a stranger wrote, in a form and length that a log can hold.

    Of lists the first members are shown, and of lists in those no more than that they are there: each pair of
    quotes around others would make the text twice as long.
    """
    if isinstance(value, list | tuple | set | frozenset):
        return [str(_shown_one(one)) for one in list(value)[:_MOST_SHOWN]]
    return _shown_one(value)


def _shown_one(value: object) -> str | int | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < _GREATEST_SHOWN else "an integer out of bounds"
    text = value if isinstance(value, str) else type(value).__name__
    return printable(text[:_LONGEST_SHOWN])


@attrs.define
class Steps:
    """The trace of one verification, as it grows."""

    _trace: list[Check] = attrs.field(factory=list)

    @property
    def trace(self) -> Trace:
        return tuple(self._trace)

    def passed(self, name: str, expected: Fact, seen: object) -> None:
        self._trace.append(Check(name, "passed", expected, shown(seen)))

    def failed(self, name: str, reason: Reason, expected: Fact, seen: object) -> NoReturn:
        """:raises Refusal: always"""
        self._trace.append(Check(name, "failed", expected, shown(seen), reason.code))
        raise Refusal(reason, {"check": name, "expected": expected, "seen": shown(seen)})

    def check(self, name: str, good: bool, reason: Reason, expected: Fact, seen: object) -> None:
        """:raises Refusal: where it is not good"""
        if not good:
            self.failed(name, reason, expected, seen)
        self.passed(name, expected, seen)
