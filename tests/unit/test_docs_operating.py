"""docs/operating.md names every event and every field of the audit log, and every exit code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import attrs

from mtlsd.cache.files import CacheDirectory
from mtlsd.cli import exits
from mtlsd.ops.metrics import Metrics, SourceSample
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.path import MAX_CHAIN, MAX_CHAIN_BYTES
from mtlsd.revocation.breaker import BreakerLimits
from mtlsd.revocation.crl_book import CrlLimits
from mtlsd.revocation.knowledge import Knowledge
from mtlsd.revocation.ocsp_limits import OcspLimits
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


WRITERS = ("event", "audit", "report", "_report", "Done")
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
            found |= added_to_facts(node)
    return found


def added_to_facts(node: ast.AST) -> set[str]:
    """`facts["this"] = ...` and `facts |= {"this": ...}`."""
    if isinstance(node, ast.AugAssign) and ast.unparse(node.target) == "facts":
        return keys_of(node.value)
    targets = node.targets if isinstance(node, ast.Assign) else []
    return {
        own.slice.value
        for own in targets
        if isinstance(own, ast.Subscript)
        and ast.unparse(own.value) == "facts"
        and isinstance(own.slice, ast.Constant)
        and isinstance(own.slice.value, str)
    }


def test_every_event_is_there() -> None:
    events = {
        call.args[0].value
        for name, call in calls()
        if name in WRITERS and isinstance(call.args[0], ast.Constant)
    }
    assert set(first_cells("event")) == events | events_of_classes()


def events_of_classes() -> set[str]:
    """How an endpoint's class calls its refusals: `refused = "token.refused"`."""
    return {
        node.value.value
        for _, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and ast.unparse(node.targets[0]) == "refused"
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }


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


def test_sizes_of_revocation() -> None:
    """The table of sizes says what the code has."""
    lists, answers, breaker = CrlLimits(), OcspLimits(), BreakerLimits()
    page = PAGE.read_text("utf-8")
    assert f"at most {lists.list_bytes >> 20} MiB, fetched within {lists.fetch_seconds:g} seconds" in page
    assert f"at most {lists.at_once} at once, {lists.at_once_of_host} of them from one server" in page
    assert f"| URLs of lists that certificates name | {lists.learned} for a group" in page
    assert f"| {answers.answers:,}, or {answers.answer_bytes >> 20} MiB |" in page
    most = attrs.fields(Knowledge).max_waiting.default
    each = answers.waiting_per_responder
    assert f"| {most}; {answers.waiting} of them for responders, {each} for one" in page
    assert f"after {breaker.failures} failures in a row nobody waits for it for" in page
    cache = CacheDirectory(ROOT)
    assert f"a file {cache.max_file_bytes >> 20} MiB, a directory {cache.max_bytes >> 30} GiB" in page


def test_metrics() -> None:
    """Every metric is there, with its labels."""
    metrics = Metrics(lambda: [SourceSample("a", "crl", "b", True, 1.0, 1.0, 1)])
    for event in ("handshake.refused", "token.refused", "request.refused", "forwarding.refused"):
        metrics.count(event, {"reason": "x"})
    metrics.count("token.issued", {"revocation_unchecked": ["a"]})
    shown = {sample.name: set(sample.labels) for family in metrics.collect() for sample in family.samples}
    rows = re.findall(r"^\| `(mtlsd_\w+)` \| ([^|]*)\|", PAGE.read_text("utf-8"), re.MULTILINE)
    told: dict[str, set[str]] = {}
    for name, labels in rows:
        told[name] = told[list(told)[-1]] if labels == "likewise " else set(re.findall(r"`(\w+)`", labels))
    assert told == shown
