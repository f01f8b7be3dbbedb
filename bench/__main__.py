"""The command line of the benchmark."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import asking, certificates, million, peers, proxying, scenarios, waiting
from bench.place import GRANT_CLIENTS, Place
from bench.process import allow_files, free_port
from bench.report import Results, ratios, table
from bench.versions import CHECKOUT, Version, checked_out, resolve

SCENARIOS = {
    "A": "handshake and token",
    "A10k": "the same, with 10,000 clients more",
    "B": "token, connection kept",
    "introspect": "introspection of a JWT",
    "introspect-opaque": "introspection of an opaque token",
    "code": "code and PKCE for tokens",
    "refresh": "refresh token",
    "forwarded": "token, by a proxy's connection",
    "forwarded-many": "the same for 1,000 clients in turn",
    "forwarded-socket": "token, by a proxy's UNIX socket",
}
_GRANTS = ("introspect", "introspect-opaque", "code", "refresh")
_FORWARDED = ("forwarded", "forwarded-many", "forwarded-socket")
OTHERS: Mapping[str, Callable[[Path, int], waiting.Waiting | million.Million]] = {
    "waiting": waiting.measure,
    "million": million.measure,
}
_MODES = {"A": "handshake", "A10k": "handshake", "B": "token"}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="What mtlsd costs: the server's CPU time for each operation, latency, memory. "
        "docs/benchmark.md says how it is measured and what the numbers mean.",
    )
    parser.add_argument("--against", metavar="REF", help="measure this commit too, in turn, and print ratios")
    parser.add_argument(
        "-r", "--rounds", type=int, default=3, help="how often each version is measured (%(default)s)"
    )
    parser.add_argument(
        "-t", "--seconds", type=float, default=3, help="of load in each measurement (%(default)s)"
    )
    parser.add_argument(
        "-s",
        "--scenarios",
        default="A,A10k,B,idle",
        help=f"any of {', '.join(SCENARIOS)}, idle; or waiting or million, of the working tree alone "
        "(%(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print every number as JSON")
    parser.add_argument(
        "--peers",
        nargs=argparse.REMAINDER,
        metavar="ARGUMENT",
        help="run the benchmark of several servers side by side in its stead, with these arguments; "
        "MTLSD_PEERS is its folder, BENCH_WORK a folder for its files",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.peers is not None:
        return _side_by_side(options.peers)
    wanted = options.scenarios.split(",")
    if len(wanted) == 1 and wanted[0] in OTHERS:
        return _of_the_working_tree(wanted[0], options.rounds, options.json)
    if unknown := set(wanted) - {*SCENARIOS, "idle"}:
        print(f"scripts/bench: there is no scenario {', '.join(sorted(unknown))}", file=sys.stderr)
        return 64
    allow_files()
    with tempfile.TemporaryDirectory(prefix="mtlsd-bench-") as directory, ExitStack() as stack:
        versions = _versions(Path(directory), options.against, stack)
        results = [Results(version.name) for version in versions]
        for number in range(options.rounds):
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
            for version, result in zip(versions, results, strict=True):
                _measure(version, result, wanted, options.seconds)
    if options.json:
        print(json.dumps([result.to_json() for result in results], indent=1))
        return 0
    print(table(results, SCENARIOS))
    if len(results) > 1 and results[0].costs:
        print("\n" + ratios(results[0], results[1], SCENARIOS))
    return 0


def _of_the_working_tree(scenario: str, rounds: int, as_json: bool) -> int:
    allow_files()
    with tempfile.TemporaryDirectory(prefix="mtlsd-bench-") as directory:
        measured = OTHERS[scenario](Path(directory), rounds)
    print(json.dumps(measured.to_json(), indent=1) if as_json else measured.report())
    return 0


def _side_by_side(arguments: list[str]) -> int:
    folder = peers.find()
    if folder is None:
        print(
            "scripts/bench: there is no benchmark of several servers; MTLSD_PEERS names it", file=sys.stderr
        )
        return 69
    work = os.environ.get("BENCH_WORK") or os.path.join(tempfile.gettempdir(), "mtlsd-bench-peers")
    return peers.run(folder, Path(work), arguments)


def _versions(directory: Path, against: str | None, stack: ExitStack) -> list[Version]:
    ca = certificates.make(directory / "certificates")
    for name in GRANT_CLIENTS:
        certificates.make_clients(directory / "certificates", ca, name, 1)
    proxying.make(directory / "certificates", ca)
    made = [Version("working tree", CHECKOUT, Place(directory / "ours", directory / "certificates"))]
    if against is not None:
        commit = resolve(against)
        source = stack.enter_context(checked_out(commit, directory / "source"))
        made.append(Version(commit, source, Place(directory / "theirs", directory / "certificates")))
    for version in made:
        version.prepare()
    return made


def _measure(version: Version, result: Results, wanted: Iterable[str], seconds: float) -> None:
    """One round of one version: a server for each number of clients, warmed up first."""
    few = [name for name in wanted if name in ("A", "B")]
    if few:
        with version.running() as server:
            result.started_in.append(server.started_in)
            scenarios.cost(version, server, "handshake", 0.5)
            for name in few:
                _note(result, name, scenarios.cost(version, server, _MODES[name], seconds))
    if grants := [name for name in wanted if name in _GRANTS]:
        with _unless_unknown(version, grants):
            _measure_grants(version, result, grants, seconds)
    if forwarded := [name for name in wanted if name in _FORWARDED]:
        with _unless_unknown(version, forwarded):
            _measure_forwarded(version, result, forwarded, seconds)
    if "A10k" in wanted:
        with version.running(scenarios.OTHER_CLIENTS) as server:
            scenarios.cost(version, server, "handshake", 0.5)
            _note(result, "A10k", scenarios.cost(version, server, _MODES["A10k"], seconds))
    if "idle" in wanted:
        with version.running() as server:
            result.idle.append(scenarios.idle(version, server))


def _measure_grants(version: Version, result: Results, wanted: Iterable[str], seconds: float) -> None:
    with version.running(grants=True) as server:
        scenarios.cost(version, server, "token", 0.5)
        for name in wanted:
            prepared = asking.prepare(version, server, name)
            _note(result, name, scenarios.cost(version, server, "requests", seconds, prepared))


def _measure_forwarded(version: Version, result: Results, wanted: Iterable[str], seconds: float) -> None:
    port = free_port()
    with version.running(proxying.CLIENTS, forwarded_port=port) as server:
        for name in wanted:
            prepared = proxying.prepare(version.place, port, name)
            scenarios.cost(version, server, "requests", 0.5, prepared)
            _note(result, name, scenarios.cost(version, server, "requests", seconds, prepared))


@contextmanager
def _unless_unknown(version: Version, wanted: Iterable[str]) -> Iterator[None]:
    """What another commit does not know, it is not measured by."""
    try:
        yield
    except RuntimeError as error:
        if version.source == CHECKOUT:
            raise
        print(f"  {version.name:14} cannot serve all of {', '.join(wanted)}: {error}", file=sys.stderr)


def _note(result: Results, scenario: str, cost: scenarios.Cost) -> None:
    result.costs.setdefault(scenario, []).append(cost)
    print(
        f"  {result.name:14} {scenario:17} {cost.cpu_ms:.3f} ms, foreign {cost.foreign:.2f}", file=sys.stderr
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, subprocess.CalledProcessError) as error:
        sys.exit(f"scripts/bench: {error}")
