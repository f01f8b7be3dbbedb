"""The answer to one request: what a resource says, framed as RFC 9112 section 6 has it.

It goes out in a single write when ``finish`` follows ``write`` within one turn of the reactor, with
Content-Length set; a longer one is sent chunked, or with the Content-Length that the resource set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, ITransport
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers

from mtlsd.web.response import CHUNKED, CLOSE, LAST_CHUNK, HeaderList, chunk, field_line, status_line

_HELD_BYTES = 65536  # how much of a body without Content-Length waits for finish(), to go out in one write
_BODILESS = frozenset({204, 304})  # RFC 9110 section 6.4.1
_FRAMING = frozenset({b"transfer-encoding", b"content-length"})


class Carrier(Protocol):
    """What a request and its answer need of the connection."""

    @property
    def site(self) -> object: ...

    @property
    def transport(self) -> ITransport | None: ...

    @property
    def client_peer(self) -> object: ...

    def date_line(self) -> bytes: ...

    def is_secure(self) -> bool: ...

    def write(self, data: bytes) -> None: ...

    def write_soon(self, reply: Reply) -> IDelayedCall | None: ...

    def request_done(self, reply: Reply) -> None: ...

    def request_failed(self, reply: Reply, failure: Failure) -> None: ...

    def abort(self) -> None: ...


class Reply:
    """The half of a request that is written, with the names of :class:`twisted.web.server.Request`.

    :ivar keep_alive: whether the connection goes on after the answer; only ever turned from True to False.
    """

    code = 200
    code_message: bytes | None = None
    finished = 0
    startedWriting = 0
    sentLength = 0

    _held = b""
    _chunked = False
    _promised: int | None = None  # the Content-Length already sent
    _disconnected: Failure | None = None
    _flush_call: IDelayedCall | None = None
    _notifications: list[Deferred[None]] | None = None
    _response_headers: Headers | None = None

    def __init__(self, channel: Carrier, keep_alive: bool, head_only: bool, modern: bool) -> None:
        """
        :param head_only: HEAD was asked for.
        :param modern: the client knows chunked, as HTTP/1.1 has it.
        """
        self.channel = channel
        self.keep_alive = keep_alive
        self._head_only = head_only
        self._modern = modern
        self._lines: dict[bytes, bytes] = {}

    @property
    def responseHeaders(self) -> Headers:
        """The fields of the answer as twisted.web has them; :meth:`setHeader` alone is cheaper."""
        headers = self._response_headers
        if headers is None:
            headers = self._response_headers = Headers()
            for line in self._lines.values():
                name, _, value = line[:-2].partition(b": ")
                headers.setRawHeaders(name, [value])
        return headers

    def setResponseCode(self, code: int, message: bytes | None = None) -> None:
        self.code = code
        self.code_message = message

    def setHeader(self, name: bytes, value: bytes) -> None:
        """Set a field of the answer, in place of one of the same name.

        :raises ValueError: it would write more than this one field.
        """
        if self._response_headers is not None:
            self._response_headers.setRawHeaders(name, [value])
        else:
            self._lines[name.lower()] = field_line(name, value)

    def set_lines(self, lines: Mapping[bytes, bytes]) -> None:
        """Set fields whose lines are written already.

        :param lines: by the name in lower case, as :func:`mtlsd.web.response.field_line` makes them.
        """
        if self._response_headers is None:
            self._lines.update(lines)
            return
        for line in lines.values():
            self.setHeader(*line[:-2].split(b": ", 1))

    def write(self, data: bytes) -> None:
        """Add to the body. Once the client has gone away nothing happens."""
        if self.finished:
            raise RuntimeError("write() after finish()")
        if self._disconnected is not None:
            return
        if self.startedWriting:
            self._send_part(data)
            return
        self._held += data
        if len(self._held) > _HELD_BYTES:
            self._cancel_flush()
            self.flush()
        elif self._flush_call is None:
            self._flush_call = self.channel.write_soon(self)

    def flush(self) -> None:
        """Send what is held: more may be long in coming."""
        self._flush_call = None
        if self.startedWriting or self._disconnected is not None or self.finished or not self._held:
            return
        held, self._held = self._held, b""
        self.channel.write(self._compose_head(None))
        self._send_part(held)

    def finish(self) -> None:
        """Complete the answer. Once the client has gone away nothing happens."""
        if self.finished:
            raise RuntimeError("finish() after finish()")
        if self._flush_call is not None:
            self._cancel_flush()
        if self._disconnected is not None:
            self.finished = 1
            return
        if self.startedWriting:
            self._end_parts()
        else:
            self._send_whole(self._held)
        self.finished = 1  # not before: an answer that cannot be put together can still be a 500
        self.channel.request_done(self)
        if self._notifications is not None:
            self._notify(None)

    def finish_with(self, body: bytes) -> None:
        """Answer with this body and finish."""
        self._held = body
        self.finish()

    def refuse(self, status: int, headers: HeaderList, body: bytes) -> None:
        """Answer with an error in place of whatever the resource had begun to say."""
        if self.finished or self._disconnected is not None:
            return
        if self.startedWriting:
            self.channel.abort()  # a half-sent answer cannot be taken back, only be left visibly incomplete
            return
        self._lines, self._response_headers = {}, None
        self.setResponseCode(status)
        for name, value in headers:
            self.setHeader(name, value)
        self.finish_with(body)

    def processingFailed(self, failure: Failure) -> Failure:
        """Answer 500 without telling why; the failure is logged."""
        self.channel.request_failed(self, failure)
        return failure

    # -- how it ends ---------------------------------------------------------------------------------------

    def notifyFinish(self) -> Deferred[None]:
        """Give a Deferred that fires when the answer is complete, and fails when the client goes away."""
        waiting: Deferred[None] = Deferred()
        if self._notifications is None:
            self._notifications = []
        self._notifications.append(waiting)
        return waiting

    def connectionLost(self, reason: Failure) -> None:
        """Hear from the channel that the client has gone away."""
        self._disconnected = reason
        self._cancel_flush()
        self._notify(reason)

    def _notify(self, reason: Failure | None) -> None:
        notifications, self._notifications = self._notifications or [], None
        for waiting in notifications:
            if reason is None:
                waiting.callback(None)
            else:
                waiting.errback(reason)

    def _cancel_flush(self) -> None:
        call, self._flush_call = self._flush_call, None
        if call is not None and call.active():
            call.cancel()

    # -- bytes ---------------------------------------------------------------------------------------------

    def _send_whole(self, body: bytes) -> None:
        head = self._compose_head(len(body))
        if self._head_only or self.code in _BODILESS:
            self.channel.write(head)
        else:
            self.sentLength = len(body)
            self.channel.write(head + body)

    def _send_part(self, data: bytes) -> None:
        if self._head_only or self.code in _BODILESS or not data:
            return
        self.sentLength += len(data)
        if self._promised is not None and self.sentLength > self._promised:
            self.channel.abort()
            raise RuntimeError("the body is longer than the Content-Length that was set")
        self.channel.write(chunk(data) if self._chunked else data)

    def _end_parts(self) -> None:
        bodiless = self._head_only or self.code in _BODILESS
        if self._promised is not None and self.sentLength < self._promised and not bodiless:
            self.channel.abort()
        elif self._chunked and not bodiless:
            self.channel.write(LAST_CHUNK)

    def _compose_head(self, length: int | None) -> bytes:
        """Put the head together; a length of None is that of a body whose end is not known yet."""
        lines = self._lines if self._response_headers is None else _lines_of(self._response_headers)
        parts = [status_line(self.code, self.code_message), self.channel.date_line()]
        if b"connection" in lines and b"close" in lines.pop(b"connection").lower():
            self.keep_alive = False
        parts += self._framing(lines, length)
        if not self.keep_alive:
            parts.append(CLOSE)
        parts += lines.values()
        parts.append(b"\r\n")
        self.startedWriting = 1
        return b"".join(parts)

    def _framing(self, lines: dict[bytes, bytes], length: int | None) -> list[bytes]:
        """Say how long the body is (RFC 9112 section 6); the resource's own word is taken out."""
        if length is not None and lines.keys().isdisjoint(_FRAMING) and self.code not in _BODILESS:
            return [b"Content-Length: %d\r\n" % length]  # as nearly always
        lines.pop(b"transfer-encoding", None)
        declared = lines.pop(b"content-length", None)
        if self.code in _BODILESS:
            return []
        if self._head_only and declared is not None and not length:
            return [declared]
        if length is not None:
            return [b"Content-Length: %d\r\n" % length]
        if declared is not None:
            self._promised = int(declared.partition(b":")[2])
            return [declared]
        if self._modern:
            self._chunked = True
            return [CHUNKED]
        self.keep_alive = False
        return []


def _lines_of(headers: Headers) -> dict[bytes, bytes]:
    return {
        name.lower(): b"".join(field_line(name, value) for value in values)
        for name, values in headers.getAllRawHeaders()
    }
