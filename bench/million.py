"""What a revocation list of a million entries costs: mtlsd, and nginx with the same list as its `ssl_crl`.

Each server is measured with the list and without it, in turn: its CPU time for a handshake and one answer, by
clients whose certificates it has never seen, and by one that comes again and again. The difference is the
list's part. Then mtlsd loads the list while it serves a client at a steady rate.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from bench import certificates, revoked, scenarios
from bench.load import client_context, fetch_token
from bench.place import Place
from bench.process import Server, free_port
from bench.report import aligned
from bench.steady import FRESH, KEPT, running
from bench.versions import CHECKOUT, Version
from bench.waiting import at

ENTRIES = 1_000_000
NEWCOMERS = 2000
RATE = 200.0
SERVERS = ("mtlsd", "nginx")
MODES = {"newcomers": "by certificates never seen before", "handshake": "by the same one again and again"}
_SECONDS = {"newcomers": 6.0, "handshake": 2.0}
_PATIENCE_SECONDS = 120.0
_NGINX = """\
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {directory}/nginx.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl backlog=4096;
    ssl_certificate {certificates}/server.pem;
    ssl_certificate_key {certificates}/server.key;
    ssl_client_certificate {certificates}/ca.pem;
    ssl_verify_client on;
    ssl_protocols TLSv1.3;
    ssl_session_cache off;
    ssl_session_tickets off;
    {crl}
    location / {{ return 200 "{{}}"; }}
  }}
}}
"""


@attrs.frozen
class Measured:
    """One server, with or without the list.

    :ivar cpu_ms: for each mode.
    :ivar started_in: seconds from its start to the first answer.
    :ivar rss: in KiB, before any load.
    """

    server: str
    has_list: bool
    cpu_ms: Mapping[str, float]
    started_in: float
    rss: int
    foreign: float


@attrs.frozen
class Loading:
    """What a client at a steady rate saw while the list was loaded.

    :ivar seconds: how long the reload took.
    :ivar quiet: latencies in seconds before it, sorted, by the kind of operation.
    :ivar loading: likewise meanwhile.
    """

    seconds: float
    quiet: Mapping[str, Sequence[float]]
    loading: Mapping[str, Sequence[float]]


@attrs.frozen
class Million:
    """Everything that was measured."""

    measured: Sequence[Measured]
    loading: Sequence[Loading]

    def report(self) -> str:
        """Tables: what a handshake costs, time and memory, and what others notice of the loading."""
        return "\n\n".join([_costs(self.measured), _sizes(self.measured), _delays(self.loading)])

    def to_json(self) -> object:
        return attrs.asdict(self)


@attrs.frozen
class Setting:
    """Where everything is.

    :ivar lists: the directory with the lists.
    """

    version: Version
    lists: Path

    def policy(self, name: str) -> str:
        return f'{{ crl = ["{self.lists / name}"] }}'


def measure(directory: Path, rounds: int) -> Million:
    """Measure the working tree, and nginx where it is installed."""
    ca = certificates.make(directory / "certificates")
    certificates.make_clients(directory / "certificates", ca, "newcomers", NEWCOMERS, clients=["client"])
    revoked.write_list(directory, "million", ca, ENTRIES)
    revoked.write_list(directory, "empty", ca, 0)
    version = Version("mtlsd", CHECKOUT, Place(directory / "mtlsd", directory / "certificates"))
    version.prepare()
    setting = Setting(version, directory)
    measured, loading = [], []
    for _ in range(rounds):
        for has_list in (False, True):
            with version.running(revocation=setting.policy("million.crl") if has_list else None) as server:
                measured.append(_measured("mtlsd", has_list, version, server))
            if shutil.which("nginx"):
                with _nginx(setting, has_list) as server:
                    measured.append(_measured("nginx", has_list, version, server))
        loading.append(_loading(setting))
    return Million(measured, loading)


def _measured(name: str, has_list: bool, version: Version, server: Server) -> Measured:
    rss = server.memory().rss
    costs = {mode: scenarios.cost(version, server, mode, seconds) for mode, seconds in _SECONDS.items()}
    return Measured(
        name,
        has_list,
        {mode: cost.cpu_ms for mode, cost in costs.items()},
        server.started_in,
        rss,
        max(cost.foreign for cost in costs.values()),
    )


@contextmanager
def _nginx(setting: Setting, has_list: bool) -> Iterator[Server]:
    directory, port = setting.lists / "nginx", free_port()
    directory.mkdir(exist_ok=True)
    crl = f"ssl_crl {setting.lists / 'million.pem'};" if has_list else ""
    written = setting.version.place.certificates
    configuration = directory / "nginx.conf"
    configuration.write_text(
        _NGINX.format(directory=directory, port=port, certificates=written.resolve(), crl=crl)
    )
    context = client_context(written)
    command = ["nginx", "-p", os.fspath(directory), "-c", os.fspath(configuration)]
    log = directory / "log"
    server = Server.start(command, port, os.environ, log, lambda: fetch_token(context, port))
    try:
        yield server
    finally:
        server.stop()


def _loading(setting: Setting) -> Loading:
    """Reload with the list in place of an empty one."""
    version = setting.version
    audit = version.place.directory / "audit.jsonl"
    with (
        version.running(revocation=setting.policy("empty.crl")) as server,
        running(server.port, version.place.certificates, RATE) as found,
    ):
        time.sleep(1)
        began, before = time.monotonic(), audit.stat().st_size
        time.sleep(3)
        version.place.configure(server.port, revocation=setting.policy("million.crl"))
        asked = time.monotonic()
        server.process.send_signal(signal.SIGHUP)
        while b'"event":"reload.done"' not in audit.read_bytes()[before:]:
            if time.monotonic() - asked > _PATIENCE_SECONDS:
                raise RuntimeError("the list was not loaded")
            time.sleep(0.05)
        done = time.monotonic()
    return Loading(done - asked, _between(found, began, asked), _between(found, asked, done))


def _between(found: Mapping[str, Sequence[tuple[float, float]]], a: float, b: float) -> Mapping[str, Any]:
    return {kind: sorted(late for due, late in every if a <= due < b) for kind, every in found.items()}


def _lowest(measured: Sequence[Measured], server: str, has_list: bool, mode: str) -> float:
    return min(own.cpu_ms[mode] for own in measured if (own.server, own.has_list) == (server, has_list))


def _costs(measured: Sequence[Measured]) -> str:
    rows: list[Sequence[str]] = [("CPU ms for a handshake", "server", "without", "with", "the list's part")]
    for mode, name in MODES.items():
        for server in SERVERS:
            if not any(own.server == server for own in measured):
                continue
            without, with_list = (_lowest(measured, server, has, mode) for has in (False, True))
            part = f"{with_list - without:+.3f}"
            rows.append((name, server, f"{without:.3f}", f"{with_list:.3f}", part))
    return aligned(rows)


def _sizes(measured: Sequence[Measured]) -> str:
    rows: list[Sequence[str]] = [("server", "with", "first answer after s", "RSS MiB", "octets for an entry")]
    for server in SERVERS:
        own = [one for one in measured if one.server == server]
        least = {
            has: min((one.rss for one in own if one.has_list == has), default=0) for has in (False, True)
        }
        for has in (False, True) if own else ():
            started = min(one.started_in for one in own if one.has_list == has)
            each = f"{1024 * (least[True] - least[False]) / ENTRIES:.0f}" if has else ""
            what = f"{ENTRIES:,} entries" if has else "no list"
            rows.append((server, what, f"{started:.2f}", f"{least[has] / 1024:.0f}", each))
    return aligned(rows)


def _delays(loading: Sequence[Loading]) -> str:
    head = ("while mtlsd loads the list", "p50 ms", "p99 ms", "most", "p99 / quiet", "number")
    rows: list[Sequence[str]] = [head]
    for kind, name in {KEPT: "token, connection kept", FRESH: "handshake and token"}.items():
        quiet = sorted(late for own in loading for late in own.quiet[kind])
        meanwhile = sorted(late for own in loading for late in own.loading[kind])
        shown = [f"{1000 * at(meanwhile, share):.2f}" for share in (0.5, 0.99, 1)]
        ratio = f"{at(meanwhile, 0.99) / at(quiet, 0.99):.2f}"
        rows.append((name, *shown, ratio, str(len(meanwhile))))
    seconds = ", ".join(f"{own.seconds:.1f}" for own in loading)
    return f"{aligned(rows)}\nseconds for a reload with it: {seconds}"
