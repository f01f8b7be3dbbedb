"""Bodies of token requests: how large they may be, and that a bad one is put down to whoever sent it."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509

from tests.end_to_end.clients import python
from tests.end_to_end.daemon import running
from tests.end_to_end.setup import Setup
from tests.pki import DNS


def test_bodies(tmp_path: Path) -> None:
    """The listener's limit is the limit, above the default too, and the event has the certificate."""
    setup = Setup(tmp_path / "daemon")
    setup.add_client("billing", tls_client_auth_san_dns=DNS)
    setup.listener("mtls")["limits"] = {"body_bytes": 200_000}
    billing = setup.leaf("billing", x509.DNSName(DNS))

    def post(body: str) -> int:
        return python(setup.url(), setup.ca_file, billing, body).status

    with running(setup) as daemon:
        assert post("unknown=" + "x" * 150_000) == 400
        daemon.event("token.refused", reason="grant.absent", subject="CN=billing")
        assert post("unknown=" + "x" * 200_000) == 413
        assert post("scope=%zz") == 400
        daemon.event("token.refused", reason="request.form", subject="CN=billing")
