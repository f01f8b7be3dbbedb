"""OCSP responders: one that answers that a certificate is good, and some that hang."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from bench.certificates import Ca

_LIFE = timedelta(days=1)
_BACKLOG = 512


@contextmanager
def hanging(count: int) -> Iterator[tuple[str, ...]]:
    """The URLs of so many responders to which one can connect, but who never answer."""
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG))
            for _ in range(count)
        ]
        yield tuple(f"http://127.0.0.1:{one.getsockname()[1]}/" for one in sockets)


class Answering:
    """A responder that answers for one CA: everything is good."""

    def __init__(self) -> None:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/"

    @contextmanager
    def running(self, ca: Ca) -> Iterator[None]:
        """Answer for this CA meanwhile."""
        self._server.ca = ca  # type: ignore[attr-defined]  # where the handler finds it
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    """Understands POST, as a request with a nonce is sent."""

    def do_POST(self) -> None:
        request = self.rfile.read(int(self.headers["Content-Length"]))
        body = _answer(self.server.ca, request)  # type: ignore[attr-defined]  # set by Answering
        self.send_response(200)
        self.send_header("Content-Type", "application/ocsp-response")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def _answer(ca: Ca, request: bytes) -> bytes:
    asked, now = ocsp.load_der_ocsp_request(request), datetime.now(UTC)
    builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
        issuer_name_hash=asked.issuer_name_hash,
        issuer_key_hash=asked.issuer_key_hash,
        serial_number=asked.serial_number,
        algorithm=asked.hash_algorithm,
        cert_status=ocsp.OCSPCertStatus.GOOD,
        this_update=now - timedelta(minutes=1),
        next_update=now + _LIFE,
        revocation_time=None,
        revocation_reason=None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, ca.certificate)
    for extension in asked.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return builder.sign(ca.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
