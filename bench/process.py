"""One running server: its CPU time, its memory, how it is started and stopped."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Self

import attrs

_TICK = os.sysconf("SC_CLK_TCK")
_PATIENCE_SECONDS = 30.0
SERVER_CPU, LOAD_CPU = 0, 1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def allow_files() -> None:
    """Let this process, and those it starts, have as many open files as the system allows."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def pin(pid: int, cpu: int) -> None:
    """Keep a process, with its threads, on one CPU, where there are two or more."""
    if len(os.sched_getaffinity(0)) < 2 or cpu not in os.sched_getaffinity(0):
        return
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {cpu})


def busy_seconds() -> float:
    """The CPU time that the whole machine has used since it was started."""
    user, nice, system, _, _, *interrupts = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + sum(interrupts)) / _TICK


@attrs.frozen
class Memory:
    """In KiB; what is shared with other processes counts in `pss` in part."""

    rss: int
    pss: int


@attrs.frozen
class Server:
    """A server process.

    :ivar started_in: seconds from its start until it took connections.
    """

    process: subprocess.Popen[bytes]
    port: int
    started_in: float

    @classmethod
    def start(
        cls,
        command: Iterable[str],
        port: int,
        environment: Mapping[str, str],
        log: Path,
        ready: Callable[[], None],
    ) -> Self:
        """
        :param ready: raises OSError until the server does its work.
        :raises RuntimeError: when it does not within half a minute.
        """
        began = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command], env=dict(environment), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        while True:
            try:
                ready()
                break
            except OSError as error:
                if process.poll() is not None or time.monotonic() - began > _PATIENCE_SECONDS:
                    process.kill()
                    raise RuntimeError(f"the server did not start ({error}); see {log}") from None
                time.sleep(0.005)
        started_in = time.monotonic() - began
        pin(process.pid, SERVER_CPU)
        return cls(process, port, started_in)

    def cpu_seconds(self) -> float:
        """User and system time since it was started, its own and that of children that have ended."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / _TICK

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory(self) -> Memory:
        sizes = {}
        for line in Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines()[1:]:
            name, size, *_ = line.split()
            sizes[name] = int(size)
        return Memory(sizes["Rss:"], sizes["Pss:"])

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
