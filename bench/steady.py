"""One client that asks for tokens at a steady rate: a process of its own.

    python -m bench.steady PORT CERTIFICATES RATE

It asks by turns on a connection that it keeps, and on one with a handshake of its own, until its standard
input ends. Then it prints, as JSON, when each was due (`time.monotonic()`) and how long after that it was
there: a server that stands still for a while so delays all that are due meanwhile, not one.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.load import Load, client_context, handshake, run_all, token
from bench.process import LOAD_CPU, pin

Found = dict[str, list[tuple[float, float]]]
KEPT, FRESH = "kept", "fresh"
_LONGEST_SECONDS = 120.0


def steady(load: Load, rate: float) -> Found:
    """Ask until the standard input ends."""
    found: Found = {KEPT: [], FRESH: []}
    kept = load.connect()
    run_all([handshake(kept)])
    run_all([token(kept)])
    began = time.monotonic()
    print("ready", flush=True)
    for number in range(int(rate * _LONGEST_SECONDS)):
        due = began + number / rate
        if select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]:
            break
        kind = (KEPT, FRESH)[number % 2]
        run_all([token(kept) if kind == KEPT else load.once()])
        found[kind].append((due, time.monotonic() - due))
    kept.close()
    return found


@contextmanager
def running(port: int, certificates: Path, rate: float) -> Iterator[Found]:
    """Have it ask meanwhile; what it found is there in the end."""
    arguments = [sys.executable, "-m", "bench.steady", str(port), str(certificates), str(rate)]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    pin(process.pid, LOAD_CPU)
    found: Found = {}
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield found
        found.update(json.loads(process.communicate()[0]))
    finally:
        process.kill()
        process.wait()


def main(arguments: list[str]) -> int:
    port, certificates, rate = arguments
    load = Load(client_context(Path(certificates)), int(port), until=0.0)
    json.dump(steady(load, float(rate)), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
