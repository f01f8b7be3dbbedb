"""A client's https server, which publishes a JWK Set with an ETag."""

from __future__ import annotations

import hashlib
import json
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from mtlsd.jose.jwk import jwk_of_certificate
from tests.end_to_end.setup import HOST
from tests.pki import Presented


class JwksServer:
    """Runs in a thread.

    :ivar keys: what is published now.
    :ivar answers: the status of each answer so far.
    :ivar connections: how many came, whatever they asked.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self.keys: Sequence[Any] = ()
        self.answers: list[int] = []
        self.connections = 0
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
        self._server = ThreadingHTTPServer((HOST, 0), self._handler())
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def port(self) -> int:
        port: int = self._server.server_address[1]
        return port

    @property
    def uri(self) -> str:
        return f"https://{HOST}:{self.port}/jwks.json"

    def publish(self, *certificates: Presented, more: Sequence[Any] = ()) -> None:
        """Publish these from now on, and whatever `more` is."""
        self.keys = [*more, *(jwk_of_certificate(own.leaf) for own in certificates)]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def setup(self) -> None:
                outer.connections += 1
                super().setup()

            def do_GET(self) -> None:
                body = json.dumps({"keys": list(outer.keys)}).encode("ascii")
                etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
                same = self.headers["If-None-Match"] == etag
                outer.answers.append(304 if same else 200)
                self.send_response(304 if same else 200)
                self.send_header("ETag", etag)
                self.send_header("Cache-Control", "max-age=60")
                self.send_header("Content-Type", "application/jwk-set+json")
                self.send_header("Content-Length", "0" if same else str(len(body)))
                self.end_headers()
                self.wfile.write(b"" if same else body)

            def log_message(self, format: str, *args: Any) -> None:
                """Not to the standard error."""

        return Handler


@contextmanager
def publishing(certificate: Path, key: Path) -> Iterator[JwksServer]:
    server = JwksServer(certificate, key)
    try:
        yield server
    finally:
        server.close()
