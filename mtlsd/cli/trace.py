"""Printing what was checked, and why it was refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from mtlsd.cli.terminal import GREEN, RED, YELLOW, coloured
from mtlsd.errors import Fact, Refusal
from mtlsd.judge.values import Check

_MARKS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {"passed": ("ok", GREEN), "failed": ("REFUSED", RED), "noted": ("note", YELLOW)}
)
_ALONG_THE_PATH: Final = ("path", "strength")


def print_facts(facts: Mapping[str, Fact]) -> None:
    for name, fact in facts.items():
        print(f"  {name:<12} {text_of(fact)}")


def print_checks(checks: Iterable[Check]) -> None:
    for check in checks:
        mark, colour = _MARKS[check.outcome]
        separator = " <- " if check.name in _ALONG_THE_PATH else ", "
        unseen = check.outcome == "failed" and check.seen is None
        seen = "" if unseen else f": {text_of(check.seen, separator)}"
        print(f"{coloured(f'{mark:>8}', colour)}  {check.name}{seen}")
        if check.outcome != "passed" and check.expected is not None:
            print(f"{'':>8}  expected: {text_of(check.expected)}")


def print_refusal(refusal: Refusal) -> None:
    print(f"{coloured(f'{refusal.reason.code:>8}', RED)}  {refusal.reason.meaning}")
    for name, fact in refusal.facts.items():
        print(f"{'':>8}  {name}: {text_of(fact)}")
    print(f"{'':>8}  {refusal.reason.remedy}")


def refusal_document(refusal: Refusal) -> dict[str, Any]:
    """The same for programs."""
    return {
        "reason": refusal.reason.code,
        "meaning": refusal.reason.meaning,
        "remedy": refusal.reason.remedy,
        "facts": dict(refusal.facts),
    }


def text_of(fact: Fact, separator: str = ", ") -> str:
    if isinstance(fact, str) or fact is None:
        return fact or "nothing"
    return str(fact) if isinstance(fact, int) else separator.join(fact) or "nothing"
