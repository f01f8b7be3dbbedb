"""An OCSP responder over HTTP that behaves as it is told, honest or hostile, for whoever can reach loopback.

    with HostileResponder(Responder(pki)) as hostile:
        hostile.behave("drip_body")                       # from now on
        hostile.behave("revoked", serial_number)          # for that certificate
        ... hostile.url ...

:data:`BEHAVIOURS` has them all: every kind of :mod:`tests.ocsp_responses`, and what a server can do besides.
It runs in threads of its own, so that tests with and without a reactor can use it.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from tests.end_to_end.ocsp_behaviours import BEHAVIOURS, Behaviour, Exchange
from tests.ocsp_responses import Asked, Responder, request_in_url

__all__ = ["BEHAVIOURS", "HostileResponder"]


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1000

    def __init__(self, port: int, handle: Callable[[socket.socket], None]) -> None:
        self._handle = handle
        super().__init__(("127.0.0.1", port), socketserver.BaseRequestHandler)

    def finish_request(self, request: Any, client_address: object) -> None:
        self._handle(request)


class HostileResponder:
    """A responder on loopback.

    :ivar requests: the OCSP requests that it got, DER.
    :ivar most_open: how many connections were open at once, at most.
    """

    def __init__(self, responder: Responder, port: int = 0) -> None:
        self.responder = responder
        self.requests: list[bytes] = []
        self.methods: list[str] = []
        self.most_open = 0
        self._behaviour = BEHAVIOURS["issuer_by_name"]
        self._for_serial: dict[int, Behaviour] = {}
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._server = _Server(port, self._handle)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/ocsp"

    @property
    def open(self) -> int:
        """How many connections are open now."""
        with self._lock:
            return len(self._open)

    def behave(self, name: str, serial_number: int | None = None) -> None:
        """Behave so from now on; to requests for that certificate, or to all others."""
        if serial_number is None:
            self._behaviour = BEHAVIOURS[name]
        else:
            self._for_serial[serial_number] = BEHAVIOURS[name]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop, whoever is still connected."""
        self._server.shutdown()
        self._server.server_close()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _handle(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)
            self.most_open = max(self.most_open, len(self._open))
        try:
            method, request = _read(connection)
            with self._lock:
                self.methods.append(method)
                self.requests.append(request)
            behaviour = self._for_serial.get(Asked.of(request).serial, self._behaviour)
            behaviour.act(Exchange(self.responder, request, connection))
        except OSError:
            pass  # the other side has gone
        finally:
            with self._lock:
                self._open.discard(connection)


def _read(connection: socket.socket) -> tuple[str, bytes]:
    """The method, and the OCSP request of one HTTP request."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    method, target, _ = line.split(" ")
    lengths = [
        int(field.partition(":")[2]) for field in fields if field.lower().startswith("content-length:")
    ]
    while len(body) < sum(lengths):
        body += _some(connection)
    return method, body if method == "POST" else request_in_url(target)


def _some(connection: socket.socket) -> bytes:
    found = connection.recv(65_536)
    if not found:
        raise ConnectionError("gone before its request was whole")
    return found
