"""A daemon, and a PKI of programs that nobody wrote for mtlsd: ``openssl ca``, ``openssl ocsp`` and nginx."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mtlsd.pki.certificate import Certificate
from tests.end_to_end.clients import Answer, NoAnswer, Program, curl
from tests.end_to_end.clients import request_token as form
from tests.end_to_end.daemon import Daemon
from tests.end_to_end.nginx import Nginx
from tests.end_to_end.openssl_ca import OpensslCa, der_of, responder_port
from tests.end_to_end.setup import HOST, Setup
from tests.pki import Written

CLIENT = "billing"
NAME = "billing.real.example"
REVOKED, UNKNOWN = "revocation.revoked", "revocation.unknown"
ALERTS = {REVOKED: 44, UNKNOWN: 46}
"""certificate_revoked and certificate_unknown (RFC 8446 section 6.2)."""


class RealPki:
    """A root with a responder, CAs below it as they are asked for, an nginx for their lists, and a setup.

    Each group of trust anchors holds the root and has a listener of its own; the client is registered in all.
    """

    def __init__(self, directory: Path) -> None:
        self.setup = Setup(directory)
        self.setup.document["fetch"] = {"allow": ["127.0.0.0/8"]}
        self.setup.document["client"] = []
        self.client = self.setup.add_client(CLIENT, tls_client_auth_san_dns=NAME, trust_anchors=[])
        self.setup.listener("mtls")["trust_anchors"] = ["partners"]
        self.nginx = Nginx(_made(directory / "nginx"))
        self.root = OpensslCa(directory / "root", "root")
        self.root_ocsp = responder_port()
        self._until_end = ExitStack()

    def __enter__(self) -> Self:
        self._until_end.callback(self.nginx.stop)
        self._until_end.enter_context(self.root.responder(self.root_ocsp))
        self.nginx.start()
        self.publish(self.root)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._until_end.close()

    def group(self, name: str, *holding: OpensslCa, **revocation: Any) -> None:
        """A group with that policy, and its listener.

        :param holding: CAs that the group knows beforehand.
        """
        self.setup.document["trust_anchors"].append(
            {
                "name": name,
                "certificates": [str(self.root.certificate)],
                "intermediates": [str(ca.certificate) for ca in holding],
                "revocation": revocation,
            }
        )
        self.client["trust_anchors"].append(name)
        self.setup.add_listener(name, "required", trust_anchors=[name])

    def ca(self, name: str) -> OpensslCa:
        """A CA below the root, whose certificate names the root's responder and list."""
        found = OpensslCa(
            self.setup.directory / name,
            name,
            self.root,
            **self.ocsp(self.root_ocsp),
            **self.crl(self.root),
        )
        self.publish(found)
        self.root.nudge(self.root_ocsp)
        return found

    def leaf(self, ca: OpensslCa, name: str, *sources: dict[str, str]) -> Written:
        """The client's certificate of that CA, which names these sources."""
        extensions = {"subjectAltName": f"DNS:{NAME}"}
        for source in sources:
            extensions |= source
        return ca.leaf(name, **extensions)

    def revoked(self, ca: OpensslCa, name: str, *sources: dict[str, str]) -> Written:
        """The same, revoked in the index and in the list that nginx has."""
        found = self.leaf(ca, name, *sources)
        ca.revoke(found.certificate)
        self.publish(ca)
        return found

    def written(self, ca: str, name: str) -> Written:
        """A certificate that was made before."""
        stem = self.setup.directory / ca / name
        return Written(stem.with_suffix(".pem"), stem.with_suffix(".key"))

    def publish(self, ca: OpensslCa, name: str | None = None, **how: Any) -> int:
        """Make the CA's next list, and have nginx serve it; return its number."""
        return ca.publish(self.nginx.www / (name or f"{ca.name}.crl"), **how)

    def url(self, name: str) -> str:
        return f"http://{HOST}:{self.nginx.port}/{name}"

    def crl(self, ca: OpensslCa) -> dict[str, str]:
        return {"crlDistributionPoints": f"URI:{self.url(f'{ca.name}.crl')}"}

    @staticmethod
    def ocsp(port: int) -> dict[str, str]:
        return {"authorityInfoAccess": f"OCSP;URI:http://{HOST}:{port}/"}

    def ask(self, group: str, presented: Written, version: str, program: Program = curl) -> Answer:
        """:raises NoAnswer: when the handshake ends"""
        return program(self.setup.url(group), self.setup.ca_file, presented, form(CLIENT), version)


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def check_issued(daemon: Daemon, since: int, unchecked: list[str] | None = None) -> None:
    """The last token was issued after a check, or without one for these groups."""
    event = daemon.event("token.issued", since, client_id=CLIENT)
    assert event.get("revocation_unchecked") == unchecked


def check_refused(
    daemon: Daemon, since: int, answer: Answer, reason: str, certificate: Path, **facts: object
) -> dict[str, Any]:
    """The request was refused, and the audit log has why."""
    assert (answer.status, answer.json["error"]) == (401, "invalid_client")
    assert "revo" not in answer.body.decode().lower(), "strangers are not told why"
    event = daemon.event("token.refused", since, reason=reason, **facts)
    assert event["client_id"] == CLIENT
    assert event["serial"] == f"{serial_of(certificate):x}"
    return event


def check_alert(daemon: Daemon, since: int, refused: NoAnswer, reason: str = REVOKED) -> None:
    """The handshake ended, and client and audit log have why."""
    assert refused.alert == ALERTS[reason]
    daemon.event("handshake.refused", since, reason=reason)


def restarted(setup: Setup) -> Setup:
    """The same for another daemon, which writes an audit log of its own."""
    (setup.directory / "out").unlink()
    return setup


def serial_of(certificate: Path) -> int:
    return Certificate.from_der(der_of(certificate)).serial_number
