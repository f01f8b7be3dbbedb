"""docs/operating.md names every event and every field of the audit log, and every exit code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from mtlsd.cli import exits
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.path import MAX_CHAIN, MAX_CHAIN_BYTES
from tests.unit.tls.memory import PKI

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/operating.md"


def first_cells(heading: str) -> list[str]:
    """Everything in backticks in the first column of the table with that heading."""
    text = PAGE.read_text("utf-8")
    assert text.count(f"\n| {heading} |") == 1
    table = text.split(f"\n| {heading} |")[1].split("\n\n")[0]
    return [name for line in table.splitlines()[2:] for name in re.findall(r"`([^`]+)`", line.split("|")[1])]


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    """The modules that a daemon imports: only these write the audit log. Each by its path below mtlsd/."""
    program = (
        "import sys, mtlsd.service.daemon;"
        "own = [module for name, module in sys.modules.items() if name.startswith('mtlsd.')];"
        "print(*filter(None, (getattr(module, '__file__', None) for module in own)), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, text=True, capture_output=True
    )
    paths = map(Path, done.stdout.splitlines())
    return tuple((path.relative_to(ROOT / "mtlsd").as_posix(), ast.parse(path.read_text())) for path in paths)


WRITERS = ("event", "audit", "report", "_report")
"""What takes the name of an event and its facts."""


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call in the code that may be written to the audit log, by the name of what is called."""
    for _, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield ast.unparse(node.func).split(".")[-1], node


def keys_of(node: ast.AST) -> set[str]:
    """The names in every dictionary that is written out below a node."""
    return {
        key.value
        for found in ast.walk(node)
        if isinstance(found, ast.Dict)
        for key in found.keys
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }


def facts_in_code() -> set[str]:
    """The keys of what is given to Refusal() and to WRITERS, and of what is annotated as facts."""
    found = set().union(*(keys_of(call) for name, call in calls() if name in ("Refusal", *WRITERS)))
    for _, tree in modules():
        for node in ast.walk(tree):
            annotation = (
                node.annotation if isinstance(node, ast.AnnAssign) else getattr(node, "returns", None)
            )
            if annotation is not None and "Fact" in ast.unparse(annotation):
                found |= keys_of(node)
    return found


def test_every_event_is_there() -> None:
    events = {
        call.args[0].value
        for name, call in calls()
        if name in WRITERS and isinstance(call.args[0], ast.Constant)
    }
    assert set(first_cells("event")) == events


def test_every_field_is_there() -> None:
    documented = set(first_cells("field")) - {"at", "event"}
    of_certificate = Certificate.from_der(PKI.root.der).facts()
    of_ca = {f"ca_{name}" for name in of_certificate}
    assert of_ca <= documented
    assert facts_in_code() | of_certificate.keys() <= documented


def test_no_field_is_invented() -> None:
    code = "".join(path.read_text("utf-8") for path in (ROOT / "mtlsd").rglob("*.py"))
    for name in first_cells("field"):
        assert re.search(f'"{re.escape(name.removeprefix("ca_"))}"|facts\\["{name}', code), name


def test_every_exit_code_is_there() -> None:
    text = PAGE.read_text("utf-8")
    table = text.split("\n| exit code |")[1].split("\n\n")[0]
    documented = {int(code) for code in re.findall(r"^\| ([0-9]+)", table, re.MULTILINE)}
    assert documented == {value for value in vars(exits).values() if isinstance(value, int)}


def test_limits() -> None:
    text = PAGE.read_text("utf-8")
    assert f"beside its own | {MAX_CHAIN}, and {MAX_CHAIN_BYTES:,} bytes |" in text
