"""A CA's index as ``openssl ca`` keeps it, and the responder of OpenSSL."""

from __future__ import annotations

import re
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mtlsd.pki.certificate import Certificate
from mtlsd.pki.ocsp import OcspPolicy, verify_response
from mtlsd.pki.ocsp_request import OcspRequest
from mtlsd.pki.ocsp_signer import SigningRules
from mtlsd.pki.revocation import Answer
from tests.ocsp_responses import Responder
from tests.pki import Pki, Presented


class OpenSsl:
    """A CA's index as ``openssl ca`` keeps it, and its responder run once for each request."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.responder = Responder(Pki(datetime.now(UTC)))
        issuer = self.responder.issuer
        Presented(issuer.der, issuer.key).write(directory)
        (directory / "client.pem").rename(directory / "issuer.pem")
        (directory / "client.key").rename(directory / "issuer.key")
        self.certificate = Certificate.from_der(self.responder.certificate)
        self.issuer = Certificate.from_der(issuer.der)

    def index(self, status: str) -> None:
        line = ""
        if status:
            revoked = "250101000000Z,keyCompromise" if status == "R" else ""
            serial = f"{self.certificate.serial_number:X}"
            serial = serial.zfill(len(serial) + len(serial) % 2)
            line = f"{status}\t491231235959Z\t{revoked}\t{serial}\tunknown\t/CN=billing\n"
        (self._directory / "index.txt").write_text(line)

    def ask(self, request: OcspRequest, signer: str, options: Sequence[str] = ()) -> bytes:
        (self._directory / "request.der").write_bytes(request.der)
        command = ["openssl", "ocsp", "-index", "index.txt", "-CA", "issuer.pem", "-reqin", "request.der"]
        command += [
            "-rsigner",
            f"{signer}.pem",
            "-rkey",
            f"{signer}.key",
            "-respout",
            "response.der",
            *options,
        ]
        subprocess.run(command, cwd=self._directory, check=True, capture_output=True, timeout=20)
        return (self._directory / "response.der").read_bytes()

    @contextmanager
    def serving(self, *options: str, port: int = 0) -> Iterator[int]:
        """Its responder over HTTP, which reads the index again when it changes; yields its port."""
        command = ["openssl", "ocsp", "-port", str(port), "-index", "index.txt", "-CA", "issuer.pem"]
        command += ["-rsigner", "issuer.pem", "-rkey", "issuer.key", "-ignore_err", *options]
        output = subprocess.PIPE
        with subprocess.Popen(
            command, cwd=self._directory, stdout=output, stderr=subprocess.STDOUT, text=True
        ) as running:
            try:
                assert running.stdout is not None
                for line in running.stdout:
                    found = re.match(r"ACCEPT .*:([0-9]+) ", line)
                    if found:
                        break
                else:
                    raise AssertionError("openssl ocsp has ended")
                yield int(found[1])
            finally:
                running.kill()

    def delegate(self, **how: Any) -> None:
        made = self.responder.delegate(**how)
        (self._directory / "delegate.pem").write_text(ssl.DER_cert_to_PEM_cert(made.der))
        (self._directory / "delegate.key").write_bytes(Presented(made.der, made.key).key_pem)

    def verify(self, data: bytes, request: OcspRequest, policy: OcspPolicy | None = None) -> Answer:
        return verify_response(
            data,
            request,
            SigningRules(self.issuer),
            now=datetime.now(UTC),
            source="http://ocsp.example/",
            policy=policy,
        )
