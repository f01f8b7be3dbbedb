"""`mtlsd check --online` asks what the configuration names, once, and says what came of it."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import ocsp

from mtlsd.cli import main
from mtlsd.cli.dev import init
from mtlsd.ops.audit import utc_now


class _Handler(BaseHTTPRequestHandler):
    """Serves the files of a directory, and answers OCSP requests below /ocsp."""

    server: _Server

    def do_GET(self) -> None:
        if self.path.startswith("/ocsp/"):
            self._answer(base64.b64decode(unquote(self.path.removeprefix("/ocsp/"))))
            return
        file = self.server.directory / self.path.removeprefix("/")
        if file.is_file():
            self._send(file.read_bytes(), "application/pkix-crl")
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, request: bytes) -> None:
        self._send(self.server.response(ocsp.load_der_ocsp_request(request)), "application/ocsp-response")

    def _send(self, content: bytes, kind: str) -> None:
        self.server.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Quietly."""


class _Server(ThreadingHTTPServer):
    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.directory = directory
        self.asked: list[str] = []
        self.signs_as = "ca"
        self.refuses = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def response(self, request: ocsp.OCSPRequest) -> bytes:
        """`unknown` for every certificate; or `unauthorized`, as responders with signed files have it."""
        if self.refuses:
            status = ocsp.OCSPResponseStatus.UNAUTHORIZED
            return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
        now = datetime.now(UTC)
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            issuer_name_hash=request.issuer_name_hash,
            issuer_key_hash=request.issuer_key_hash,
            serial_number=request.serial_number,
            algorithm=request.hash_algorithm,
            cert_status=ocsp.OCSPCertStatus.UNKNOWN,
            this_update=now - timedelta(minutes=1),
            next_update=now + timedelta(hours=1),
            revocation_time=None,
            revocation_reason=None,
        )
        for extension in request.extensions:
            builder = builder.add_extension(extension.value, critical=False)
        signer = x509.load_pem_x509_certificate((self.directory / f"{self.signs_as}.pem").read_bytes())
        key: Any = load_pem_private_key((self.directory / f"{self.signs_as}.key").read_bytes(), None)
        return (
            builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer)
            .sign(key, SHA256())
            .public_bytes(Encoding.DER)
        )


@contextmanager
def serving(directory: Path) -> Iterator[_Server]:
    with _Server(directory) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[_Server]:
    init(tmp_path / "dev", utc_now())
    with serving(tmp_path / "dev") as server:
        yield server


def check(server: _Server, revocation: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The warnings of `mtlsd check --online`; there is nothing worse."""
    config = server.directory / "mtlsd.toml"
    config.write_text(config.read_text().replace('crl = ["ca.crl"]', revocation))
    assert main(["check", "--online", "--json", "-c", str(config)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["ok"]
    return [f"{note['place']}: {note['message']}" for note in printed["mistakes"]]


def test_all_is_well(server: _Server, capsys: pytest.CaptureFixture[str]) -> None:
    found = check(server, f'crl = ["{server.url}/ca.crl"], ocsp = "{server.url}/ocsp"', capsys)
    assert found == []
    assert len(server.asked) == 2
    assert not (server.directory / "cache").exists()


def test_plain_check_fetches_nothing(server: _Server, capsys: pytest.CaptureFixture[str]) -> None:
    check(server, f'crl = ["{server.url}/ca.crl"]', capsys)
    server.asked.clear()
    assert main(["check", "-c", str(server.directory / "mtlsd.toml")]) == 0
    assert server.asked == []


def test_what_failed(server: _Server, capsys: pytest.CaptureFixture[str]) -> None:
    """Each source is told, in the order of the configuration."""
    server.signs_as = "billing"
    urls = [f"{server.url}/{name}" for name in ("gone.crl", "ca.pem")]
    found = check(server, f'crl = {json.dumps(urls)}, ocsp = "{server.url}/ocsp"', capsys)
    place = "mtlsd.toml: trust_anchors.dev.revocation"
    assert [note.partition(f'"{server.url}/')[0] for note in found] == [f"{place}.crl: "] * 2 + [
        f"{place}.ocsp: "
    ]
    assert 'gone.crl" was not fetched: status: 127.0.0.1 answers 404' in found[0]
    assert 'ca.pem" is no revocation list: neither DER nor PEM' in found[1]
    assert (
        'ocsp" gives no answer about a certificate of CN=mtlsd development CA that counts: ocsp.' in found[2]
    )


def test_a_responder_that_knows_only_what_it_has_signed(
    server: _Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """It cannot know the invented number that it is asked about (RFC 5019 section 2.2.3)."""
    server.refuses = True
    assert check(server, f'ocsp = "{server.url}/ocsp"', capsys) == []
