"""What is measured, of one version of mtlsd."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import attrs

from bench.process import LOAD_CPU, Memory, Server, busy_seconds, pin
from bench.versions import Version

CONNECTIONS = 16
IDLE_CONNECTIONS = 1000
OTHER_CLIENTS = 10_000


@attrs.frozen
class Cost:
    """What operations cost.

    :ivar cpu_ms: of the server, user and system, for each operation.
    :ivar p50_ms: the median of the latencies, as the load generator saw them.
    :ivar utilisation: how much of one CPU the server used.
    :ivar foreign: CPUs that anything else used meanwhile: above 0.2 the numbers are noisy.
    """

    operations: int
    cpu_ms: float
    p50_ms: float
    p99_ms: float
    utilisation: float
    foreign: float


@attrs.frozen
class Idle:
    """Memory of the server, before and with idle connections."""

    empty: Memory
    full: Memory
    connections: int

    @property
    def kib_each(self) -> float:
        return (self.full.pss - self.empty.pss) / self.connections


def cost(version: Version, server: Server, mode: str, seconds: float, requests: Path | None = None) -> Cost:
    """Drive a server for some seconds.

    :param requests: that were prepared, for the mode of that name.
    :raises RuntimeError: when any operation failed.
    """
    busy, cpu, began = busy_seconds(), server.cpu_seconds(), time.monotonic()
    load = _load(version, server, mode, CONNECTIONS, seconds, requests)
    output, _ = load.communicate()
    wall = time.monotonic() - began
    used, all_used = server.cpu_seconds() - cpu, busy_seconds() - busy
    result = json.loads(output or b"{}")
    latencies: Sequence[float] = result.get("latencies", ())
    if not latencies or result["errors"]:
        raise RuntimeError(f"{mode} failed: {result.get('errors')}")
    return Cost(
        operations=len(latencies),
        cpu_ms=1000 * used / len(latencies),
        p50_ms=1000 * statistics.median(latencies),
        p99_ms=1000 * latencies[int(0.99 * (len(latencies) - 1))],
        utilisation=used / wall,
        foreign=max(0.0, all_used - used - result["cpu"]) / wall,
    )


def idle(version: Version, server: Server) -> Idle:
    """Hold connections that have had one token each."""
    empty = server.memory()
    load = _load(version, server, "idle", IDLE_CONNECTIONS, 0)
    if load.stdin is None or load.stdout is None:
        raise RuntimeError("the load generator has no pipes")
    held = int(load.stdout.readline())
    full = server.memory()
    load.communicate()
    return Idle(empty, full, held)


def _load(
    version: Version,
    server: Server,
    mode: str,
    connections: int,
    seconds: float,
    requests: Path | None = None,
) -> subprocess.Popen[bytes]:
    arguments = [mode, str(server.port), str(version.place.certificates), str(connections), str(seconds)]
    arguments += [] if requests is None else [str(requests)]
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.load", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    pin(process.pid, LOAD_CPU)
    return process
