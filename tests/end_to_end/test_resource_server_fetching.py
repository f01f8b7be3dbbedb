"""The HTTPS client of resource servers, and an authorization server that does its worst.

It serves on a real socket, with a certificate of a CA of its own.
"""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mtlsd.fetch.refused import FetchRefused
from mtlsd.resource_server.deadline import connect
from mtlsd.resource_server.https import HttpsClient, https_url
from mtlsd.resource_server.issuer_keys import IssuerKeys, KeyTiming
from mtlsd.resource_server.metadata import key_set_of
from mtlsd.resource_server.tls import TlsFiles
from tests.end_to_end.daemon import eventually
from tests.end_to_end.setup import HOST, Setup

DEADLINE = 0.5
Behaviour = Callable[[ssl.SSLSocket, bytes], None]


def answer(body: bytes = b'{"a": 1}', status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def says(data: bytes) -> Behaviour:
    return lambda connection, request: connection.sendall(data)


class Server:
    """Does with each request what a test says.

    :ivar requests: what came, a request each.
    """

    def __init__(self, setup: Setup) -> None:
        self.behaviour: Behaviour = says(answer())
        self.requests: list[bytes] = []
        self.connections = 0
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(setup.ca_file))
        self._context.verify_mode = ssl.CERT_OPTIONAL
        self._context.load_cert_chain(setup.directory / "server.pem", setup.directory / "server.key")
        self.listening = socket.create_server((HOST, 0))
        self.presented: list[bytes | None] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.listening.getsockname()[1]}"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                accepted, _ = self.listening.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(accepted,), daemon=True).start()

    def _serve(self, accepted: socket.socket) -> None:
        with suppress(OSError), self._context.wrap_socket(accepted, server_side=True) as connection:
            self.presented.append(connection.getpeercert(True))
            while request := _request(connection):
                self.requests.append(request)
                self.behaviour(connection, request)


def _request(connection: ssl.SSLSocket) -> bytes:
    request = b""
    while not re.search(rb"\r\n\r\n(token=x)?$", request) or (b"POST" in request and b"=x" not in request):
        data = connection.recv(65536)
        if not data:
            return b""
        request += data
    return request


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    return Setup(tmp_path_factory.mktemp("fetching"))


@pytest.fixture
def server(setup: Setup) -> Iterator[Server]:
    made = Server(setup)
    yield made
    made.listening.close()


def client(setup: Setup) -> HttpsClient:
    return HttpsClient(TlsFiles(setup.ca_file), DEADLINE, 1000)


def code(setup: Setup, server: Server, path: str = "/x") -> str:
    began = time.monotonic()
    with pytest.raises(FetchRefused) as refused:
        client(setup).get(https_url(server.url + path))
    assert time.monotonic() - began < 10 * DEADLINE
    return refused.value.code


def drips(begin: bytes, drop: bytes) -> Behaviour:
    """A little at a time, and never done: each read by itself is in time."""

    def behave(connection: ssl.SSLSocket, request: bytes) -> None:
        connection.sendall(begin)
        while True:
            connection.sendall(drop)
            time.sleep(0.02)

    return behave


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n"
LATE = {
    "nothing": lambda connection, request: time.sleep(20 * DEADLINE),
    "status line": drips(b"HTTP/1.1 200 ", b"O"),
    "one header": drips(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "headers": drips(b"HTTP/1.1 200 OK\r\n", b"X: x\r\n"),
    "interim answers": drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": drips(answer(b"x" * 900)[:-900], b" "),
    "chunks": drips(CHUNKED, b"1\r\n \r\n"),
}


@pytest.mark.parametrize("how", LATE)
def test_a_server_that_drips(setup: Setup, server: Server, how: str) -> None:
    """One deadline is over all of it."""
    server.behaviour = LATE[how]
    assert code(setup, server) == "deadline"


def test_a_server_that_never_shakes_hands(setup: Setup) -> None:
    with socket.create_server((HOST, 0)) as mute, pytest.raises(FetchRefused) as refused:
        client(setup).get(https_url(f"https://{HOST}:{mute.getsockname()[1]}/"))
    assert refused.value.code == "deadline"


BAD = {
    "redirect": (answer(b"{}", "302 Found", "Location: https://thief.example/"), "redirect"),
    "error": (answer(b"{}", "500 Oops"), "status"),
    "no content": (answer(b"", "204 No Content"), "status"),
    "packed": (answer(b"{}", "200 OK", "Content-Encoding: gzip"), "encoding"),
    "html": (answer().replace(b"application/json", b"text/html"), "http"),
    "too long": (answer(b'{"a": "%s"}' % (b"x" * 1000)), "too_large"),
    "no json": (answer(b"x"), "http"),
    "a list": (answer(b"[]"), "http"),
    "a name twice": (answer(b'{"issuer": "a", "issuer": "b"}'), "http"),
    "no number": (answer(b'{"a": NaN}'), "http"),
    "deep": (answer(b'{"a":' + b"[" * 900), "http"),
    "no utf-8": (answer(b'{"a": "\xff"}'), "http"),
    "no http": (b"SSH-2.0-x\r\n\r\n", "http"),
    "many headers": (b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 200 + b"\r\n", "http"),
    "a long header": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "http"),
}


@pytest.mark.parametrize("how", BAD)
def test_a_bad_answer(setup: Setup, server: Server, how: str) -> None:
    data, expected = BAD[how]
    server.behaviour = says(data)
    assert code(setup, server) == expected
    assert len(server.requests) == 1


def test_a_truncated_answer(setup: Setup, server: Server) -> None:
    def behave(connection: ssl.SSLSocket, request: bytes) -> None:
        connection.sendall(answer(b'{"a": 1}   ')[:-3])
        connection.shutdown(socket.SHUT_RDWR)

    server.behaviour = behave
    assert code(setup, server) in ("http", "connection", "tls")


def test_another_server(setup: Setup, server: Server) -> None:
    """A certificate for another name, or of a CA that is not trusted."""
    by_name = server.url.replace(HOST, "127.0.0.2")
    for own, url in ((client(setup), by_name), (HttpsClient(TlsFiles(), DEADLINE), server.url)):
        with pytest.raises(FetchRefused) as refused:
            own.get(https_url(url))
        assert refused.value.code in ("tls", "connection")
    assert server.requests == []


@pytest.mark.parametrize(
    "url", ["http://as.example/", "https://user@as.example/", "file:///etc/passwd", "https://"]
)
def test_urls(url: str) -> None:
    with pytest.raises(FetchRefused):
        https_url(url)


def test_no_proxy_of_the_environment(setup: Setup, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert client(setup).get(https_url(server.url)).members == {"a": 1}


# -- connections that are kept ------------------------------------------------------------------------------


def test_a_connection_is_kept(setup: Setup, server: Server) -> None:
    own = client(setup)
    for _ in range(5):
        own.get(https_url(server.url))
        own.post(https_url(server.url), b"token=x")
    assert (server.connections, len(server.requests)) == (1, 10)


def test_a_kept_connection_that_is_closed(setup: Setup, server: Server) -> None:
    """The question is asked again, over a new one."""

    def behave(connection: ssl.SSLSocket, request: bytes) -> None:
        connection.sendall(answer())
        connection.shutdown(socket.SHUT_RDWR)

    server.behaviour = behave
    own = client(setup)
    for _ in range(3):
        assert own.post(https_url(server.url), b"token=x").members == {"a": 1}
    assert server.connections == 3


def test_what_comes_unasked_answers_nothing(setup: Setup, server: Server) -> None:
    """A second answer behind the first is not that to the next question."""

    def behave(connection: ssl.SSLSocket, request: bytes) -> None:
        connection.sendall(answer(b'{"active": false}'))
        connection.sendall(answer(b'{"active": true}'))

    server.behaviour = behave
    own = client(setup)
    for _ in range(3):
        assert own.post(https_url(server.url), b"token=x").members == {"active": False}
        eventually(lambda: not own._idle[0].is_usable(time.monotonic()))
    assert server.connections == 3
    server.behaviour = says(answer(b'{"active": false}') + answer(b'{"active": true}'))
    for _ in range(3):
        assert own.post(https_url(server.url), b"token=x").members == {"active": False}


def test_a_connection_is_not_shared_with_a_forked_process(setup: Setup, server: Server) -> None:
    own = client(setup)
    own.get(https_url(server.url))
    child = os.fork()
    if child == 0:
        good = False
        with suppress(BaseException):
            good = own.get(https_url(server.url)).members == {"a": 1}
        os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert server.connections == 2
    own.get(https_url(server.url))
    assert server.connections == 2


def test_a_new_certificate_of_one_s_own(setup: Setup, server: Server, tmp_path: Path) -> None:
    """A file that is replaced counts for the next connection."""
    seen: list[bytes | None] = []
    for name in ("first", "second"):
        made = setup.leaf(name, issuer=setup.pki.root)
        for file in (made.certificate, made.key):
            fresh = tmp_path / f"{file.suffix}.new"
            fresh.write_bytes(file.read_bytes())
            fresh.rename(tmp_path / f"own{file.suffix}")
        if not seen:
            files = TlsFiles(setup.ca_file, tmp_path / f"own{made.certificate.suffix}", tmp_path / "own.key")
            own = HttpsClient(files, DEADLINE)
        server.behaviour = says(answer(b"{}", "200 OK", "Connection: close"))
        own.get(https_url(server.url))
        seen.append(ssl.PEM_cert_to_DER_cert(made.certificate.read_text()))
    assert server.presented == seen


# -- keys ---------------------------------------------------------------------------------------------------


def test_one_fetch_for_all(setup: Setup, server: Server) -> None:
    """Fifty threads wait for one fetch; all are told."""
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": "a"}

    def behave(connection: ssl.SSLSocket, request: bytes) -> None:
        is_metadata = b" /.well-known/oauth-authorization-server " in request
        told = {"issuer": server.url, "jwks_uri": f"{server.url}/jwks"} if is_metadata else {"keys": [jwk]}
        connection.sendall(answer(json.dumps(told).encode()))

    server.behaviour = behave
    keys = IssuerKeys(key_set_of(client(setup), server.url), KeyTiming())
    found: list[int] = []

    def work() -> None:
        own = keys.known("a")
        found.append(len(keys.awaited("a") if own is None else own))

    threads = [threading.Thread(target=work) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 50
    assert (server.connections, len(server.requests)) == (1, 2)


def test_a_name_without_address(setup: Setup) -> None:
    context = TlsFiles(setup.ca_file).context(ssl.SSLSocket)
    with pytest.raises(OSError, match=" "):
        connect("nowhere.invalid", 443, context, time.monotonic() + DEADLINE)


def test_no_reactor_is_imported() -> None:
    """A server of WSGI or ASGI needs no Twisted."""
    modules = "guard, wsgi, asgi, uvicorn, connection, proxied, introspection, verifier"
    program = (
        f"from mtlsd.resource_server import {modules}; import sys;"
        "assert not [name for name in sys.modules if name.startswith('twisted')]"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
