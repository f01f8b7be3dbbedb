"""A proxy's requests that wait, and those that come after them on the same connection."""

from __future__ import annotations

import base64
import re
from functools import cached_property
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import create_autospec

import attrs
import pytest
from cryptography import x509
from OpenSSL.SSL import Connection
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from mtlsd.errors import Fact
from mtlsd.forwarded.formats import FORMATS, KNOWN_FIELDS
from mtlsd.forwarded.spellings import spellings
from mtlsd.judge import Provisional
from mtlsd.pki.revocation import Status
from mtlsd.tls.peer import Peer
from mtlsd.verdicts import Judge
from mtlsd.web.channel import Channel
from mtlsd.web.door import Door, ProxyDoor, ProxyRules
from mtlsd.web.factory import ChannelFactory
from mtlsd.web.resources import Nothing, Routes
from tests.pki import NOW, ec_key
from tests.unit.web.test_waiting import FORM, PRESENTED, REAL, World
from tests.unit.world import LISTENER, PARTNERS, client, group, offline, snapshot

GUARDED = spellings(KNOWN_FIELDS)
HAPROXY = FORMATS["haproxy"].reader()
OTHERS = ("X-SSL-Client-Cert", base64.b64encode(REAL.leaf().leaf).decode())
CERTIFICATE = ("X-SSL-Client-Cert", base64.b64encode(PRESENTED.leaf).decode())


def from_proxy(*more: tuple[str, str]) -> bytes:
    lines = [
        "POST /token HTTP/1.1",
        "Host: as.example",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(FORM)}",
        "X-Forwarded-For: 198.51.100.7",
        *(f"{name}: {value}" for name, value in more),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + FORM


PROXY = REAL.leaf(REAL.root, names=[x509.DNSName("proxy.example")], key=ec_key("other"))


@attrs.define(eq=False)
class Proxied:
    """A listener that a proxy connects to.

    :ivar by_certificate: whether the proxy is known so, and nobody knows yet whether that is revoked.
    """

    by_certificate: bool = False
    world: World = attrs.field(factory=World)
    wire: StringTransport = attrs.field(factory=StringTransport)
    channel: Channel = attrs.field(init=False)
    channels: ChannelFactory = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.channels = ChannelFactory(self.door(), cast(Any, self.world.clock), now=lambda: 0.0)
        self.channel = self.channels.buildProtocol(None)
        cast(Any, self.wire).getHandle = lambda: SimpleNamespace(peer=self.peer)
        cast(Any, self.channel).makeConnection(self.wire)

    def door(self) -> Door:
        current = self.world.token.current
        routes = Routes({b"/token": self.world.token}, Nothing(current))
        rules = ProxyRules(HAPROXY, b"x-forwarded-for", self.judge, None, None)
        return ProxyDoor(current, listener=LISTENER, routes=routes, guarded=GUARDED, rules=rules)

    @cached_property
    def judge(self) -> Judge | None:
        if not self.by_certificate:
            return None
        partners = attrs.evolve(group(PARTNERS, [REAL.root.der]), revocation=self.world.policy)
        proxy = client("proxy", tls_client_auth_san_dns="proxy.example")
        return Judge(attrs.evolve(snapshot([proxy], partners), revocation=self.world.knowledge))

    @cached_property
    def peer(self) -> Peer:
        peer = Peer(LISTENER, "192.0.2.1", 1, self.judge, is_proxy=True)
        if self.judge is not None:
            found = self.judge.judge(offline(PROXY), NOW)
            assert isinstance(found, Provisional)
            peer.propose(found)
        peer.complete(create_autospec(Connection, instance=True))
        return peer

    def send(self, *requests: bytes) -> None:
        self.channel.dataReceived(b"".join(requests))

    @property
    def statuses(self) -> list[int]:
        return [int(found) for found in re.findall(rb"HTTP/1.1 ([0-9]{3}) ", self.wire.value())]

    def events(self, name: str) -> list[dict[str, Fact]]:
        return [facts for event, facts in self.world.events if event == name]


def test_the_next_request_is_not_the_waiting_one_s() -> None:
    """It comes on the same connection, of a client without a certificate, before anything is answered."""
    proxied = Proxied()
    proxied.send(from_proxy(CERTIFICATE), from_proxy())
    proxied.send(from_proxy())
    assert proxied.statuses == []
    proxied.world.responder.answer("good")
    assert proxied.statuses == [200, 401, 401]
    [issued] = proxied.events("token.issued")
    assert issued["address"] == "198.51.100.7"
    assert [own["reason"] for own in proxied.events("token.refused")] == ["certificate.absent"] * 2


def test_nor_is_what_it_waits_for_another_s() -> None:
    proxied = Proxied()
    proxied.send(from_proxy(CERTIFICATE), from_proxy(OTHERS))
    proxied.world.responder.answer("revoked")
    assert proxied.statuses == [401, 401]
    assert not proxied.events("token.issued")


def test_the_listener_becomes_a_clients_meanwhile() -> None:
    """A request that waits ends by the rules it came by; of the next ones the certificate is
    refused, or there is none."""
    proxied = Proxied()
    proxied.send(from_proxy(CERTIFICATE), from_proxy(CERTIFICATE), from_proxy())
    current = proxied.world.token.current
    routes = Routes({b"/token": proxied.world.token}, Nothing(current))
    proxied.channels.resource = Door(current, listener=LISTENER, routes=routes, guarded=GUARDED)
    proxied.world.responder.answer("good")
    assert proxied.statuses == [200, 400, 401]
    assert [own["reason"] for own in proxied.events("forwarding.refused")] == ["forwarded.unexpected"]
    assert [own["reason"] for own in proxied.events("token.refused")] == ["certificate.absent"]


@pytest.mark.parametrize("status", ["good", "revoked"])
def test_a_proxy_of_which_nobody_knows_yet(status: Status) -> None:
    """Nothing comes of what it forwards, before it is known whether its own certificate is revoked."""
    proxied = Proxied(by_certificate=True)
    proxied.send(from_proxy(CERTIFICATE), from_proxy(CERTIFICATE))
    assert proxied.statuses == []
    proxied.world.responder.answer(status)
    good = status == "good"
    assert proxied.statuses == ([200, 200] if good else [400, 400])
    assert len(proxied.events("token.issued")) == (2 if good else 0)
    assert len(proxied.events("forwarding.refused")) == (0 if good else 2)


def test_a_proxy_that_goes_away_meanwhile() -> None:
    """That is no attack."""
    proxied = Proxied(by_certificate=True)
    proxied.send(from_proxy(CERTIFICATE))
    proxied.channel.connectionLost(Failure(ConnectionDone()))
    proxied.world.responder.answer("good")
    assert proxied.world.events == []
