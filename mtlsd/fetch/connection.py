"""Connecting to addresses that were checked, and counting what comes back before the headers are whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import attrs
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import (
    IAddress,
    IOpenSSLClientConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IReactorTCP,
    IStreamClientEndpoint,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from mtlsd.fetch.url import Address


class Meter(Protocol):
    """Passes on what a server sends, but no more than so many octets until its headers have ended.

    The library bounds a line, but not how many lines there are, nor how many interim answers. The body has a
    bound of its own.
    """

    def __init__(self, wrapped: IProtocol, header_bytes: int) -> None:
        self.wrapped = wrapped
        self.is_open = False
        self.exceeded = False
        self._left = header_bytes
        self._aborted = False

    def connectionMade(self) -> None:
        assert self.transport is not None  # Twisted has just set it
        self.wrapped.makeConnection(self.transport)

    def dataReceived(self, data: bytes) -> None:
        if not self.is_open:
            head, data = data[: self._left], data[self._left :]
            self._left -= len(head)
            self._pass_on(head)
        if not self.is_open and not self._left:
            self.exceeded = True
            self.abort()
        elif data:
            self._pass_on(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._aborted = True
        self.wrapped.connectionLost(reason)

    def abort(self) -> None:
        """End the connection at once, whatever the other side does about it."""
        if not self._aborted:
            self._aborted = True
            cast(ITCPTransport, self.transport).abortConnection()

    def _pass_on(self, data: bytes) -> None:
        if not self._aborted:
            self.wrapped.dataReceived(data)


class _MeterFactory(Factory):
    """Puts a :class:`Meter` around the one protocol that it makes."""

    noisy = False

    def __init__(self, wrapped: IProtocolFactory, header_bytes: int) -> None:
        self._wrapped = wrapped
        self._header_bytes = header_bytes

    def buildProtocol(self, addr: IAddress | None) -> Meter:
        inner = self._wrapped.buildProtocol(cast(IAddress, addr))
        assert inner is not None  # a client's factory never declines
        return Meter(inner, self._header_bytes)


@implementer(IStreamClientEndpoint, IAgentEndpointFactory)
@attrs.define(eq=False)
class CheckedEndpoint:
    """Connects to the first of these addresses that answers, and looks nothing up.

    :ivar addresses: checked already.
    :ivar tls: None for plain TCP.
    :ivar timeout_seconds: for each address.
    :ivar meter: of the connection, once there is one.
    """

    reactor: IReactorTCP
    addresses: Sequence[Address]
    port: int
    tls: IOpenSSLClientConnectionCreator | None
    timeout_seconds: float
    header_bytes: int
    meter: Meter | None = attrs.field(default=None, init=False)

    def endpointForURI(self, uri: URI) -> CheckedEndpoint:
        """Whatever the URI says: it has been read and checked before."""
        return self

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        return ensureDeferred(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        last: ConnectError | None = None
        for address in self.addresses:
            try:
                found = await self._endpoint(address).connect(_MeterFactory(factory, self.header_bytes))
            except ConnectError as error:
                last = error
                continue
            assert isinstance(found, Meter)  # what the factory makes
            self.meter = found
            return found.wrapped
        raise last or ConnectError("no address")

    def _endpoint(self, address: Address) -> IStreamClientEndpoint:
        make: Callable[..., IStreamClientEndpoint]
        make = TCP4ClientEndpoint if address.version == 4 else TCP6ClientEndpoint
        endpoint = make(self.reactor, str(address), self.port, timeout=self.timeout_seconds)
        return endpoint if self.tls is None else wrapClientTLS(self.tls, endpoint)
