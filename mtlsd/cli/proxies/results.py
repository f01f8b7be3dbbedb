"""Telling what has been found out about a proxy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, get_args

import attrs

from mtlsd.cli.common import print_table
from mtlsd.cli.exits import OK, UNEXPECTED
from mtlsd.cli.proxies.findings import BAD, Finding, Outcome, counted
from mtlsd.cli.terminal import GREEN, RED, coloured

_OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)


@attrs.frozen
class Result:
    """Everything that has been found out.

    :ivar control: the answer to an honest request, as a line for people.
    :ivar problem: why nothing could be; empty otherwise.
    :ivar code: the exit code of the command.
    """

    control: str
    problem: str = ""
    code: int = OK
    findings: tuple[Finding, ...] = ()


def print_result(result: Result) -> None:
    """For people: a table of all forgeries, and each that came out badly with its remedy."""
    print(f"An honest request is answered: {result.control}")
    if result.problem:
        print(result.problem)
    if not result.findings:
        return
    table = [("FIELD", "SENT", *(outcome.upper() for outcome in _OUTCOMES))]
    for field, counts in counted(result.findings).items():
        table.append((field, str(counts.total()), *(str(counts[own] or "") for own in _OUTCOMES)))
    print_table(table)
    for (outcome, field, answer, remedy), hows in _grouped(result.findings).items():
        print(f"{coloured(outcome, RED)}: {field}, {'; '.join(hows)}: {answer}")
        if remedy:
            print(f"    {remedy}")
    if not result.problem or result.code == UNEXPECTED:
        print(_summary(result))


def _grouped(findings: Sequence[Finding]) -> dict[tuple[str, str, str, str], list[str]]:
    """How it was done, of all that came out badly in one way."""
    groups: dict[tuple[str, str, str, str], list[str]] = {}
    for own in findings:
        if own.outcome in (*BAD, "no answer"):
            group = own.outcome, own.forgery.field, own.answer, own.remedy
            groups.setdefault(group, []).append(own.forgery.how)
    return groups


def _summary(result: Result) -> str:
    bad = sum(finding.outcome in BAD for finding in result.findings)
    if bad:
        return coloured(f"{bad} of {len(result.findings)} forgeries come through.", RED)
    if result.code != OK:
        return coloured("Not everything was answered.", RED)
    return coloured(f"None of {len(result.findings)} forgeries comes through.", GREEN)


def document_of(result: Result) -> dict[str, Any]:
    """The same for programs."""
    return {
        "control": result.control,
        "problem": result.problem or None,
        "ok": result.code == OK,
        "forgeries": [
            {
                "field": own.forgery.field,
                "how": own.forgery.how,
                "outcome": own.outcome,
                "answer": own.answer,
                "remedy": own.remedy or None,
            }
            for own in result.findings
        ],
    }
