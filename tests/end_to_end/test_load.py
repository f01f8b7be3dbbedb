"""Connections that only cost something: they delay nobody, and what they cost is bounded."""

from __future__ import annotations

import resource
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs
import pytest
from cryptography import x509

from tests.end_to_end.clients import Session, context, http_text, python, tcp
from tests.end_to_end.clients import request_token as form
from tests.end_to_end.daemon import Daemon, eventually, running
from tests.end_to_end.setup import HOST, Setup
from tests.pki import DNS, Written

OF_EACH_KIND = 500
SOURCES = [f"127.0.0.{number}" for number in range(2, 10)]
HANDSHAKE_SECONDS = 15
TOKENS = 40
BYTES_PER_CONNECTION = 100 * 1024
LIMITS = {"handshake_seconds": HANDSHAKE_SECONDS, "connections_per_address": 300}


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    """Listeners: mtls, brief (short deadlines), narrow (few connections)."""
    setup = Setup(tmp_path_factory.mktemp("daemon"))
    setup.add_client("billing", tls_client_auth_san_dns=DNS)
    setup.listener("mtls")["limits"] = LIMITS
    brief = {"handshake_seconds": 1, "request_seconds": 1, "keepalive_seconds": 1}
    setup.add_listener("brief", "required", limits={**brief, "header_bytes": 4096, "body_bytes": 1024})
    setup.add_listener("narrow", "required", limits={"connections": 4, "connections_per_address": 2})
    return setup


@pytest.fixture(scope="module")
def billing(setup: Setup) -> Written:
    return setup.leaf("billing", x509.DNSName(DNS))


@pytest.fixture(scope="module")
def daemon(setup: Setup) -> Iterator[Daemon]:
    with many_files(), running(setup) as daemon:
        yield daemon


@contextmanager
def many_files() -> Iterator[None]:
    """Allow this process and the daemon as many open files as the test has connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def client_hello() -> bytes:
    outgoing = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


@attrs.define
class Crowd:
    """Connections that never get far: some silent, some half through the handshake, some that drip."""

    url: str
    sockets: list[socket.socket] = attrs.field(factory=list)
    dripping: list[socket.socket] = attrs.field(factory=list)
    dripped: int = 0
    gone: threading.Event = attrs.field(factory=threading.Event)

    def come(self) -> None:
        hello = client_hello()
        for number in range(3 * OF_EACH_KIND):
            one = tcp(self.url, SOURCES[number % len(SOURCES)])
            self.sockets.append(one)
            if number % 3 == 1:
                one.sendall(hello)
            elif number % 3 == 2:
                self.dripping.append(one)

    def drip(self) -> None:
        """Send a byte of the ClientHello on each dripping connection, again and again."""
        for byte in client_hello()[:200]:
            for one in self.dripping:
                with suppress(OSError):
                    one.send(bytes([byte]))
            self.dripped += 1
            if self.gone.wait(0.2):
                return

    def still_open(self) -> int:
        """How many connections the daemon has not closed."""
        return sum(map(_is_open, self.sockets))

    def leave(self) -> None:
        self.gone.set()
        for one in self.sockets:
            one.close()


def _is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@contextmanager
def crowd(url: str) -> Iterator[Crowd]:
    there = Crowd(url)
    dripping = threading.Thread(target=there.drip, daemon=True)
    try:
        there.come()
        dripping.start()
        eventually(lambda: there.dripped > 2)
        yield there
    finally:
        there.leave()
        dripping.join(10)


def test_a_crowd_delays_nobody_and_costs_little(daemon: Daemon, setup: Setup, billing: Written) -> None:
    """While it is there a good client gets all of its tokens, each by a handshake of its own, and on one
    connection that is kept.
    """

    def tokens() -> None:
        with Session(setup.url(), setup.ca_file, billing) as session:
            for _ in range(TOKENS):
                assert python(setup.url(), setup.ca_file, billing, form("billing")).status == 200
                assert session.post(form("billing")).status == 200

    tokens()
    alone, used = daemon.resident_bytes(), []
    for _ in range(2):
        begin = time.monotonic()
        with crowd(setup.url()) as there:
            eventually(lambda: connections(daemon) > 3 * OF_EACH_KIND)
            tokens()
            used.append(daemon.resident_bytes())
            if time.monotonic() - begin < HANDSHAKE_SECONDS - 1:
                assert there.still_open() == 3 * OF_EACH_KIND
        eventually(lambda: connections(daemon) < 10)
        tokens()
    assert used[0] - alone < 3 * OF_EACH_KIND * BYTES_PER_CONNECTION
    assert used[1] - used[0] < OF_EACH_KIND * BYTES_PER_CONNECTION / 2, "it grows from one crowd to the next"


def connections(daemon: Daemon) -> int:
    """How many sockets the daemon has open, the listening ones among them."""
    count = 0
    for entry in Path(f"/proc/{daemon.process.pid}/fd").iterdir():
        try:
            count += entry.readlink().name.startswith("socket:")
        except FileNotFoundError:
            continue  # closed just now
    return count


# -- deadlines -----------------------------------------------------------------------------------------------


def _closed_within(connection: socket.socket, seconds: float) -> bytes:
    """Everything that comes until the daemon closes."""
    connection.settimeout(seconds)
    received = b""
    try:
        while part := connection.recv(65536):
            received += part
    except ConnectionResetError:
        pass
    return received


@pytest.mark.parametrize("kind", ["silent", "half", "dripping"])
def test_a_handshake_has_a_deadline(daemon: Daemon, setup: Setup, kind: str) -> None:
    """However it drips. It is 1 second here, and the listener's promise."""
    mark = daemon.mark()
    with tcp(setup.url("brief")) as one:
        if kind == "half":
            one.sendall(client_hello())
        elif kind == "dripping":
            done = threading.Event()
            threading.Thread(target=_drip, args=(one, client_hello(), done), daemon=True).start()
        begin = time.monotonic()
        _closed_within(one, 10)
        assert time.monotonic() - begin < 5
    daemon.event("handshake.refused", mark, reason="tls.timeout", listener="brief")


def _drip(connection: socket.socket, text: bytes, done: threading.Event) -> None:
    for byte in text:
        if done.wait(0.05):
            return
        try:
            connection.send(bytes([byte]))
        except OSError:
            return


@contextmanager
def secured(setup: Setup, billing: Written, listener: str) -> Iterator[ssl.SSLSocket]:
    url = setup.url(listener)
    with context(setup.ca_file, billing).wrap_socket(tcp(url), server_hostname=HOST) as connection:
        yield connection


@pytest.mark.parametrize("sent", [10, -3])
def test_a_request_has_a_deadline(daemon: Daemon, setup: Setup, billing: Written, sent: int) -> None:
    """A head or a body that does not end is answered with 408."""
    with secured(setup, billing, "brief") as one:
        one.sendall(http_text(setup.url("brief"), form("billing")).encode()[:sent])
        assert _closed_within(one, 10).startswith(b"HTTP/1.1 408 ")


def test_a_dripping_body_has_a_deadline(daemon: Daemon, setup: Setup, billing: Written) -> None:
    """However it drips."""
    text = http_text(setup.url("brief"), form("billing", scope="x" * 100)).encode()
    with secured(setup, billing, "brief") as one:
        received = b""
        one.sendall(text[:-100])
        one.settimeout(0.1)
        for byte in text[-100:-1]:
            try:
                one.send(bytes([byte]))
                received = one.recv(65536)
            except TimeoutError:
                continue
            break
        assert received.startswith(b"HTTP/1.1 408 ")


def test_an_idle_connection_is_closed(daemon: Daemon, setup: Setup, billing: Written) -> None:
    with secured(setup, billing, "brief") as one:
        one.sendall(http_text(setup.url("brief"), form("billing")).replace("close", "keep-alive").encode())
        begin = time.monotonic()
        assert _closed_within(one, 10).startswith(b"HTTP/1.1 200 ")
        assert time.monotonic() - begin > 0.5


# -- sizes and numbers ---------------------------------------------------------------------------------------


def test_a_large_body(daemon: Daemon, setup: Setup, billing: Written) -> None:
    for size, status in ((1024, 200), (1025, 413)):
        body = "grant_type=client_credentials&client_id=billing&x="
        body += "x" * (size - len(body))
        assert python(setup.url("brief"), setup.ca_file, billing, body).status == status


def test_a_large_body_in_chunks(daemon: Daemon, setup: Setup, billing: Written) -> None:
    head = (
        "POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        "Transfer-Encoding: chunked\r\n\r\n"
    )
    with secured(setup, billing, "brief") as one:
        one.sendall(head.encode() + b"200\r\n" + b"x" * 512 + b"\r\n" + b"300\r\n" + b"x" * 768)
        assert _closed_within(one, 10).startswith(b"HTTP/1.1 413 ")


def test_a_large_header(daemon: Daemon, setup: Setup, billing: Written) -> None:
    with Session(setup.url("brief"), setup.ca_file, billing) as session:
        answer = session.post(form("billing"), {"X": "x" * 5000})
        assert (answer.status, answer.json["error"]) == (431, "invalid_request")
    with Session(setup.url("brief", "/token?" + "x" * 9000), setup.ca_file, billing) as session:
        assert session.post(form("billing")).status in (414, 431)


def test_the_number_of_connections_is_limited(daemon: Daemon, setup: Setup, billing: Written) -> None:
    """Two from one address and four in total: others are closed at once, and come in when there is room."""
    url = setup.url("narrow")

    def is_let_in(source: str) -> bool:
        with tcp(url, source) as one:
            one.settimeout(0.3)
            try:
                return bool(one.recv(1))
            except TimeoutError:
                return True
            except ConnectionResetError:
                return False

    held = [tcp(url, source) for source in ("127.0.0.2", "127.0.0.2")]
    eventually(lambda: not is_let_in("127.0.0.2"))
    held += [tcp(url, source) for source in ("127.0.0.3", "127.0.0.4")]
    eventually(lambda: not is_let_in("127.0.0.5"))
    assert all(map(_is_open, held))
    for one in held:
        one.close()
    eventually(lambda: is_let_in("127.0.0.2"))
    assert python(url, setup.ca_file, billing, form("billing")).status == 200
