"""What stands between a listener's port and its channels: the header of a proxy, TLS, and limits.

Which of them there are may change with a reload, while the port stays open.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import attrs
from OpenSSL.SSL import Context
from twisted.internet.interfaces import IAddress, IProtocol
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger

from mtlsd.config.model import Listener
from mtlsd.errors import Fact, Refusal
from mtlsd.forwarded.connection import HeaderFactory
from mtlsd.service.other_users import OtherUsers
from mtlsd.tls.context import ClientCertificate, ListenerTLS, build_context
from mtlsd.tls.factory import ConnectionCreator, TLSServerFactory, TLSServerProtocol
from mtlsd.tls.limits import ConnectionLimits
from mtlsd.tls.peer import Peer
from mtlsd.verdicts import Judge
from mtlsd.web.answers import error_json
from mtlsd.web.door import Door
from mtlsd.web.factory import ChannelFactory
from mtlsd.web.limits import Limits
from mtlsd.web.observer import Connection
from mtlsd.web.refused import refused_facts
from mtlsd.web.response import HeaderList
from mtlsd.web.serving import Current
from mtlsd.web.shapes import ErrorBody


@attrs.frozen
class PreparedTLS:
    """How a listener speaks TLS.

    :ivar judge: of whoever connects; None where nobody is asked for a certificate.
    :ivar of_proxies: whether a proxy connects, in its clients' place.
    """

    context: Context
    judge: Judge | None
    of_proxies: bool


def prepare_tls(
    listener: Listener, judge: Judge, proxy_judge: Judge | None, now: Callable[[], datetime]
) -> PreparedTLS:
    """:raises OpenSSL.SSL.Error: when OpenSSL does not take the listener's certificate or key."""
    assert listener.credential is not None  # or it speaks no TLS
    of_proxies = listener.forwarding is not None
    judge_here = proxy_judge if of_proxies else judge
    groups = listener.proxy_groups if of_proxies else listener.groups
    tls = ListenerTLS(
        listener=listener.name,
        certificates=tuple(own.der for own in listener.credential.chain),
        private_key=listener.credential.key,
        client_certificate=_asked(listener),
        refuse_in="handshake" if of_proxies else listener.refuse_in,
        anchors=tuple(anchor.der for group in groups for anchor in group.anchors),
        strict=listener.x509_strict,
        pinned=judge_here is not None and judge_here.snapshot.clients.may_offer_any,
        recommended_ciphers=listener.recommended_ciphers,
    )
    return PreparedTLS(build_context(tls, now), judge_here, of_proxies)


def _asked(listener: Listener) -> ClientCertificate:
    """What is demanded of whoever connects."""
    if listener.forwarding is not None:
        return "none" if listener.forwarding.proxies is None else "required"
    return "required" if listener.client_certificate == "forwarded" else listener.client_certificate


class Front(ServerFactory[Any]):
    """The factory that a listener's port asks for protocols.

    :ivar channels: those behind, whatever stands before them.
    """

    noisy = False
    _log = Logger()

    def __init__(
        self, listener: Listener, tls: PreparedTLS | None, door: Door, current: Current, reactor: Any
    ) -> None:
        self._others = OtherUsers(self._admit)
        self.channels = ChannelFactory(
            door,
            reactor,
            limits=_limits(listener),
            observer=self._others,
            error_body=_error_body(current, lambda: self._listener.name),
        )
        self._listener = listener
        self._reactor = reactor
        self._refused = _audit_refused(current, self._log)
        self._tls: TLSServerFactory | None = None
        self._headers = HeaderFactory(self._behind, reactor, _audit_header(current, lambda: self._listener))
        self._take(listener, tls)

    def swap(self, listener: Listener, tls: PreparedTLS | None, door: Door) -> None:
        """Serve new connections by other rules; open ones keep their context and get the new resources.

        The listener may have another name. The endpoint is the same: whoever asks for this has seen to it.
        """
        self.channels.resource = door
        self.channels.limits = _limits(listener)
        self._take(listener, tls)

    def _take(self, listener: Listener, tls: PreparedTLS | None) -> None:
        self._listener = listener
        self._tls = None if tls is None else self._speaking(listener, tls)
        self._others.uids = None if listener.forwarding is None else listener.forwarding.proxy_uids
        if listener.proxy_protocol is not None:
            self._headers.take(
                listener.proxy_protocol.version,
                listener.proxy_protocol.networks,
                uids=self._others.uids,
                seconds=listener.limits.handshake_seconds,
                most=listener.limits.connections,
            )

    def _speaking(self, listener: Listener, tls: PreparedTLS) -> TLSServerFactory:
        limits = _connection_limits(listener)
        if self._tls is None:
            creator = ConnectionCreator(listener.name, tls.context, tls.judge, tls.of_proxies)
            return TLSServerFactory(creator, self.channels, self._reactor, limits, self._refused)
        self._tls.take(listener.name, tls.context, tls.judge, of_proxies=tls.of_proxies)
        self._tls.open.limits = limits
        return self._tls

    def buildProtocol(self, addr: IAddress | None) -> IProtocol | None:
        """None where there are too many connections; then Twisted closes the socket."""
        passed_on = self._listener.proxy_protocol is not None
        return self._headers.buildProtocol(addr) if passed_on else self._behind(addr)

    def _admit(self, channel: Connection) -> None:
        """A proxy is one address for everybody; who has not completed the handshake may be anybody."""
        if self._tls is not None and self._listener.forwarding is not None:
            transport = channel.transport
            if isinstance(transport, TLSServerProtocol):
                self._tls.admit(transport)

    def _behind(self, addr: IAddress | None) -> IProtocol | None:
        """For a connection from this address, be it the connection's own or one that a proxy tells."""
        if self._tls is not None:
            return self._tls.buildProtocol(addr)
        # A proxy on this machine is one address for everybody
        full = len(self.channels.channels) >= self._listener.limits.connections
        return None if full else self.channels.buildProtocol(addr)


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


def _error_body(current: Current, listener: Callable[[], str]) -> ErrorBody:
    """The body of an answer that the channel gives by itself, before any resource, and its event.

    :param listener: its name, which a connection without TLS does not know.
    """

    def body(refusal: Refusal, transport: object) -> tuple[HeaderList, bytes]:
        correlation_id = current.random_id()
        facts: dict[str, Fact] = {"listener": listener(), **refused_facts(refusal, correlation_id, transport)}
        current.audit("request.refused", facts)
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
        if peer.is_proxy:
            facts["role"] = "proxy"  # what is to be mended is not a client, but the listener or its proxy
        said = refusal.facts_beside({} if peer.claimed is None else peer.claimed.facts())
        current.audit("handshake.refused", {**facts, **said})
        if peer.fault is not None:
            log.error("handshake.fault {fault!r} {correlation_id}", fault=peer.fault, **facts)

    return refused


def _audit_header(current: Current, listener: Callable[[], Listener]) -> Callable[[str, Refusal], None]:
    """Told of every connection whose header of a proxy was refused, and the address it came from."""

    def refused(address: str, refusal: Refusal) -> None:
        facts: dict[str, Fact] = {
            "correlation_id": current.random_id(),
            "reason": refusal.reason.code,
            "listener": listener().name,
            "address": address,
        }
        current.audit("forwarding.refused", {**facts, **refusal.facts})

    return refused
