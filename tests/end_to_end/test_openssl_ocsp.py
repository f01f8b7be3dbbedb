"""OCSP with the responder of OpenSSL: it understands what is asked, and its answers are understood."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mtlsd.pki.certificate import Certificate
from mtlsd.pki.ocsp import OcspPolicy, verify_response
from mtlsd.pki.ocsp_refused import OcspRefused
from mtlsd.pki.ocsp_request import CertId, OcspRequest
from mtlsd.pki.ocsp_signer import SigningRules
from mtlsd.pki.revocation import Answer
from tests.ocsp_responses import Responder
from tests.pki import Pki, Presented

NONCE = bytes(range(32))


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


@pytest.fixture
def openssl(tmp_path: Path) -> OpenSsl:
    return OpenSsl(tmp_path)


@pytest.mark.parametrize("signer", ["issuer", "delegate"])
@pytest.mark.parametrize("hash_name", ["sha1", "sha256"])
@pytest.mark.parametrize(("status", "expected"), [("V", "good"), ("R", "revoked"), ("", "unknown")])
def test_every_status(openssl: OpenSsl, signer: str, hash_name: Any, status: str, expected: str) -> None:
    """R41 and R42, with a nonce that must come back."""
    openssl.index(status)
    openssl.delegate()
    request = OcspRequest.make(CertId.of(openssl.certificate, openssl.issuer, hash_name), NONCE)
    answer = openssl.verify(
        openssl.ask(request, signer, ["-nmin", "5"]), request, OcspPolicy(require_nonce=True)
    )
    assert answer.status == expected
    assert (answer.facts["signer"], answer.facts["nonce"]) == (signer, "matches")
    assert answer.next_update is not None
    if status == "R":
        assert (answer.reason, answer.revoked_at) == ("keyCompromise", datetime(2025, 1, 1, tzinfo=UTC))


def test_without_next_update_and_by_key(openssl: OpenSsl) -> None:
    openssl.index("V")
    request = OcspRequest.make(CertId.of(openssl.certificate, openssl.issuer))
    answer = openssl.verify(openssl.ask(request, "issuer", ["-resp_key_id", "-resp_no_certs"]), request)
    assert (answer.status, answer.next_update) == ("good", None)


@pytest.mark.parametrize(
    ("how", "why"),
    [({"purposes": ()}, "ocsp.signer.eku"), ({"nocheck": False}, "ocsp.signer.unchecked")],
)
def test_delegates_that_may_not(openssl: OpenSsl, how: dict[str, Any], why: str) -> None:
    openssl.index("V")
    openssl.delegate(**how)
    request = OcspRequest.make(CertId.of(openssl.certificate, openssl.issuer))
    with pytest.raises(OcspRefused) as caught:
        openssl.verify(openssl.ask(request, "delegate", ["-nmin", "5"]), request)
    assert caught.value.why == why
