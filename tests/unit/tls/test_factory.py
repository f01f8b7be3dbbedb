"""TLS under Twisted: who is let in, how handshakes fail, and what is reported of it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import attrs
import pytest
from OpenSSL import SSL
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from mtlsd.errors import Refusal
from mtlsd.judge import Identity
from mtlsd.tls.factory import ConnectionCreator, TLSServerFactory
from mtlsd.tls.limits import ConnectionLimits, source_of
from mtlsd.tls.peer import Judging, Peer, peer_of
from tests.pki import DNS
from tests.unit.tls.memory import (
    PKI,
    VERSIONS,
    Forgetful,
    certificate_message,
    client_context,
    creator,
    judge_of,
    pki_client,
    thief_context,
)

BILLING = pki_client("billing", tls_client_auth_san_dns=DNS)
ADDRESS = IPv4Address("TCP", "192.0.2.1", 40000)
WARNING_ALERT = bytes.fromhex("15 0303 0002 01")
FATAL_ALERT = bytes.fromhex("15 0303 0002 02")


class Inner(Protocol):
    """Keeps what comes out of TLS."""

    received = b""
    losses = 0

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: object = None) -> None:
        self.losses += 1


@attrs.define
class Listening:
    """A factory, and what it reports."""

    judge: Judging | None = attrs.field(factory=lambda: judge_of(BILLING))
    limits: ConnectionLimits = attrs.field(factory=ConnectionLimits)
    changes: dict[str, Any] = attrs.field(factory=dict)
    reported: list[tuple[Peer, Refusal]] = attrs.field(factory=list)
    creator: ConnectionCreator = attrs.field(init=False)
    factory: TLSServerFactory = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.creator = creator(self.judge, **self.changes)
        self.factory = TLSServerFactory(
            self.creator,
            Factory.forProtocol(Inner),
            Clock(),
            self.limits,
            lambda peer, refusal: self.reported.append((peer, refusal)),
        )

    @property
    def reasons(self) -> list[str]:
        return [refusal.reason.code for _, refusal in self.reported]

    def accept(self, address: IAddress = ADDRESS) -> Open:
        protocol: Any = self.factory.buildProtocol(address)
        assert protocol is not None
        transport = StringTransport()
        protocol.makeConnection(transport)
        return Open(protocol, transport)

    def turns_away(self, address: IAddress = ADDRESS) -> bool:
        return self.factory.buildProtocol(address) is None


@attrs.define
class Open:
    """An accepted connection."""

    protocol: Any  # Twisted's methods have no annotations
    transport: StringTransport

    @property
    def peer(self) -> Peer:
        peer = peer_of(self.protocol)
        assert peer is not None
        return peer

    def talk(self, client: SSL.Connection) -> None:
        for _ in range(8):
            with suppress(SSL.Error):
                client.do_handshake()
                client.recv(1)
            with suppress(SSL.WantReadError):
                self.protocol.dataReceived(client.bio_read(65536))
            answer = self.transport.value()
            if answer:
                client.bio_write(answer)
                self.transport.clear()

    def lose(self, reason: Exception | None = None) -> None:
        self.protocol.connectionLost(Failure(reason or ConnectionDone()))


def client(context: SSL.Context) -> SSL.Connection:
    connection = SSL.Connection(context, None)
    connection.set_connect_state()
    return connection


# -- who is let in -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "source"),
    [
        (ADDRESS, "192.0.2.1"),
        (IPv6Address("TCP", "2001:db8:1:2:3::4", 1), "20010db800010002/64"),
        (IPv6Address("TCP", "2001:db8:1:2:ffff::4", 1), "20010db800010002/64"),
        (IPv6Address("TCP", "2001:db8:1:3::4", 1), "20010db800010003/64"),
        (IPv6Address("TCP", "::ffff:192.0.2.1", 1), "192.0.2.1"),
        (IPv6Address("TCP", "fe80::1%eth0", 1), "fe80000000000000/64"),
        (UNIXAddress("/run/mtlsd.sock"), ""),
        (None, ""),
    ],
)
def test_what_connections_are_counted_by(address: IAddress | None, source: str) -> None:
    assert source_of(address) == source


def test_the_limit_in_total() -> None:
    listening = Listening(limits=ConnectionLimits(total=2, per_address=2))
    first, _ = listening.accept(), listening.accept(UNIXAddress("/run/mtlsd.sock"))
    other = IPv4Address("TCP", "192.0.2.2", 1)
    assert listening.turns_away(other)
    assert listening.factory.turned_away == 1
    first.lose()
    assert not listening.turns_away(other)


def test_the_limit_of_an_address() -> None:
    listening = Listening(limits=ConnectionLimits(total=9, per_address=1))
    opened = listening.accept()
    assert listening.turns_away()
    assert not listening.turns_away(IPv4Address("TCP", "192.0.2.2", 1))
    opened.lose()
    assert not listening.turns_away()


def test_a_connection_is_counted_once() -> None:
    """Twisted registers it twice, and a connection can be built and come to nothing."""
    listening = Listening()
    assert not listening.turns_away()
    assert listening.factory.open.total == 0
    opened = listening.accept()
    assert (listening.factory.open.total, listening.factory.open.by_source) == (1, {"192.0.2.1": 1})
    unused = listening.factory.buildProtocol(ADDRESS)
    assert unused is not None
    listening.factory.unregisterProtocol(unused)
    assert listening.factory.open.total == 1
    opened.lose()
    listening.factory.unregisterProtocol(opened.protocol)
    assert (listening.factory.open.total, listening.factory.open.by_source) == (0, {})


def test_a_wrapped_factory_may_want_nobody() -> None:
    class Closed(Factory):
        def buildProtocol(self, addr: IAddress | None) -> None:
            return None

    listening = Listening()
    listening.factory.wrappedFactory = Closed()
    assert listening.turns_away()
    assert listening.factory.turned_away == 0


# -- handshakes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_a_good_client(version: int) -> None:
    listening = Listening()
    opened, good = listening.accept(), client(client_context(PKI.leaf(), version))
    opened.talk(good)
    good.send(b"GET")
    opened.talk(good)
    inner = opened.protocol.wrappedProtocol
    assert isinstance(inner, Inner)
    assert inner.received == b"GET"
    assert isinstance(opened.peer.judgement, Identity)
    assert (opened.peer.address, opened.peer.port) == ("192.0.2.1", 40000)
    opened.lose()
    assert inner.losses == 1
    assert listening.reported == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_refused_client(version: int) -> None:
    """It is reported once its connection is gone, and gently closed so that it can read the alert."""
    listening = Listening()
    opened = listening.accept()
    opened.talk(client(client_context(PKI.pinned, version)))
    assert opened.transport.disconnecting
    assert listening.reported == []
    opened.lose()
    assert listening.reasons == ["pin.unknown"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_client_without_certificate(version: int) -> None:
    listening = Listening()
    opened = listening.accept()
    opened.talk(client(client_context(None, version)))
    opened.lose()
    assert listening.reasons == ["certificate.absent"]


@pytest.mark.parametrize("refuse_in", ["handshake", "response"])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_thief(version: int, refuse_in: str) -> None:
    """R1: whoever owns nothing but a public certificate leaves no trace but this."""
    listening = Listening(changes={"refuse_in": refuse_in})
    opened, own = listening.accept(), PKI.leaf()
    opened.talk(client(thief_context(own, version)))
    inner = opened.protocol.wrappedProtocol
    opened.lose()
    assert listening.reasons == ["tls.possession"]
    assert listening.reported[0][1].facts["subject"] == "CN=billing,O=Partner,C=DE"
    assert isinstance(inner, Inner)
    assert inner.received == b""


def test_a_thief_who_goes_away() -> None:
    """He sends the certificate, and nothing to prove that it is his."""
    listening = Listening()
    opened, thief = listening.accept(), client(client_context(PKI.leaf(), SSL.TLS1_2_VERSION))
    with pytest.raises(SSL.WantReadError):
        thief.do_handshake()
    opened.protocol.dataReceived(thief.bio_read(65536))
    thief.bio_write(opened.transport.value())
    with pytest.raises(SSL.WantReadError):
        thief.do_handshake()
    flight = thief.bio_read(65536)
    opened.protocol.dataReceived(flight[: 5 + int.from_bytes(flight[3:5], "big")])
    opened.lose()
    assert listening.reasons == ["tls.possession"]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"", None),
        (b"GET / HTTP/1.1\r\n\r\n", "tls.failed"),
        (b"\x16\x03\x01\x00\x05\x01", None),
        (b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", "tls.failed"),
        (b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10", "tls.failed"),
        (WARNING_ALERT + b"\x00", "tls.failed"),
        (FATAL_ALERT + b"\x30", "tls.failed"),
    ],
    ids=["nothing", "http", "half", "short hello", "sslv2", "close_notify", "alert"],
)
def test_what_is_no_handshake(sent: bytes, reason: str | None) -> None:
    """Whatever comes, nothing but OpenSSL.SSL.Error reaches Twisted."""
    listening = Listening()
    opened = listening.accept()
    if sent:
        opened.protocol.dataReceived(sent)
    opened.lose()
    assert listening.reasons == ([] if reason is None else [reason])


def test_a_close_notify_after_the_client_hello() -> None:
    """pyOpenSSL raises an error without arguments, and Twisted an IndexError when it looks at them."""
    listening = Listening()
    opened, gone = listening.accept(), client(client_context())
    with pytest.raises(SSL.WantReadError):
        gone.do_handshake()
    opened.protocol.dataReceived(gone.bio_read(65536))
    opened.protocol.dataReceived(WARNING_ALERT + b"\x00")
    assert opened.transport.disconnecting
    opened.lose()
    assert listening.reasons == ["tls.failed"]


def test_a_version_that_is_too_old() -> None:
    listening = Listening()
    opened = listening.accept()
    opened.talk(client(client_context(PKI.leaf(), SSL.TLS1_1_VERSION)))
    opened.lose()
    assert listening.reasons == ["tls.failed"]
    assert listening.reported[0][1].facts == {"openssl": ("unsupported protocol",)}


def test_a_deadline() -> None:
    """Whoever sets one aborts the connection."""
    listening = Listening()
    opened = listening.accept()
    opened.protocol.abortConnection()
    opened.lose(ConnectionAborted())
    assert listening.reasons == ["tls.timeout"]


@pytest.mark.parametrize("garbage", [b"\x30\x03\x02\x01\x00", b"hello", PKI.leaf().leaf + b"\x00"])
def test_a_certificate_that_cannot_be_read(garbage: bytes) -> None:
    """In TLS 1.2 its message is in the clear, so that anything can be put there."""
    listening = Listening()
    opened, odd = listening.accept(), client(client_context(PKI.leaf(), SSL.TLS1_2_VERSION))
    with pytest.raises(SSL.WantReadError):
        odd.do_handshake()
    opened.protocol.dataReceived(odd.bio_read(65536))
    opened.protocol.dataReceived(certificate_message(garbage))
    opened.lose()
    assert listening.reasons == ["certificate.malformed"]


class Broken(Forgetful):
    def judge(self, presented: object, at: object, /) -> Any:
        raise KeyError("no such thing")


def test_a_fault_of_ours() -> None:
    listening = Listening(judge=Broken())
    opened = listening.accept()
    opened.talk(client(client_context(PKI.leaf())))
    opened.lose()
    assert listening.reasons == ["tls.internal"]
    assert isinstance(listening.reported[0][0].fault, KeyError)


def test_a_fault_while_it_completes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but OpenSSL.SSL.Error comes out: Twisted would let the connection hang."""

    def complete(peer: Peer, connection: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Peer, "complete", complete)
    listening = Listening()
    opened = listening.accept()
    opened.talk(client(client_context(PKI.leaf())))
    assert opened.transport.disconnecting
    opened.lose()
    assert listening.reasons == ["tls.internal"]


def test_a_reload_leaves_open_connections_alone() -> None:
    listening = Listening()
    old, waiting = listening.accept(), client(client_context(PKI.leaf()))
    nobody = creator(judge_of())
    listening.creator.swap(nobody.context, nobody.judge)
    old.talk(waiting)
    assert isinstance(old.peer.judgement, Identity)
    new = listening.accept()
    new.talk(client(client_context(PKI.leaf())))
    new.lose()
    assert listening.reasons == ["subject.unknown"]
