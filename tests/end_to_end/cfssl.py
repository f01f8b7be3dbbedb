"""CloudFlare's responder: it serves responses that were signed beforehand, and knows no nonce."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ocsp_responses import Responder
from tests.pki import Presented


class Cfssl:
    """Signs responses with a delegate of the issuer, and serves them."""

    def __init__(self, directory: Path, responder: Responder) -> None:
        self._directory = directory
        self._responses: list[str] = []
        delegate = responder.delegate()
        (directory / "ca.pem").write_text(ssl.DER_cert_to_PEM_cert(responder.issuer.der))
        (directory / "delegate.pem").write_text(ssl.DER_cert_to_PEM_cert(delegate.der))
        (directory / "delegate.key").write_bytes(Presented(delegate.der, delegate.key).key_pem)

    def sign(self, certificate: bytes, status: str) -> None:
        """A response about that certificate (DER), for :meth:`serving`."""
        (self._directory / "client.pem").write_text(ssl.DER_cert_to_PEM_cert(certificate))
        command = ["cfssl", "ocspsign", "-ca", "ca.pem", "-responder", "delegate.pem", "-loglevel", "5"]
        command += ["-responder-key", "delegate.key", "-cert", "client.pem", "-status", status]
        command += ["-reason", "1"] if status == "revoked" else []
        made = subprocess.run(command, cwd=self._directory, check=True, capture_output=True, timeout=20)
        self._responses.append(json.loads(made.stdout)["ocspResponse"])

    @contextmanager
    def serving(self) -> Iterator[int]:
        """The responder over HTTP; yields its port."""
        (self._directory / "responses").write_text("\n".join(self._responses))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        command = ["cfssl", "ocspserve", "-port", str(port), "-responses", "responses", "-loglevel", "5"]
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, cwd=self._directory, stdout=quiet, stderr=quiet) as running:
            try:
                _wait_for(port)
                yield port
            finally:
                running.kill()


def _wait_for(port: int) -> None:
    until = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < until, "cfssl ocspserve does not listen"
            time.sleep(0.02)
        else:
            return
