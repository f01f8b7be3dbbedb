"""The real daemon as a process of its own, and what it says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tests.end_to_end.setup import Setup

T = TypeVar("T")
Event = dict[str, Any]

DEADLINE = 20.0
"""Seconds after which something that should have happened will not."""

BIN = Path(sys.executable).parent
MTLSD = str(BIN / "mtlsd")


def eventually(what: Callable[[], T | None], message: str = "", seconds: float = DEADLINE) -> T:
    """The first true value that `what` returns."""
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until, message or "it has not happened"
        time.sleep(0.02)
    return found


def mtlsd(*arguments: str | Path, code: int = 0) -> str:
    """Run one command to its end, and return what it printed; its errors too where it should fail."""
    done = subprocess.run([MTLSD, *map(str, arguments)], text=True, capture_output=True, timeout=DEADLINE)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr if code else done.stdout


class Daemon:
    """A running daemon.

    :ivar out: the file with its standard output, which is the audit log.
    :ivar err: the file with its standard error.
    """

    def __init__(self, setup: Setup, command: Sequence[str] = (MTLSD, "run", "-c")) -> None:
        self.setup = setup
        self.out, self.err = setup.directory / "out", setup.directory / "err"
        with self.out.open("ab") as out, self.err.open("ab") as err:
            environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
            self.process = subprocess.Popen(
                [*command, setup.write()], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                cwd=setup.directory, env=environ,
            )  # fmt: skip

    @property
    def stderr(self) -> str:
        return self.err.read_text()

    def events(self, name: str | None = None, since: int = 0) -> list[Event]:
        """The events of the audit log from the `since`-th on. Lines of twistd's own are left out."""
        lines = self.out.read_bytes().splitlines(keepends=True)
        whole = [json.loads(line) for line in lines if line.startswith(b'{"at":') and line.endswith(b"\n")]
        return [event for event in whole[since:] if name is None or event["event"] == name]

    def mark(self) -> int:
        """How many events there are until now."""
        return len(self.events())

    def event(self, name: str, since: int = 0, **facts: object) -> Event:
        """Wait for an event with these facts, and return it."""

        def found() -> Event | None:
            matching = (own for own in self.events(name, since) if facts.items() <= own.items())
            return next(matching, None)

        return eventually(found, f"no event {name} {facts} in {self.events(since=since)}; {self.stderr}")

    def wait_until_ready(self) -> None:
        def started() -> bool:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.stderr}"
            return bool(self.events("server.started"))

        eventually(started, f"it does not start: {self.stderr}")

    def reload(self) -> Event:
        """Write the configuration, reload, and return the event that says how it went."""
        mark = self.mark()
        self.setup.write()
        self.process.send_signal(signal.SIGHUP)

        def done() -> list[Event]:
            return self.events("reload.done", mark) + self.events("reload.refused", mark)

        return eventually(done, f"it does not reload: {self.stderr}")[0]

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        return self.process.wait(DEADLINE)

    def resident_bytes(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))


@contextmanager
def running(setup: Setup, command: Sequence[str] = (MTLSD, "run", "-c"), code: int = 0) -> Iterator[Daemon]:
    """A daemon that is ready. In the end it must stop as it should, and have met nothing unexpected.

    :param code: with which it ends at SIGTERM.
    """
    daemon = Daemon(setup, command)
    try:
        daemon.wait_until_ready()
        yield daemon
        if daemon.process.poll() is None:
            daemon.terminate()
        assert daemon.wait() == code, daemon.stderr
        assert "Traceback" not in daemon.stderr, daemon.stderr
    finally:
        if daemon.process.poll() is None:
            daemon.process.kill()
            daemon.process.wait()
