"""OCSP with the responder of OpenSSL: it understands what is asked, and its answers are understood."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mtlsd.pki.ocsp import OcspPolicy
from mtlsd.pki.ocsp_refused import OcspRefused
from mtlsd.pki.ocsp_request import CertId, OcspRequest
from tests.end_to_end.openssl_ocsp import OpenSsl

NONCE = bytes(range(32))


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
