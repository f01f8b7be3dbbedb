"""One open listener: its port, its TLS context, and the channels on it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from errno import EADDRNOTAVAIL
from typing import Any, Self

import attrs
from OpenSSL.SSL import Context
from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.logger import Logger

from mtlsd.config.model import Listener
from mtlsd.errors import Fact, Refusal
from mtlsd.tls.context import ListenerTLS, build_context
from mtlsd.tls.factory import ConnectionCreator, TLSServerFactory
from mtlsd.tls.limits import ConnectionLimits
from mtlsd.tls.peer import Peer
from mtlsd.verdicts import Judge
from mtlsd.web.answers import error_json
from mtlsd.web.factory import ChannelFactory
from mtlsd.web.limits import Limits
from mtlsd.web.refused import refused_facts
from mtlsd.web.resources import Routes
from mtlsd.web.response import HeaderList
from mtlsd.web.serving import Current
from mtlsd.web.shapes import ErrorBody


@attrs.frozen
class Prepared:
    """All of a listener but its port: what may fail has been done."""

    listener: Listener
    context: Context
    judge: Judge
    routes: Routes

    @property
    def name(self) -> str:
        return self.listener.name

    @classmethod
    def from_listener(
        cls, listener: Listener, judge: Judge, routes: Routes, now: Callable[[], datetime]
    ) -> Self:
        """:raises OpenSSL.SSL.Error: when OpenSSL does not take the listener's certificate or key."""
        tls = ListenerTLS(
            listener=listener.name,
            certificates=tuple(own.der for own in listener.credential.chain),
            private_key=listener.credential.key,
            client_certificate=listener.client_certificate,
            refuse_in=listener.refuse_in,
            anchors=tuple(anchor.der for group in listener.groups for anchor in group.anchors),
            strict=listener.x509_strict,
            pinned=judge.snapshot.clients.may_offer_any,
            recommended_ciphers=listener.recommended_ciphers,
        )
        return cls(listener, build_context(tls, now), judge, routes)


@attrs.define(eq=False)
class Listening:
    """A listener that is open."""

    _log = Logger()

    listener: Listener
    _port: IListeningPort
    _creator: ConnectionCreator
    _channels: ChannelFactory
    _tls: TLSServerFactory

    @classmethod
    async def open(cls, prepared: Prepared, current: Current, reactor: Any) -> Self:
        """:raises OSError: when the endpoint cannot be opened."""
        listener = prepared.listener
        creator = ConnectionCreator(listener.name, prepared.context, prepared.judge)
        channels = ChannelFactory(
            prepared.routes, reactor, limits=_limits(listener), error_body=_error_body(current)
        )
        refused = _audit_refused(current, cls._log)
        tls = TLSServerFactory(creator, channels, reactor, _connection_limits(listener), refused)
        try:
            port = await serverFromString(reactor, listener.endpoint).listen(tls)
        except CannotListenError as error:  # which is no OSError
            why: object = error.socketError
            code, text = (why.errno, why.strerror) if isinstance(why, OSError) else (None, None)
            place = f"listener {listener.name}, {listener.endpoint}"
            raise OSError(code or EADDRNOTAVAIL, text or str(why), place) from error
        if "backlog=" not in listener.endpoint:
            _lengthen_queue(port)
        return cls(listener, port, creator, channels, tls)

    @property
    def address(self) -> IAddress:
        """Where it listens."""
        return self._port.getHost()

    def has_endpoint_of(self, prepared: Prepared) -> bool:
        return self.listener.endpoint == prepared.listener.endpoint

    def swap(self, prepared: Prepared) -> None:
        """Serve new connections by `prepared`; open ones keep their context and get the new resources.

        It may have another name. The endpoint is the same: whoever asks for this has seen to it.
        """
        if prepared.name != self.listener.name:
            self._tls.rename(self._creator, prepared.name)
        self.listener = prepared.listener
        self._creator.swap(prepared.context, prepared.judge)
        self._channels.resource = prepared.routes
        self._channels.limits = _limits(prepared.listener)
        self._tls.open.limits = _connection_limits(prepared.listener)

    async def close(self, drain_seconds: float, reactor: Any) -> None:
        """Take no new connection, let the requests in flight finish, and cut what the deadline leaves."""
        await maybeDeferred(self._port.stopListening)
        drained = self._channels.drain()
        deadline = reactor.callLater(drain_seconds, self._channels.abort_all)
        await drained
        if deadline.active():
            deadline.cancel()


def kept_open(listening: Mapping[str, Listening], prepared: Sequence[Prepared]) -> dict[str, Listening]:
    """Those whose ports stay open, by their new names: where somebody listens at the same endpoint.

    Of several such endpoints, as `tcp:0` may be, it is rather that of the same name.
    """
    left, kept = dict(listening), dict[str, Listening]()
    for by_name in (True, False):
        for one in prepared:
            names = (one.name,) if by_name else tuple(left)
            same = [name for name in names if name in left and left[name].has_endpoint_of(one)]
            if same and one.name not in kept:
                kept[one.name] = left.pop(same[0])
    return kept


def _lengthen_queue(port: IListeningPort) -> None:
    """Let as many connections wait to be accepted as the system allows.

    Twisted's 50 are full at once when many come together; whoever is turned away tries again after a second.
    """
    listening = getattr(port, "socket", None)
    if isinstance(listening, socket.socket):
        listening.listen(socket.SOMAXCONN)


def _limits(listener: Listener) -> Limits:
    limits = listener.limits
    return Limits(
        header_bytes=limits.header_bytes,
        line_bytes=min(limits.header_bytes, Limits().line_bytes),
        body_bytes=limits.body_bytes,
        handshake_seconds=limits.handshake_seconds,
        request_seconds=limits.request_seconds,
        keepalive_seconds=limits.keepalive_seconds,
    )


def _connection_limits(listener: Listener) -> ConnectionLimits:
    return ConnectionLimits(listener.limits.connections, listener.limits.connections_per_address)


def _error_body(current: Current) -> ErrorBody:
    """The body of an answer that the channel gives by itself, before any resource, and its event."""

    def body(refusal: Refusal, transport: object) -> tuple[HeaderList, bytes]:
        correlation_id = current.random_id()
        current.audit("request.refused", refused_facts(refusal, correlation_id, transport))
        headers: HeaderList = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        return headers, error_json(refusal, correlation_id)

    return body


def _audit_refused(current: Current, log: Logger) -> Callable[[Peer, Refusal], None]:
    def refused(peer: Peer, refusal: Refusal) -> None:
        facts: dict[str, Fact] = {
            "correlation_id": current.random_id(),
            "reason": refusal.reason.code,
            "listener": peer.listener,
            "address": peer.address,
        }
        said = refusal.facts_beside({} if peer.claimed is None else peer.claimed.facts())
        current.audit("handshake.refused", {**facts, **said})
        if peer.fault is not None:
            log.error("handshake.fault {fault!r} {correlation_id}", fault=peer.fault, **facts)

    return refused
