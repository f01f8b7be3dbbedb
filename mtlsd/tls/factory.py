"""TLS over any Twisted endpoint: connections that know their client, and limits on how many there are."""

from __future__ import annotations

from collections.abc import Callable

import attrs
from OpenSSL.SSL import Connection, Context, Error, WantReadError
from twisted.internet.interfaces import (
    IAddress,
    IOpenSSLServerConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
)
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from mtlsd.errors import Refusal
from mtlsd.tls.failures import classify
from mtlsd.tls.limits import ConnectionCount, ConnectionLimits, host_of, source_of
from mtlsd.tls.peer import Judging, Peer, connected_peer

RefusedHandshake = Callable[[Peer, Refusal], None]
"""Told of every handshake that was refused, once its connection is gone."""


class PeerConnection(Connection):
    """A connection that tells its :class:`~mtlsd.tls.peer.Peer` how the handshake ended.

    :ivar peer: not OpenSSL's application data, which Twisted takes for itself.
    """

    peer: Peer

    def do_handshake(self) -> None:
        """Go on with the handshake. Twisted catches OpenSSL.SSL.Error alone, so nothing else comes out."""
        peer = self.peer
        try:
            super().do_handshake()
            peer.complete(self)
        except WantReadError:
            raise
        except Error as error:
            # A close_notify in mid-handshake is an error without words, which Twisted stumbles over.
            peer.handshake_error = error if error.args else Error([("SSL routines", "", "close notify")])
            raise peer.handshake_error from None
        except Exception as fault:
            peer.fault = fault
            peer.handshake_error = Error([("mtlsd", "do_handshake", type(fault).__name__)])
            raise peer.handshake_error from fault


@implementer(IOpenSSLServerConnectionCreator)
@attrs.define
class ConnectionCreator:
    """Makes a listener's connections from its current context and judge.

    :ivar listener: its name.
    :ivar of_proxies: whether a proxy connects, in its clients' place.
    """

    listener: str
    context: Context
    judge: Judging | None = None
    of_proxies: bool = False

    def swap(self, context: Context, judge: Judging | None, of_proxies: bool = False) -> None:
        """Take a new context and a new judge for new connections; open ones keep theirs."""
        self.context, self.judge, self.of_proxies = context, judge, of_proxies

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> Connection:
        return self.connection(tlsProtocol.address if isinstance(tlsProtocol, TLSServerProtocol) else None)

    def connection(self, address: IAddress | None = None) -> Connection:
        """A connection with a new :class:`~mtlsd.tls.peer.Peer` as its `peer`."""
        connection = PeerConnection(self.context, None)
        port = getattr(address, "port", 0)
        connection.peer = Peer(self.listener, host_of(address), port, self.judge, is_proxy=self.of_proxies)
        return connection


class TLSServerProtocol(TLSMemoryBIOProtocol):
    """TLS on one connection that came from `address`."""

    address: IAddress | None = None
    source = ""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        peer = connected_peer(self)
        TLSMemoryBIOProtocol.connectionLost(self, reason)
        factory = self.factory
        if peer is not None and isinstance(factory, TLSServerFactory):
            factory.connection_lost(peer, reason)


class TLSServerFactory(TLSMemoryBIOFactory):
    """Puts TLS over the connections that an endpoint accepts, up to a limit.

    Above the limit there is no protocol, and Twisted closes the socket before any work is done.

    :ivar turned_away: how many connections were closed because of the limit.
    """

    _log = Logger()
    protocol = TLSServerProtocol

    def __init__(
        self,
        creator: ConnectionCreator,
        wrapped: IProtocolFactory,
        clock: IReactorTime,
        limits: ConnectionLimits,
        refused: RefusedHandshake | None = None,
    ) -> None:
        super().__init__(creator, False, wrapped, clock)
        self._creator = creator
        self.open = ConnectionCount(limits)
        self.turned_away = 0
        self._refused = refused

    def buildProtocol(self, addr: IAddress | None) -> TLSServerProtocol | None:  # type: ignore[override]  # None is right
        source = source_of(addr)
        if not self.open.has_room(source):
            self.turned_away += 1
            return None
        wrapped: IProtocol | None = self.wrappedFactory.buildProtocol(addr)
        if wrapped is None:  # WrappingFactory would wrap it all the same
            return None
        protocol = TLSServerProtocol(self, wrapped)  # type: ignore[no-untyped-call]  # nor has this one
        protocol.address, protocol.source = addr, source
        return protocol

    def registerProtocol(self, p: TLSServerProtocol) -> None:
        if p not in self.protocols:  # Twisted registers twice
            self.open.opened(p.source)
        super().registerProtocol(p)  # type: ignore[no-untyped-call]  # Twisted's has no annotations

    def unregisterProtocol(self, p: TLSServerProtocol) -> None:
        if p in self.protocols:
            super().unregisterProtocol(p)  # type: ignore[no-untyped-call]  # Twisted's has no annotations
            self.open.closed(p.source)

    def admit(self, p: TLSServerProtocol) -> None:
        """Count a connection whose handshake is complete by its address no more."""
        if p in self.protocols:
            self.open.moved(p.source)
            p.source = ""

    def take(
        self, listener: str, context: Context, judge: Judging | None, *, of_proxies: bool = False
    ) -> None:
        """Make new connections by another context and judge; open ones keep theirs.

        Where the listener has another name, they have it too. Their next request is then judged by what the
        new name trusts, since the old name is nobody's now, or another listener's.
        """
        self._creator.swap(context, judge, of_proxies)
        if listener == self._creator.listener:
            return
        self._creator.listener = listener
        for protocol in self.protocols:
            peer = connected_peer(protocol)
            if peer is not None:
                peer.listener = listener

    def connection_lost(self, peer: Peer, reason: Failure) -> None:
        """Say why a handshake failed, if it did and somebody wants to know."""
        refusal = classify(reason, peer)
        if self._refused is not None and refusal is not None:
            try:
                self._refused(peer, refusal)
            except Exception:
                self._log.failure("a refused handshake could not be reported")
