"""What nobody may ever reach: a port on every address of this machine, and servers that lead there."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.end_to_end.setup import HOST

_A, _IN = 1, 1
_HEADER_OCTETS = 12


class Trap:
    """Counts who connects.

    :ivar addresses: of ours that somebody has connected to.
    """

    def __init__(self, address: str = "", port: int = 0) -> None:
        """:param address: of this machine; empty for all that it has."""
        self.addresses: list[str] = []
        self._sockets = [socket.create_server((address, port))]
        self.port: int = self._sockets[0].getsockname()[1]
        if not address and socket.has_ipv6:
            with suppress(OSError):  # where the kernel has no IPv6 nobody can be reached by it
                self._sockets.append(socket.create_server(("::", self.port), family=socket.AF_INET6))

    def __enter__(self) -> Self:
        for own in self._sockets:
            threading.Thread(target=self._accept, args=(own,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for own in self._sockets:
            with suppress(OSError):
                own.shutdown(socket.SHUT_RDWR)  # which wakes whoever waits in accept
            own.close()

    def _accept(self, own: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = own.accept()
                self.addresses.append(connection.getsockname()[0])
                connection.close()


@contextmanager
def redirecting(location: str, identity: tuple[Path, Path] | None = None) -> Iterator[int]:
    """A server that answers everything with a redirect, by the status at the end of the path.

    :param identity: its certificate and key, for https.
    :returns: its port.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(int(self.path.strip("/")[:3]))
            self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Not to the standard error."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    if identity is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*identity)
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def name_server(address: str, names: Mapping[str, Sequence[str]]) -> Iterator[dict[str, int]]:
    """A DNS server at port 53 of that address, whose answers change.

    :param names: the IPv4 address in each answer, one after the other; the last one stays.
    :returns: how often each name was asked for.
    """
    asked = dict.fromkeys(names, 0)

    def answer(query: bytes) -> bytes:
        name, kind, end = _question(query)
        found = b""
        if kind == _A and name in names:
            number = min(asked[name], len(names[name]) - 1)
            asked[name] += 1
            data = IPv4Address(names[name][number]).packed
            found = struct.pack("!HHHIH", 0xC00C, _A, _IN, 0, len(data)) + data
        code = 0 if name in names else 3
        head = query[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, 1 if found else 0, 0, 0)
        return head + query[_HEADER_OCTETS:end] + found

    with ExitStack() as until_end:
        server = until_end.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        server.bind((address, 53))

        def serve() -> None:
            while True:
                query, client = server.recvfrom(4096)
                if not query:
                    return
                server.sendto(answer(query), client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        until_end.callback(thread.join)
        until_end.callback(lambda: server.sendto(b"", server.getsockname()))
        yield asked


def _question(query: bytes) -> tuple[str, int, int]:
    """The name in lower case, its type, and where the question ends (RFC 1035 section 4.1.2)."""
    at, labels = _HEADER_OCTETS, []
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode().lower())
        at += 1 + length
    return ".".join(labels), int.from_bytes(query[at + 1 : at + 3], "big"), at + 5
