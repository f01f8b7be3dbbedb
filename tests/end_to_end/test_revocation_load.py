"""500 clients whose certificates nobody has ever been asked about, before responders that hang.

They wait; that costs others nothing, and nothing is left when they have been refused or have given up. How
long anything takes is measured by ``scripts/bench -s waiting``, not here.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import attrs
import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from tests.end_to_end.clients import Session, context, http_text, python, tcp
from tests.end_to_end.clients import request_token as form
from tests.end_to_end.daemon import Daemon, eventually, mtlsd, running
from tests.end_to_end.hostile_responder import HostileResponder
from tests.end_to_end.setup import HOST, Setup
from tests.end_to_end.test_load import many_files
from tests.ocsp_responses import Responder
from tests.pki import DNS, Written

CROWD = 500
RESPONDERS = 2  # each has some 250 who may wait for it
BYTES_FOR_EACH = 200 * 1024
CLIENT = "billing"


@attrs.define(eq=False)
class World:
    """A daemon that asks responders.

    :ivar known: a certificate whose verdict is known.
    :ivar strangers: certificates that nobody has been asked about, of the same client.
    """

    setup: Setup
    daemon: Daemon
    known: Written
    strangers: list[Written]

    def files(self) -> int:
        """How many files the daemon has open."""
        return len(os.listdir(f"/proc/{self.daemon.process.pid}/fd"))

    def waiting(self) -> int:
        """How many wait, as the operator is shown."""
        shown = mtlsd("revocation", "status", "-c", self.setup.config, "--json")
        return sum(own.get("waiting") or 0 for own in _sources(shown))


def _sources(shown: str) -> list[dict[str, int]]:
    found: list[dict[str, int]] = json.loads(shown)["sources"]
    return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    setup = Setup(tmp_path_factory.mktemp("waiting"))
    setup.add_client(CLIENT, tls_client_auth_san_dns=DNS, trust_anchors=["asked"])
    setup.add_anchors("asked", setup.pki.intermediate.der)
    setup.document["trust_anchors"][-1]["revocation"] = {"ocsp": "from-certificate"}
    setup.document["fetch"] = {"allow": ["127.0.0.0/8"]}
    setup.listener("mtls")["trust_anchors"] = ["partners", "asked"]
    setup.listener("mtls")["limits"] = {"connections_per_address": 3000}
    with ExitStack() as stack:
        honest = stack.enter_context(HostileResponder(Responder(setup.pki)))
        silent = [stack.enter_context(socket.create_server((HOST, 0))) for _ in range(RESPONDERS)]
        urls = [f"http://{HOST}:{one.getsockname()[1]}/" for one in silent]
        known = _leaf(setup, "known", honest.url)
        strangers = [_leaf(setup, f"s{n}", urls[n % RESPONDERS]) for n in range(2 * CROWD)]
        stack.enter_context(many_files())
        daemon = stack.enter_context(running(setup))
        yield World(setup, daemon, known, strangers)


def _leaf(setup: Setup, name: str, url: str) -> Written:
    method = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url))
    return setup.leaf(name, x509.DNSName(DNS), more=[(x509.AuthorityInformationAccess([method]), False)])


@contextmanager
def known_client(world: World) -> Iterator[list[int]]:
    """It asks again and again meanwhile; the statuses that it gets."""
    statuses: list[int] = []
    done = threading.Event()

    def ask() -> None:
        url, ca = world.setup.url(), world.setup.ca_file
        with Session(url, ca, world.known) as session:
            while not done.wait(0.01):
                statuses.append(session.post(form(CLIENT)).status)
                statuses.append(python(url, ca, world.known, form(CLIENT)).status)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield statuses
    finally:
        done.set()
        asking.join()


@contextmanager
def crowd(world: World, presented: list[Written]) -> Iterator[list[ssl.SSLSocket]]:
    """Each has shaken hands and sent its request; what nobody has closed is closed in the end."""
    url = world.setup.url()
    request = http_text(url, form(CLIENT)).encode()
    with ExitStack() as stack:
        there = []
        for own in presented:
            tls = context(world.setup.ca_file, own)
            one = stack.enter_context(tls.wrap_socket(tcp(url), server_hostname=HOST))
            one.sendall(request)
            there.append(one)
        yield there


def _answer(one: ssl.SSLSocket) -> bytes:
    received = b""
    while part := one.recv(65536):
        received += part
    return received


def test_500_who_wait_cost_others_nothing_and_leave_nothing(world: World) -> None:
    """First they wait until they are refused, then as many others give up before that."""
    daemon = world.daemon
    assert python(world.setup.url(), world.setup.ca_file, world.known, form(CLIENT)).token
    files, resident = world.files(), daemon.resident_bytes()
    mark = daemon.mark()
    with known_client(world) as statuses:
        with crowd(world, world.strangers[:CROWD]) as there:
            before = len(statuses)
            answers = [_answer(one) for one in there]
            assert len(statuses) > before
        used = daemon.resident_bytes()
        with crowd(world, world.strangers[CROWD:]):
            pass
        eventually(lambda: world.files() <= files + 2)  # the known client has its connections still
        eventually(lambda: world.waiting() == 0)
    assert all(answer.startswith(b"HTTP/1.1 401 ") and b"invalid_client" in answer for answer in answers)
    refused = daemon.events("token.refused", mark)
    assert {event["reason"] for event in refused} == {"revocation.unknown"}
    assert any("deadline" in str(event["seen"]) for event in refused), "nobody has waited"
    assert set(statuses) == {200}
    assert used - resident < CROWD * BYTES_FOR_EACH
    assert daemon.resident_bytes() - used < CROWD * BYTES_FOR_EACH / 2, "it grows from one crowd to the next"
    eventually(lambda: world.files() <= files)
