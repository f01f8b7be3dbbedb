"""What it costs a client with a known verdict that others wait for responders that hang.

A client asks for tokens at a steady rate. Then 500 others come at once, whose certificates nobody has ever
asked about. Three things follow, and each is told apart: they shake hands and ask, which keeps the server
busy until it is idle again; they wait, and do nothing else; when the deadline has come, all are refused.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import attrs

from bench import certificates
from bench.place import Place
from bench.process import LOAD_CPU, Server, busy_seconds, pin
from bench.report import aligned
from bench.responder import Answering, hanging
from bench.steady import FRESH, KEPT, running
from bench.versions import CHECKOUT, Version

CROWD = 500
RESPONDERS = 2
RATE = 200.0
WAIT_SECONDS = 5
QUIET, ARRIVING, WAITING, LEAVING = "quiet", "arriving", "waiting", "leaving"
PHASES = (QUIET, ARRIVING, WAITING, LEAVING)
KINDS = {KEPT: "token, connection kept", FRESH: "handshake and token"}
_LOOK_SECONDS = 0.1
_CLIENT = "crowd"
_POLICY = '{ ocsp = "from-certificate" }'


@attrs.frozen
class Round:
    """One round.

    :ivar latencies: in seconds, sorted, by phase and kind of operation.
    :ivar statuses: how many of the crowd got which.
    :ivar files: that the server had open before the crowd came, while it waited, and after it had gone.
    :ivar rss: of the server likewise, in KiB.
    :ivar spans: how many seconds each phase took.
    :ivar foreign: CPUs that anything but the server and the load used meanwhile.
    """

    latencies: Mapping[str, Mapping[str, Sequence[float]]]
    statuses: Mapping[str, int]
    files: tuple[int, int, int]
    rss: tuple[int, int, int]
    spans: Mapping[str, float]
    foreign: float


_HEAD = ("operation", "while the others", "p50 ms", "p99 ms", "most", "p99 / quiet", "each round", "number")
_DOING = {QUIET: "are not there", ARRIVING: "arrive", WAITING: "wait", LEAVING: "are refused"}


@attrs.frozen
class Waiting:
    """Everything that was measured."""

    rounds: Sequence[Round]

    def report(self) -> str:
        """The table: of each phase all rounds together, and how many times the quiet p99 its p99 is."""
        rows = [_row(self.rounds, kind, phase) for kind in KINDS for phase in PHASES]
        lines = [_line(number + 1, own) for number, own in enumerate(self.rounds)]
        return "\n".join([aligned([_HEAD, *rows]), "", *lines])

    def to_json(self) -> object:
        return attrs.asdict(self)


def measure(directory: Path, rounds: int) -> Waiting:
    """Measure the working tree, with a server of its own for each round."""
    answering = Answering()
    with ExitStack() as stack:
        silent = stack.enter_context(hanging(RESPONDERS))
        ca = certificates.make(directory / "certificates", answering.url)
        certificates.make_clients(directory / "certificates", ca, _CLIENT, CROWD, silent)
        stack.enter_context(answering.running(ca))
        place = Place(directory / "waiting", directory / "certificates", others=(_CLIENT,))
        version = Version("working tree", CHECKOUT, place)
        version.prepare()
        return Waiting([_round(version) for _ in range(rounds)])


def _round(version: Version) -> Round:
    with (
        version.running(revocation=_POLICY) as server,
        running(server.port, version.place.certificates, RATE) as found,
    ):
        time.sleep(1)  # what is done for the first time has been done
        busy, began = busy_seconds() - server.cpu_seconds(), time.monotonic()
        files, rss, cpu = [server.open_files()], [server.memory().rss], server.cpu_seconds()
        time.sleep(WAIT_SECONDS)
        quiet = (server.cpu_seconds() - cpu) / WAIT_SECONDS
        crowd = _crowd(version, server)
        idle_at = _idle_at(server, quiet)
        files.append(server.open_files())
        rss.append(server.memory().rss)
        times = json.loads(crowd.communicate()[0])
        foreign = (busy_seconds() - server.cpu_seconds() - busy) / (time.monotonic() - began)
        time.sleep(0.5)
        files.append(server.open_files())
        rss.append(server.memory().rss)
    deadline = times["first_asked"] + WAIT_SECONDS
    spans = {
        QUIET: (began, times["came"] - 0.2),  # what is due then is there before they come
        ARRIVING: (times["came"], idle_at),
        WAITING: (idle_at, deadline),
        LEAVING: (deadline, times["last"]),
    }
    return Round(
        latencies={
            phase: {kind: sorted(late for due, late in found[kind] if a <= due < b) for kind in KINDS}
            for phase, (a, b) in spans.items()
        },
        statuses=times["statuses"],
        files=(files[0], files[1], files[2]),
        rss=(rss[0], rss[1], rss[2]),
        spans={phase: b - a for phase, (a, b) in spans.items()},
        foreign=foreign,
    )


def _idle_at(server: Server, quiet: float) -> float:
    """Wait until the crowd has come, and the server is not busy with it any more; when that was.

    :param quiet: the share of a CPU that it needs without the crowd.
    """
    busy, idle_at = False, None
    while True:
        used, began = server.cpu_seconds(), time.monotonic()
        time.sleep(_LOOK_SECONDS)
        share = (server.cpu_seconds() - used) / (time.monotonic() - began)
        if busy and share < quiet + 0.15:
            if idle_at is not None:
                return idle_at
            idle_at = began
        else:
            busy, idle_at = busy or share > quiet + 0.2, None


def _crowd(version: Version, server: Server) -> subprocess.Popen[bytes]:
    arguments = [str(server.port), str(version.place.certificates), _CLIENT]
    process = subprocess.Popen([sys.executable, "-m", "bench.crowd", *arguments], stdout=subprocess.PIPE)
    pin(process.pid, LOAD_CPU)
    return process


def _row(rounds: Sequence[Round], kind: str, phase: str) -> Sequence[str]:
    every = sorted(late for own in rounds for late in own.latencies[phase][kind])
    quiet = sorted(late for own in rounds for late in own.latencies[QUIET][kind])
    ratios = [_p99(own.latencies[phase][kind]) / _p99(own.latencies[QUIET][kind]) for own in rounds]
    return (
        KINDS[kind],
        _DOING[phase],
        *(f"{1000 * at(every, share):.2f}" for share in (0.5, 0.99, 1)),
        f"{_p99(every) / _p99(quiet):.2f}",
        " ".join(f"{ratio:.2f}" for ratio in ratios),
        str(len(every)),
    )


def _line(number: int, own: Round) -> str:
    statuses = ", ".join(f"{count} got {status}" for status, count in own.statuses.items())
    spans = ", ".join(f"{phase} {span:.1f} s" for phase, span in own.spans.items())
    rss = " -> ".join(f"{size / 1024:.0f}" for size in own.rss)
    files = " -> ".join(map(str, own.files))
    return (
        f"round {number}: {statuses}; {spans}; open files {files}; {rss} MiB RSS; foreign {own.foreign:.2f}"
    )


def at(values: Sequence[float], share: float) -> float:
    """The value below which this share of the sorted values is."""
    return values[int(share * (len(values) - 1))] if values else float("nan")


def _p99(values: Sequence[float]) -> float:
    return at(values, 0.99)
