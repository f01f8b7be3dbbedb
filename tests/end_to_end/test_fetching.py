"""The guarded fetcher over real sockets, against servers that hang, drip and show the wrong certificate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred, inlineCallbacks, succeed
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import CertificateOptions, KeyPair, PrivateCertificate
from twisted.internet.task import LoopingCall, deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from mtlsd.fetch.addresses import AddressRules
from mtlsd.fetch.exchange import Fetched
from mtlsd.fetch.fetcher import Fetcher, Limits
from mtlsd.fetch.lookups import Resolve, SystemResolver
from mtlsd.fetch.refused import FetchRefused
from mtlsd.fetch.trust import Trust
from mtlsd.fetch.url import Address
from tests.pki import Pki, dn, ec_key

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
reactor: Any = installed
Behaviour = Callable[["Hostile"], None]


class Hostile(Protocol):
    """Waits for a request, then behaves."""

    def __init__(self, behaviour: Behaviour, end_of_request: bytes) -> None:
        self._behaviour = behaviour
        self._end = end_of_request
        self._request = b""
        self.gone: Deferred[None] = Deferred()
        self.dripping = LoopingCall(self.say, b"x")

    def dataReceived(self, data: bytes) -> None:
        self._request += data
        if self._request.endswith(self._end):
            self._behaviour(self)

    def say(self, data: bytes) -> None:
        cast(ITCPTransport, self.transport).write(data)

    def close(self) -> None:
        cast(ITCPTransport, self.transport).loseConnection()

    def connectionLost(self, reason: Failure | None = None) -> None:
        if self.dripping.running:
            self.dripping.stop()
        self.gone.callback(None)


def drip(head: bytes) -> Behaviour:
    """An octet each 50 ms, for ever."""

    def behave(server: Hostile) -> None:
        server.say(head)
        server.dripping.start(0.05)

    return behave


class Fetching(TestCase):
    """Trial fails these where a socket or a timer is left behind."""

    timeout = 20

    def setUp(self) -> None:
        self.pki = Pki(datetime.now(UTC))
        self.connections: list[Hostile] = []
        self.looked_up: list[str] = []
        self.end_of_request = b"\r\n\r\n"

    def listen(self, behaviour: Behaviour, tls: CertificateOptions | None = None) -> int:
        """A server on loopback; returns its port."""

        def build() -> Hostile:
            self.connections.append(Hostile(behaviour, self.end_of_request))
            return self.connections[-1]

        factory = Factory.forProtocol(build)
        port: Any
        if tls is None:
            port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        else:
            port = reactor.listenSSL(0, factory, tls, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return int(port.getHost().port)

    def resolve(self, host: str) -> Deferred[Sequence[Address]]:
        """Everything is on loopback at first, and elsewhere when somebody asks again."""
        self.looked_up.append(host)
        again = self.looked_up.count(host) > 1
        return succeed([ip_address("10.255.255.1" if again else "127.0.0.1")])

    def fetcher(self, *allow: str, resolve: Resolve | None = None) -> Fetcher:
        rules = AddressRules.allowing(allow or ["127.0.0.0/8"])
        trust = Trust.from_der([self.pki.root.der])
        made = Fetcher(reactor, reactor, resolve or self.resolve, rules, trust, Limits(connect_seconds=1))
        self.addCleanup(made.close)
        return made

    @inlineCallbacks
    def fetch(self, url: str, fetcher: Fetcher | None = None, **how: Any) -> Any:
        """The body, or the code of the refusal, when every connection is gone."""
        how = {"max_bytes": 100_000, "deadline_seconds": 5.0, **how}
        try:
            fetched: Fetched = yield (fetcher or self.fetcher()).get(url, **how)
            result: Any = fetched.body
        except FetchRefused as refused:
            result = refused.code
        for connection in self.connections:
            yield connection.gone
        return result

    @inlineCallbacks
    def check(self, behaviour: Behaviour, expected: bytes | str, **how: Any) -> Any:
        port = self.listen(behaviour)
        found = yield self.fetch(f"http://server.example:{port}/crl", **how)
        assert found == expected

    def test_good(self) -> Any:
        return self.check(lambda server: server.say(OK), b"hi")

    def test_hang(self) -> Any:
        return self.check(lambda server: None, "deadline", deadline_seconds=0.3)

    def test_drip_headers(self) -> Any:
        """Attack 6: each octet comes in time, and the deadline stands."""
        return self.check(drip(b"HTTP/1.1 200 OK\r\nX: "), "deadline", deadline_seconds=0.4)

    def test_drip_body(self) -> Any:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
        return self.check(drip(head), "deadline", deadline_seconds=0.4)

    def test_huge(self) -> Any:
        """Without a length, so that only counting helps."""

        def behave(server: Hostile) -> None:
            server.say(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(50_000_000))

        return self.check(behave, "too_large")

    def test_endless_headers(self) -> Any:
        def behave(server: Hostile) -> None:
            server.say(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1_000_000)

        return self.check(behave, "headers")

    def test_redirect(self) -> Any:
        answer = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
        return self.check(lambda server: server.say(answer), "redirect")

    def test_garbage(self) -> Any:
        return self.check(lambda server: server.say(b"\x15\x03\x01\x00\x02\x02\x28\r\n" * 10), "http")

    def test_close(self) -> Any:
        return self.check(lambda server: server.close(), "connection")

    @inlineCallbacks
    def test_nobody_listens(self) -> Any:
        port = reactor.listenTCP(0, Factory(), interface="127.0.0.1")
        number = port.getHost().port
        yield port.stopListening()
        found = yield self.fetch(f"http://server.example:{number}/")
        assert found == "connection"

    @inlineCallbacks
    def test_loopback_is_not_for_everybody(self) -> Any:
        """Attack 7: by address, by name, and by a name of the system's."""
        port = self.listen(lambda server: server.say(OK))
        system = SystemResolver(reactor.nameResolver)
        for host in ("127.0.0.1", "server.example", "localhost"):
            fetcher = self.fetcher("10.0.0.0/8", resolve=system if host == "localhost" else None)
            found = yield self.fetch(f"http://{host}:{port}/", fetcher)
            assert found == "address"
        assert self.connections == []

    @inlineCallbacks
    def test_system_resolver(self) -> Any:
        port = self.listen(lambda server: server.say(OK))
        fetcher = self.fetcher("127.0.0.0/8", resolve=SystemResolver(reactor.nameResolver))
        found = yield self.fetch(f"http://localhost:{port}/", fetcher)
        assert found == b"hi"
        found = yield self.fetch("http://nowhere.invalid/", fetcher)
        assert found == "resolve"

    @inlineCallbacks
    def test_rebinding(self) -> Any:
        """Attack 7: between the check and the connection nobody is asked again."""
        port = self.listen(lambda server: server.say(OK))
        found = yield self.fetch(f"http://server.example:{port}/")
        assert found == b"hi"
        assert self.looked_up == ["server.example"]

    @inlineCallbacks
    def test_many_at_once(self) -> Any:
        """One host that hangs holds its own slots only, and a thousand who give up leave nothing."""
        hanging, good = self.listen(lambda server: None), self.listen(lambda server: server.say(OK))
        fetcher = self.fetcher(resolve=lambda host: succeed([ip_address("127.0.0.1")]))
        waiting = [
            fetcher.get(f"http://hangs.example:{hanging}/{n % 300}", max_bytes=1, deadline_seconds=60)
            for n in range(1000)
        ]
        for fetch in waiting:
            fetch.addErrback(lambda failure: None)
        fetched: Fetched = yield fetcher.get(
            f"http://server.example:{good}/", max_bytes=9, deadline_seconds=2
        )
        assert fetched.body == b"hi"
        yield deferLater(reactor, 0.1, lambda: None)
        assert len(self.connections) <= Limits().per_host + 1
        for fetch in waiting:
            fetch.cancel()
        for connection in self.connections:
            yield connection.gone

    # -- TLS

    def identity(self, host: str, **how: Any) -> CertificateOptions:
        """A server's certificate for that name, by the root or as `how` says."""
        issuer = how.pop("issuer", self.pki.root)
        purposes = (ExtendedKeyUsageOID.SERVER_AUTH,)
        names = [x509.DNSName(host)]
        made = self.pki.leaf(issuer, dn(CN=host), names=names, purposes=purposes, key=ec_key("server"), **how)
        key = made.key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        options: CertificateOptions = PrivateCertificate.load(made.leaf, KeyPair.load(key)).options()
        return options

    @inlineCallbacks
    def check_tls(self, identity: CertificateOptions, expected: bytes | str) -> Any:
        port = self.listen(lambda server: server.say(OK), identity)
        found = yield self.fetch(f"https://server.example:{port}/")
        assert found == expected

    def test_tls(self) -> Any:
        return self.check_tls(self.identity("server.example"), b"hi")

    def test_tls_for_another_name(self) -> Any:
        return self.check_tls(self.identity("another.example"), "tls")

    def test_tls_of_an_unknown_ca(self) -> Any:
        return self.check_tls(self.identity("server.example", issuer=self.pki.ca("Stranger", None)), "tls")

    def test_tls_expired(self) -> Any:
        return self.check_tls(self.identity("server.example", valid=self.pki.valid(-9, -1)), "tls")

    @inlineCallbacks
    def test_tls_with_who_speaks_plainly(self) -> Any:
        """As soon as it sees the first octets of the handshake."""
        port = self.listen(lambda server: server.say(OK))
        self.end_of_request = b""
        found = yield self.fetch(f"https://server.example:{port}/")
        assert found == "tls"

    @inlineCallbacks
    def test_tls_that_hangs(self) -> Any:
        port = self.listen(lambda server: None)
        found = yield self.fetch(f"https://server.example:{port}/", deadline_seconds=0.3)
        assert found == "deadline"
