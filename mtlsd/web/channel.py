"""The lean HTTP/1.1 channel: one connection's requests, one after the other, under deadlines.

It runs over TLS (Twisted's TLSMemoryBIOProtocol) or plain TCP and hands requests to ordinary twisted.web
resources. The states, and what ends each:

============ ============================== ===================================== ===========================
state        what is going on               goes on to                            its deadline
============ ============================== ===================================== ===========================
HANDSHAKE    TLS is not established         IDLE when it completes                absolute; then abort
IDLE         between requests               RECEIVING with the first byte         keep-alive; then close
RECEIVING    a request has begun            RESPONDING when it is complete        absolute; then 408 and close
RESPONDING   a resource works               IDLE, or CLOSING after the last one   none: it is the resource's
CLOSING      the last answer is on its way  CLOSED                                linger; then abort
CLOSED       the connection is gone         nowhere                               none
============ ============================== ===================================== ===========================

While the peer leaves answers unread (``_unread``) no request is begun, and the deadline is that of writing.
"""

from __future__ import annotations

import enum
from typing import cast

from twisted.internet.interfaces import IDelayedCall, IHandshakeListener, IPushProducer, ISSLTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.error import UnsupportedMethod
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.tls.peer import Peer, peer_of
from mtlsd.web.deadline import Deadline
from mtlsd.web.http11 import Head, RequestParser
from mtlsd.web.reply import Reply
from mtlsd.web.request import Request
from mtlsd.web.response import CLOSE, CONTINUE, HeaderList, field_line, json_error, status_line
from mtlsd.web.shapes import Owner, WebResource, Wire, find_resource


class State(enum.Enum):
    HANDSHAKE = enum.auto()
    IDLE = enum.auto()
    RECEIVING = enum.auto()
    RESPONDING = enum.auto()
    CLOSING = enum.auto()
    CLOSED = enum.auto()


@implementer(IHandshakeListener, IPushProducer)
class Channel(Protocol):
    """One connection.

    :ivar secure: it runs over TLS.
    :ivar handshake_complete: possession of the client certificate's key is proven, if there is one; always
        True over plain TCP, where there is nothing to wait for.
    :ivar timed_out: mtlsd ended the connection because a deadline had passed.
    """

    _log = Logger()

    secure = False
    handshake_complete = False
    timed_out = False
    client_peer: Peer | None = None  # looked up once, for all requests

    _state = State.HANDSHAKE
    _request: Request | None = None
    _serving = False  # _serve() is running further up the stack
    _paused = False  # we told the transport to stop reading
    _unread = False  # the transport told us to stop writing
    _producing = False  # we are registered with the transport as producer
    _draining = False
    _handshake_at = 0.0
    _answered = False
    _wire: Wire  # the transport, from connectionMade on

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._clock = owner.clock
        self._limits = owner.limits
        self._deadline = Deadline(owner.clock, self._give_up)
        self._parser = RequestParser(owner.limits, owner.heads)
        self.date_line = owner.date_line

    @property
    def site(self) -> Owner:
        """What twisted.web's resources know as the request's site."""
        return self._owner

    def is_secure(self) -> bool:
        return self.secure

    # -- the connection --------------------------------------------------------------------------------------

    def connectionMade(self) -> None:
        wire = self._wire = cast(Wire, self.transport)
        no_delay = getattr(wire, "setTcpNoDelay", None)
        if no_delay is not None:  # Nagle's algorithm and delayed ACK cost 40 ms at the end of every handshake
            no_delay(True)
        self.secure = bool(ISSLTransport.providedBy(wire))
        self._owner.opened(self)
        if self.secure:
            self._deadline.set(self._limits.handshake_seconds)
        else:
            self._established()
        self._producing = True
        wire.registerProducer(self, True)
        self._owner.observer.connection_made(self)

    def handshakeCompleted(self) -> None:
        """Hear from TLS that the handshake is complete; it may say so again."""
        if self._state is State.HANDSHAKE:
            self._established()
            self._owner.observer.handshake_completed(self)

    def _established(self) -> None:
        self.handshake_complete = True
        self.client_peer = peer_of(self.transport)
        self._handshake_at = self._clock.seconds()
        self._state = State.IDLE
        self._await_request()

    def dataReceived(self, data: bytes) -> None:
        state = self._state
        if state is State.CLOSING or state is State.CLOSED:
            return
        self._parser.feed(data)
        if state is not State.RESPONDING and not self._unread:
            self._serve()
        elif self._parser.buffered > self._limits.pipelined_bytes and not self._paused:
            self._paused = True
            self._wire.pauseProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._state = State.CLOSED
        self._deadline.cancel()
        request, self._request = self._request, None
        try:
            if request is not None:
                request.connectionLost(reason)
            self._owner.observer.connection_lost(self, reason, self.handshake_complete, self.timed_out)
        finally:
            self._owner.closed(self)  # last, so that all is told before a drain is over

    # -- requests, one after the other -----------------------------------------------------------------------

    def _serve(self) -> None:
        """Answer what has arrived, until a request is incomplete or its resource needs time."""
        if self._serving:
            return
        self._serving = True
        try:
            while (self._state is State.IDLE or self._state is State.RECEIVING) and not self._unread:
                complete = self._parser.next_request()
                if complete is None:
                    self._await_request()
                    break
                self._dispatch(*complete)
        except Refusal as refusal:
            self._refuse(refusal)
        finally:
            self._serving = False

    def _await_request(self) -> None:
        """Wait for the next request, or for the rest of one."""
        if self._paused:
            self._resume_reading()
        if self._parser.started:
            if self._state is not State.RECEIVING:
                self._state = State.RECEIVING
                self._deadline.set(self._limits.request_seconds)
            if self._parser.awaits_continue():
                self.write(CONTINUE)
        else:
            self._state = State.IDLE
            self._deadline.set(self._drain_seconds() if self._draining else self._limits.keepalive_seconds)

    def _dispatch(self, head: Head, body: bytes) -> None:
        self._state = State.RESPONDING
        request = self._request = Request(self, head, body, head.keep_alive and not self._draining)
        try:
            answer = self._render(find_resource(self._owner.resource, request), request)
            if isinstance(answer, bytes):
                request.finish_with(answer)
            elif answer == NOT_DONE_YET:
                self._let_work(request)
            else:
                raise TypeError(f"the resource answered with a {type(answer).__name__}")
        except Refusal as refusal:
            self._answer(request, refusal)
        except Exception:
            self.request_failed(request, Failure())

    def _let_work(self, request: Request) -> None:
        """Leave a request to its resource, which may have finished it already."""
        request.flush()
        if self._state is State.RESPONDING and not self._unread:
            self._deadline.lift()

    def _render(self, resource: WebResource, request: Request) -> object:
        try:
            return resource.render(request)
        except UnsupportedMethod as unsupported:
            allowed: list[bytes] = list(unsupported.allowedMethods)
            if request.method == b"HEAD" and b"GET" in allowed:
                request.method = b"GET"  # RFC 9110 section 9.3.2; the body is still left out
                return resource.render(request)
            self._answer(request, Refusal(reasons.REQUEST_METHOD), ((b"Allow", b", ".join(allowed)),))
            return NOT_DONE_YET

    # -- what a request asks of its channel ------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        if self._state is not State.CLOSED:
            self._wire.write(data)

    def write_soon(self, reply: Reply) -> IDelayedCall | None:
        """Have what an answer holds sent in the reactor's next turn, unless it is finished first."""
        return None if self._serving else self._clock.callLater(0, reply.flush)

    def request_done(self, reply: Reply) -> None:
        """Go on after an answer that is complete."""
        self._request = None
        if self._state is not State.RESPONDING:
            return
        self._answered = True
        if not reply.keep_alive:
            self._close()
            return
        self._state = State.IDLE
        if not self._serving:
            self._serve()

    def request_failed(self, reply: Reply, failure: Failure) -> None:
        """Answer 500 for a resource that failed; what went wrong is for the log alone."""
        request = self._request
        self._log.failure("request.failed {path!r}", failure, path=request and request.path)
        if request is not None and request is reply:
            self._answer(request, Refusal(reasons.SERVER_INTERNAL))

    # -- answers of the channel's own ------------------------------------------------------------------------

    def _answer(self, request: Request, refusal: Refusal, more: HeaderList = ()) -> None:
        headers, body = self._error_body(refusal)
        request.refuse(refusal.reason.status, (*headers, *more), body)

    def _refuse(self, refusal: Refusal) -> None:
        """Answer what cannot be read as a request, and close: nobody knows where the next one would begin."""
        self._log.debug(
            "request.refused {reason} {facts} {peer}",
            reason=refusal.reason.code,
            facts=dict(refusal.facts),
            peer=self.transport and self.transport.getPeer(),
        )
        headers, body = self._error_body(refusal)
        status = status_line(refusal.reason.status, None)
        lines = [field_line(name, value) for name, value in headers]
        length = b"Content-Length: %d\r\n" % len(body)
        self.write(b"".join((status, self.date_line(), length, CLOSE, *lines, b"\r\n", body)))
        self._close(input_pending=True)

    def _error_body(self, refusal: Refusal) -> tuple[HeaderList, bytes]:
        try:
            return self._owner.error_body(refusal, self.transport)
        except Exception:
            self._log.failure("request.error_body_failed")
            return json_error(refusal, self.transport)

    # -- how it ends -----------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Take no more work than is under way: a request that has begun is answered, with Connection: close.

        An idle connection still answers a request that arrives within a short grace: it was on its way.
        """
        self._draining = True
        if self._request is not None:
            self._request.keep_alive = False
        elif self._state is State.IDLE and not self._unread:
            self._deadline.set(self._drain_seconds())

    def abort(self) -> None:
        """Cut the connection now; the peer sees a reset."""
        if self._state is State.CLOSED:
            return
        self._state = State.CLOSING
        self._deadline.cancel()
        self._wire.abortConnection()

    def _close(self, input_pending: bool = False) -> None:
        """Close so that the last answer arrives (RFC 9112 section 9.6).

        :param input_pending: the peer may still be sending. Closing a TCP socket with unread input resets it,
            and the reset overtakes the answer: close only our half then, and read on. Over TLS Twisted sends
            close_notify and reads on by itself.
        """
        self._state = State.CLOSING
        self._deadline.set(self._limits.linger_seconds)
        self._resume_reading()
        self._unregister()
        lose_write = getattr(self._wire, "loseWriteConnection", None)
        if input_pending and not self.secure and lose_write is not None:
            lose_write()
        else:
            self._wire.loseConnection()

    def _drain_seconds(self) -> float:
        """How long an idle connection is still given; longer when its first request must be on its way."""
        grace = self._limits.drain_seconds
        if self._answered:
            return grace
        return max(grace, self._handshake_at + self._limits.first_request_seconds - self._clock.seconds())

    # -- the transport's side of back pressure ---------------------------------------------------------------

    def pauseProducing(self) -> None:
        """Hear from the transport that the peer leaves answers unread."""
        self._unread = True
        self._deadline.set(self._limits.write_seconds)

    def resumeProducing(self) -> None:
        """Hear from the transport that the peer has read the answers."""
        self._unread = False
        if self._state is State.RESPONDING:
            self._deadline.lift()
        elif self._state is State.RECEIVING:
            self._deadline.set(self._limits.request_seconds)
        if self._state is not State.CLOSING:
            self._serve()

    def stopProducing(self) -> None:
        """Hear from the transport that it is gone; connectionLost says the same."""

    def _resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            self._wire.resumeProducing()

    def _unregister(self) -> None:
        if self._producing:
            self._producing = False
            self._wire.unregisterProducer()

    def _give_up(self) -> None:
        """End what has taken too long."""
        state = self._state
        drained = self._draining and state is State.IDLE
        self.timed_out = self.timed_out or not (drained or state is State.CLOSING)
        if self._unread or state is State.HANDSHAKE or state is State.CLOSING:
            self.abort()
        elif state is State.RECEIVING:
            self._refuse(Refusal(reasons.REQUEST_TIMEOUT))
        elif state is State.IDLE:
            self._close()
