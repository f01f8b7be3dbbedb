"""Other people's sites, for a real browser: a client that takes codes, and somebody who means no good."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import attrs

from tests.end_to_end.setup import HOST, Setup

Answer = tuple[int, dict[str, str], str]
HTML = {"Content-Type": "text/html"}


@attrs.define
class Sites:
    """All hosts of one server.

    :ivar port: where it listens, with TLS.
    :ivar pages: what is answered, by host and path.
    :ivar seen: the requests that came: method, host, path with query, and the Referer.
    """

    port: int
    pages: dict[tuple[str, str], Answer] = attrs.field(factory=dict)
    seen: list[tuple[str, str, str, str | None]] = attrs.field(factory=list)

    def rules(self) -> str:
        """What has Chromium find all of example here, whatever the port."""
        return f"MAP *.example {HOST}:{self.port}"

    def targets(self, host: str, path: str) -> list[str]:
        return [target for _, own, target, _ in self.seen if own == host and target.startswith(path)]


@contextmanager
def serving(setup: Setup) -> Iterator[Sites]:
    """Serve until the end of the block; the certificate is that of the daemon, and fits no name."""
    server = ThreadingHTTPServer((HOST, 0), _Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(setup.directory / "server.pem", setup.directory / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    sites = Sites(server.server_address[1])
    vars(server)["sites"] = sites
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield sites
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        sites: Sites = vars(self.server)["sites"]
        host, path = self.headers.get("Host", ""), self.path.partition("?")[0]
        sites.seen.append((self.command, host, self.path, self.headers.get("Referer")))
        status, headers, body = sites.pages.get((host, path), (404, {}, "nothing"))
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body.encode()))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_GET

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nobody reads it."""
