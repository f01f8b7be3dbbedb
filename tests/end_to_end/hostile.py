"""A daemon that faces hostile clients, and an exact account of what its audit log says of each."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.end_to_end.daemon import Daemon, running
from tests.end_to_end.raw_tls import Answer, Client
from tests.end_to_end.setup import Setup
from tests.pki import DNS, EMAIL, IP, SUBJECT, URI, Presented
from tests.unit.tls.memory import client_context

MODES = ("handshake", "response")
"""A listener of each name refuses in that way."""

GROUP = "partners"
SUBJECTS = {
    "by-dn": {"tls_client_auth_subject_dn": SUBJECT},
    "by-dns": {"tls_client_auth_san_dns": DNS},
    "by-uri": {"tls_client_auth_san_uri": URI},
    "by-ip": {"tls_client_auth_san_ip": IP},
    "by-email": {"tls_client_auth_san_email": EMAIL},
}
_WAIT = 10.0


def token_request(client_id: str, headers: str = "") -> bytes:
    """A request for a token as it goes over the wire."""
    body = urlencode({"grant_type": "client_credentials", "client_id": client_id})
    head = f"POST /token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n{headers}"
    return f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}".encode()


class Audit:
    """The audit log from here on; every line is checked to be one event and nothing else."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = path.stat().st_size

    def events(self) -> list[dict[str, Any]]:
        """What has come since the last call."""
        with self._path.open("rb") as file:
            file.seek(self._at)
            found = file.read()
        whole = found[: found.rfind(b"\n") + 1]
        self._at += len(whole)
        return [_event(line) for line in whole.split(b"\n")[:-1]]

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        """So many events, and those that came with them."""
        until = time.monotonic() + _WAIT
        found = self.events()
        while len(found) < count:
            assert time.monotonic() < until, f"{len(found)} of {count} events: {found}"
            time.sleep(0.002)
            found += self.events()
        return found


def _event(line: bytes) -> dict[str, Any]:
    assert all(0x20 <= octet < 0x7F for octet in line), line
    event: dict[str, Any] = json.loads(line)
    assert {"at", "event"} <= event.keys()
    return event


class Hostile:
    """A running daemon, a good client of it, and its audit log."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.pki = daemon.setup.pki
        self.audit = Audit(daemon.out)
        self._good = client_context(self.pki.leaf())

    def port(self, listener: str) -> int:
        return self.daemon.setup.ports[listener]

    def good_token(self, listener: str = "handshake") -> Answer:
        """What a good client gets, over a connection of its own."""
        with Client(self.port(listener), self._good) as client:
            return client.ask(token_request("by-dn"))

    def aftermath(self, listener: str) -> list[dict[str, Any]]:
        """The events of a client that has just been refused. A good client still gets its token."""
        assert self.good_token(listener).status == 200
        events = self.audit.wait_for(2)
        refused = [own for own in events if own["event"] != "token.issued"]
        assert len(events) - len(refused) == 1, events
        return refused


def hostile_setup(directory: Path) -> Setup:
    """Anchors, listeners and clients as :mod:`tests.pki` wants them."""
    setup = Setup(directory)
    setup.document["trust_anchors"] = []
    setup.add_anchors(GROUP, *setup.pki.anchors)
    for mode in MODES:
        setup.add_listener(mode, "required", refuse_in=mode)
    for client_id, subject in SUBJECTS.items():
        setup.add_client(client_id, **subject)
    return setup


def pin(setup: Setup, client_id: str, presented: Presented) -> None:
    """Register a client by its certificate."""
    setup.present(client_id, presented)
    certificate = f"presented/{client_id}/client.pem"
    setup.add_client(
        client_id, token_endpoint_auth_method="self_signed_tls_client_auth", certificate=certificate
    )


@contextmanager
def hostile(setup: Setup) -> Iterator[Hostile]:
    with running(setup) as daemon:
        yield Hostile(daemon)
