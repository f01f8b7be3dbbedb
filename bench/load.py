"""The load generator: a process of its own that uses some connections as fast as the server lets it.

    python -m bench.load MODE PORT CERTIFICATES CONNECTIONS SECONDS [FILE]

===========  =================================================================================
MODE         one operation is
===========  =================================================================================
handshake    TCP connect, a full mutual handshake, one token, close
token        one token on a connection that stays open
requests     one of the requests of FILE, an Asked in JSON, on a connection that stays open
newcomers    like handshake, but each with the next certificate of newcomers.pem, until there is none
idle         (none: the connections have had one token each and are held until stdin ends)
===========  =================================================================================

Only loopback is ever connected to, and nothing lasts longer than a minute. It prints one JSON object; in the
mode idle first a line when all connections are there.

Each connection is a generator that yields the file it waits for, and one loop resumes them: nothing is faster
in one Python process, and since it is the *server's* CPU time that is measured, it need not be fast.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import cycle, repeat
from pathlib import Path
from typing import TypeVar

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from bench.place import BODY
from bench.plain import Plain

MODES = ("handshake", "token", "requests", "newcomers", "idle")
_LONGEST_SECONDS = 60.0
_MOST_ERRORS = 10

Steps = Generator[int, None, None]
"""What one connection does: it yields the number of the file that it waits to read from."""
Connection = SSL.Connection | Plain
T = TypeVar("T")


def request_of(body: str, path: str = "/token", fields: str = "") -> bytes:
    """A token request, or one of another endpoint.

    :param fields: that a proxy adds, each a line.
    """
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: application/json\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
        f"{fields}\r\n{body}"
    ).encode("ascii")


REQUEST = request_of(BODY)


@attrs.frozen
class Asked:
    """Requests that were prepared.

    :ivar certificate: the name of the one that the client presents.
    :ivar again: whether they can be sent more than once.
    :ivar holds: what is in each answer that is right.
    :ivar fields: what a proxy adds to each request; empty where there is none.
    :ivar port: where they are sent, if not to the server's own.
    :ivar socket: the path of a UNIX socket that they are sent to instead, without TLS.
    """

    path: str
    certificate: str
    bodies: Sequence[str]
    again: bool
    holds: str
    fields: Sequence[str] = ()
    port: int | None = None
    socket: str | None = None

    def requests(self) -> Iterator[bytes]:
        fields = self.fields or [""] * len(self.bodies)
        made = [request_of(body, self.path, own) for body, own in zip(self.bodies, fields, strict=True)]
        return cycle(made) if self.again else iter(made)


def client_context(certificates: Path, name: str = "client") -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.load_verify_locations(str(certificates / "ca.pem"))
    context.set_verify(SSL.VERIFY_PEER)
    context.use_certificate_chain_file(str(certificates / f"{name}.pem"))
    context.use_privatekey_file(str(certificates / f"{name}.key"))
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)  # never offer a ticket
    return context


@attrs.define(eq=False)
class Load:
    """
    :ivar until: `time.monotonic()` after which no operation is begun.
    :ivar latencies: seconds, of every operation that ended well.
    :ivar errors: how many did not, by what went wrong.
    :ivar socket: as :class:`Asked` has it.
    """

    context: SSL.Context
    port: int
    until: float
    latencies: list[float] = attrs.field(factory=list)
    errors: dict[str, int] = attrs.field(factory=dict)
    socket: str | None = None

    def handshakes(self) -> Steps:
        while time.monotonic() < self.until:
            yield from self._timed(self.once())

    def tokens(self) -> Steps:
        return self.requests(repeat(REQUEST))

    def requests(self, asked: Iterator[bytes], holds: bytes = b"") -> Steps:
        """One request after the other on one connection, as long as there are any.

        :param holds: what is in each answer that is right.
        """
        connection = self.connect() if self.socket is None else Plain(Path(self.socket))
        try:
            yield from handshake(connection)
            while time.monotonic() < self.until and (request := next(asked, None)):
                yield from self._timed(token(connection, request, holds))
        finally:
            connection.close()

    def newcomers(self, presented: Iterator[x509.Certificate], key: ec.EllipticCurvePrivateKey) -> Steps:
        """Like :meth:`handshakes`, but each with another certificate, as long as there are any."""
        while time.monotonic() < self.until and (certificate := next(presented, None)):
            yield from self._timed(self.once((certificate, key)))

    def once(self, presented: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None) -> Steps:
        """Connect, fetch one token, close.

        :param presented: the certificate, where it is not client.pem.
        """
        connection = self.connect()
        if presented is not None:
            connection.use_certificate(presented[0])
            connection.use_privatekey(presented[1])
        try:
            yield from handshake(connection)
            yield from token(connection)
            connection.shutdown()
        finally:
            connection.close()

    def _timed(self, operation: Steps) -> Steps:
        began = time.monotonic()
        try:
            yield from operation
        except (OSError, SSL.Error, ValueError) as error:
            if len(self.errors) >= _MOST_ERRORS:
                raise
            what = f"{type(error).__name__} {error}"
            self.errors[what] = self.errors.get(what, 0) + 1
        else:
            self.latencies.append(time.monotonic() - began)

    def connect(self) -> SSL.Connection:
        plain = socket.create_connection(("127.0.0.1", self.port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plain.setblocking(False)
        connection = SSL.Connection(self.context, plain)
        connection.set_tlsext_host_name(b"localhost")
        connection.set_connect_state()
        return connection


def _waiting(connection: Connection, call: Callable[[], T]) -> Generator[int, None, T]:
    while True:
        try:
            return call()
        except SSL.WantReadError:
            yield connection.fileno()


def handshake(connection: Connection) -> Steps:
    yield from _waiting(connection, connection.do_handshake)


def token(connection: Connection, request: bytes = REQUEST, holds: bytes = b"") -> Steps:
    answer = yield from ask(connection, request)
    if not answer.startswith(b"HTTP/1.1 200 ") or holds not in answer:
        raise ValueError(answer.decode("latin-1"))


def ask(connection: Connection, request: bytes) -> Generator[int, None, bytes]:
    """Send a request; the whole answer."""
    connection.sendall(request)
    answer = b""
    while not _is_whole(answer):
        answer += yield from _waiting(connection, lambda: connection.recv(16384))
    return answer


def _is_whole(answer: bytes) -> bool:
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        return False
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return len(body) >= int(length.partition(b":")[2])


def run_all(slots: Iterable[Steps]) -> None:
    """Resume each generator when the file that it waits for can be read, until all have ended."""
    poll = select.epoll()
    waiting: dict[int, Steps] = {}
    runnable = list(slots)
    while runnable or waiting:
        for slot in runnable:
            file = next(slot, None)
            if file is not None:
                _wait_for(poll, file)
                waiting[file] = slot
        runnable = [waiting.pop(file) for file, _ in poll.poll()] if waiting else []
    poll.close()


def _wait_for(poll: select.epoll, file: int) -> None:
    event = select.EPOLLIN | select.EPOLLONESHOT
    try:
        poll.modify(file, event)
    except FileNotFoundError:
        poll.register(file, event)


def hold(context: SSL.Context, port: int, connections: int) -> None:
    """Open connections, fetch one token on each, and hold them until the standard input ends."""
    load = Load(context, port, until=0.0)
    held = []
    for _ in range(connections):
        held.append(load.connect())
        run_all([_once(held[-1])])
    print(len(held), flush=True)
    sys.stdin.read()


def _once(connection: SSL.Connection) -> Steps:
    yield from handshake(connection)
    yield from token(connection)


def fetch_token(context: SSL.Context, port: int) -> None:
    """Fetch one token on a connection of its own.

    :raises OSError: when there is none.
    """
    load = Load(context, port, until=0.0)
    connection = load.connect()
    try:
        run_all([_once(connection)])
    except (SSL.Error, ValueError) as error:
        raise OSError(f"no token: {error!r}") from error
    finally:
        connection.close()


def fetch(context: SSL.Context, port: int, bodies: Iterable[str]) -> list[bytes]:
    """The bodies of the answers to token requests, one after the other on one connection.

    :raises ValueError: for an answer that is not 200.
    """
    connection, found = Load(context, port, until=0.0).connect(), []

    def steps() -> Steps:
        yield from handshake(connection)
        for body in bodies:
            answer = yield from ask(connection, request_of(body))
            if not answer.startswith(b"HTTP/1.1 200 "):
                raise ValueError(answer.decode("latin-1"))
            found.append(answer.partition(b"\r\n\r\n")[2])

    try:
        run_all([steps()])
    finally:
        connection.close()
    return found


def main(arguments: list[str]) -> int:
    mode, port, certificates, connections, seconds, *file = arguments
    asked = Asked(**json.loads(Path(file[0]).read_text())) if file else None
    context = client_context(Path(certificates), "client" if asked is None else asked.certificate)
    if mode == "idle":
        hold(context, int(port), int(connections))
        return 0
    began = time.monotonic()
    load = Load(context, int(port), began + min(float(seconds), _LONGEST_SECONDS))
    if asked is not None:
        load.port, load.socket = asked.port or load.port, asked.socket
        run_all(_asking(load, asked, int(connections)))
    else:
        run_all(_slots(load, mode, int(connections), Path(certificates)))
    result = {"elapsed": time.monotonic() - began, "cpu": time.process_time(), "errors": load.errors}
    json.dump(result | {"latencies": sorted(load.latencies)}, sys.stdout)
    return 0


def _asking(load: Load, asked: Asked, connections: int) -> list[Steps]:
    requests = asked.requests()
    return [load.requests(requests, asked.holds.encode("ascii")) for _ in range(connections)]


def _slots(load: Load, mode: str, connections: int, certificates: Path) -> list[Steps]:
    if mode != "newcomers":
        return [load.handshakes() if mode == "handshake" else load.tokens() for _ in range(connections)]
    presented, key = read_clients(certificates, "newcomers")
    them = iter(presented)
    return [load.newcomers(them, key) for _ in range(connections)]


def read_clients(directory: Path, name: str) -> tuple[Sequence[x509.Certificate], ec.EllipticCurvePrivateKey]:
    """What :func:`bench.certificates.make_clients` has written."""
    key = serialization.load_pem_private_key((directory / f"{name}.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)  # all keys here are
    return x509.load_pem_x509_certificates((directory / f"{name}.pem").read_bytes()), key


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
