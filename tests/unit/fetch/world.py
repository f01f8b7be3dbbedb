"""A fetcher in a world of memory: names, connections and a clock."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import attrs
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone, ConnectionRefusedError, DNSLookupError
from twisted.internet.interfaces import IProtocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from mtlsd.fetch.addresses import AddressRules
from mtlsd.fetch.exchange import Fetched
from mtlsd.fetch.fetcher import Fetcher, Limits
from mtlsd.fetch.refused import FetchRefused
from mtlsd.fetch.trust import Trust
from mtlsd.fetch.url import Address

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: "1"\r\n\r\nhi'


@attrs.define
class Server:
    """The other end of one connection."""

    address: str
    port: int
    protocol: IProtocol
    transport: StringTransport

    @property
    def request(self) -> bytes:
        return bytes(self.transport.value())

    @property
    def closed(self) -> bool:
        return self.transport.disconnected

    def send(self, data: bytes) -> None:
        """Deliver it as a socket would: not after the connection has ended."""
        if not self.closed:
            self.protocol.dataReceived(data)

    def close(self) -> None:
        self.protocol.connectionLost(Failure(ConnectionDone()))


class World:
    """Everything that a fetcher touches."""

    def __init__(self, *allow: str, limits: Limits | None = None) -> None:
        self.reactor: Any = MemoryReactorClock()
        self.names: dict[str, list[Sequence[str]]] = {"a.example": [["1.1.1.1"]], "b.example": [["1.1.1.2"]]}
        self.asked: list[str] = []
        self.pending: list[Deferred[Sequence[Address]]] = []
        self.hangs = False
        self.fetcher = Fetcher(
            self.reactor,
            self.reactor,
            self.resolve,
            AddressRules.allowing(allow),
            Trust.system(),
            limits or Limits(),
        )
        self._taken = 0

    def resolve(self, host: str) -> Deferred[Sequence[Address]]:
        """Each look-up takes the next answer; the last one stays."""
        self.asked.append(host)
        if self.hangs:
            self.pending.append(Deferred())
            return self.pending[-1]
        answers = self.names.get(host)
        if answers is None:
            return fail(DNSLookupError("no such name"))
        return succeed([ip_address(own) for own in (answers.pop(0) if len(answers) > 1 else answers[0])])

    def get(self, url: str = "http://a.example/crl", **how: Any) -> Deferred[Fetched]:
        how.setdefault("max_bytes", 100)
        how.setdefault("deadline_seconds", 10.0)
        return self.fetcher.get(url, **how)

    @property
    def connections(self) -> int:
        """How many were tried."""
        return len(self.reactor.tcpClients)

    def accept(self) -> Server:
        """The other end of the next connection."""
        address, port, factory, _, _ = self.reactor.tcpClients[self._taken]
        self._taken += 1
        transport = StringTransport()
        protocol = factory.buildProtocol(None)
        protocol.makeConnection(transport)
        return Server(address, port, protocol, transport)

    def refuse(self) -> str:
        """Refuse the next connection."""
        address, _, factory, _, _ = self.reactor.tcpClients[self._taken]
        self._taken += 1
        factory.clientConnectionFailed(None, Failure(ConnectionRefusedError()))
        return str(address)


def result_of(fetch: Deferred[Fetched]) -> Fetched | FetchRefused | None:
    """What has become of it by now; None where nothing has."""
    results: list[Any] = []
    fetch.addBoth(results.append)
    if not results:
        return None
    if not isinstance(results[0], Failure):
        return results[0]  # type: ignore[no-any-return]  # a Deferred's result has no type once it is in a list
    refused = results[0].value
    assert isinstance(refused, FetchRefused), results[0]
    return refused


def code_of(fetch: Deferred[Fetched]) -> str | None:
    """Why nothing was fetched; None where that is not settled."""
    result = result_of(fetch)
    assert not isinstance(result, Fetched)
    return None if result is None else result.code
