"""The HTTP/1.1 channel: deadlines, order, and how connections end. No socket, no sleep."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.logger import LogEvent, capturedLogs
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import directlyProvides

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.web.channel import Channel
from mtlsd.web.factory import ChannelFactory
from mtlsd.web.limits import Limits
from mtlsd.web.observer import Connection
from mtlsd.web.request import Request
from tests.unit.web.malformed import MALFORMED

GET = b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n"
DONE = Failure(ConnectionDone())


def post(body: bytes, path: bytes = b"/echo", fields: bytes = b"") -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: a\r\n%bContent-Length: %d\r\n\r\n%b" % (path, fields, len(body), body)


@attrs.define(slots=False, eq=False)
class _Render(Resource):
    isLeaf = True

    answer: Callable[[Request], bytes | int]

    def render(self, request: Request) -> bytes | int:
        return self.answer(request)


class _Pages(Resource):
    isLeaf = True

    def __init__(self) -> None:
        Resource.__init__(self)

    def render_GET(self, request: Request) -> bytes:
        request.setHeader(b"Content-Type", b"text/plain")
        return b"page"


class Transport:
    """A transport that remembers how it was used."""

    def __init__(self, tls: bool) -> None:
        self.writes: list[bytes] = []
        self.aborted = self.disconnecting = self.half_closed = self.paused = False
        self.no_delay: bool | None = None
        self.producer: object = None
        if tls:
            directlyProvides(self, ISSLTransport)

    def write(self, data: bytes) -> None:
        assert not self.closing
        self.writes.append(data)

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.no_delay = enabled

    def registerProducer(self, producer: object, streaming: bool) -> None:
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        assert not self.closing
        self.paused = False

    def loseConnection(self) -> None:
        assert self.producer is None  # or Twisted would wait for it
        self.disconnecting = True

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    def abortConnection(self) -> None:
        self.aborted = True

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", "192.0.2.1", 54321)

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "192.0.2.2", 443)

    def value(self) -> bytes:
        return b"".join(self.writes)

    @property
    def closing(self) -> bool:
        return self.disconnecting or self.half_closed


@attrs.define
class Observer:
    """An observer that writes down what it hears."""

    heard: list[tuple[object, ...]] = attrs.field(factory=list)
    refuse: bool = False

    def connection_made(self, channel: Connection) -> None:
        self.heard.append(("made",))
        if self.refuse:
            channel.abort()

    def handshake_completed(self, channel: Connection) -> None:
        self.heard.append(("handshake",))

    def connection_lost(
        self, channel: Connection, reason: Failure, handshake_was_complete: bool, timed_out: bool
    ) -> None:
        self.heard.append(("lost", handshake_was_complete, timed_out))


class ChannelCase:
    """A factory under a clock that stands still, and resources to ask."""

    limits = Limits(pipelined_bytes=1000)

    def setup_method(self) -> None:
        self.clock = Clock()
        self.observer = Observer()
        self.waiting: list[Request] = []
        self.served: list[bytes] = []
        root = Resource()
        root.putChild(b"echo", _Render(self.echo))
        root.putChild(b"wait", _Render(self.wait))
        root.putChild(b"fail", _Render(self.fail))
        root.putChild(b"page", _Pages())
        self.factory = ChannelFactory(
            root, self.clock, limits=self.limits, observer=self.observer, now=lambda: 784111777.5
        )

    def echo(self, request: Request) -> bytes:
        body = request.content.read()
        self.served.append(body)
        return body

    def wait(self, request: Request) -> int:
        self.waiting.append(request)
        return NOT_DONE_YET

    def fail(self, request: Request) -> bytes:
        raise RuntimeError("secret")

    def connect(self, tls: bool = False) -> tuple[Channel, Transport]:
        channel = self.factory.buildProtocol(None)
        transport = Transport(tls)
        Protocol.makeConnection(channel, transport)
        return channel, transport

    def answers(self, transport: Transport) -> list[tuple[int, dict[str, str], bytes]]:
        """Take apart what was written, by the Content-Length of each answer."""
        data, answers = transport.value(), []
        while data:
            head, _, data = data.partition(b"\r\n\r\n")
            line, *fields = head.decode().split("\r\n")
            headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
            length = int(headers.get("content-length", "0"))
            answers.append((int(line.split(" ")[1]), headers, data[:length]))
            data = data[length:]
        transport.writes.clear()
        return answers

    def failures(self, logged: Sequence[LogEvent]) -> list[type[BaseException]]:
        """Take the failures out of what was logged."""
        return [event["log_failure"].type for event in logged if "log_failure" in event]

    def status(self, transport: Transport) -> list[int]:
        return [status for status, _, _ in self.answers(transport)]


class TestAnswer(ChannelCase):
    """What goes out for what came in."""

    def test_one_write_an_answer(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(post(b"hello"))
        assert transport.writes == [
            b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 5\r\n\r\nhello"
        ]
        assert not transport.closing
        assert transport.no_delay is True

    def test_keep_alive_and_pipelining_keep_the_order(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(post(b"1") + post(b"2") + post(b"3")[:-1])
        channel.dataReceived(b"3" + post(b"4"))
        assert [body for _, _, body in self.answers(transport)] == [b"1", b"2", b"3", b"4"]

    def test_the_next_request_waits_for_the_answer(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(post(b"", b"/wait") + post(b"next"))
        assert self.served == []
        self.waiting[0].write(b"first")
        self.waiting[0].finish()
        assert [body for _, _, body in self.answers(transport)] == [b"first", b"next"]

    def test_a_thousand_pipelined_requests_do_not_recurse(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(GET * 2000)
        assert self.status(transport) == [200] * 2000

    def test_connection_close(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(post(b"1", fields=b"Connection: close\r\n") + post(b"2"))
        ((_, headers, body),) = self.answers(transport)
        assert (headers["connection"], body, self.served) == ("close", b"1", [b"1"])
        assert transport.disconnecting

    def test_http_1_0_closes(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(b"GET /echo HTTP/1.0\r\n\r\n")
        assert self.status(transport) == [200]
        assert transport.disconnecting

    def test_a_resource_may_close(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(post(b"", b"/wait"))
        self.waiting[0].setHeader(b"Connection", b"close")
        self.waiting[0].finish()
        ((_, headers, _),) = self.answers(transport)
        assert headers["connection"] == "close"
        assert transport.disconnecting

    def test_head_has_the_length_and_no_body(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(b"HEAD /page/ HTTP/1.1\r\nHost: a\r\n\r\n")
        value = transport.value()
        assert b"Content-Length: " in value
        assert value.endswith(b"\r\n\r\n")

    def test_method_that_the_resource_does_not_have(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(b"PUT /page HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
        (status, headers, body), (after, _, _) = self.answers(transport)
        assert (status, after) == (405, 200)
        assert set(headers["allow"].split(", ")) == {"GET", "HEAD"}
        assert json.loads(body)["error"] == "invalid_request"

    def test_continue(self) -> None:
        """RFC 9110 section 10.1.1: 100 goes out once the head is there, and only if the body is not."""
        channel, transport = self.connect()
        data = post(b"hello", fields=b"Expect: 100-continue\r\n")
        channel.dataReceived(data[:-5])
        assert transport.writes == [b"HTTP/1.1 100 Continue\r\n\r\n"]
        channel.dataReceived(data[-5:] + data)
        assert self.status(transport) == [100, 200, 200]

    def test_chunked_request(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(
            b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"
        )
        channel.dataReceived(b"1\r\nc\r\n0\r\nT: x\r\n\r\n" + GET)
        assert [body for _, _, body in self.answers(transport)] == [b"abc", b""]

    def test_no_server_header(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(GET)
        assert b"server" not in transport.value().lower()

    def test_a_streamed_answer_is_chunked(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(post(b"", b"/wait") + GET)
        self.waiting[0].write(b"one")
        self.clock.advance(0)
        self.waiting[0].write(b"two two two")
        self.waiting[0].finish()
        head, _, body = transport.value().partition(b"\r\n\r\n")
        assert b"Transfer-Encoding: chunked" in head
        assert body.startswith(b"3\r\none\r\nb\r\ntwo two two\r\n0\r\n\r\nHTTP/1.1 200")

    def test_a_streamed_answer_to_http_1_0_ends_with_the_connection(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(b"GET /wait HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        self.waiting[0].write(b"one")
        self.clock.advance(0)
        self.waiting[0].finish()
        assert transport.value().endswith(b"Connection: close\r\n\r\none")
        assert transport.disconnecting

    def test_a_streamed_answer_with_its_length(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(post(b"", b"/wait"))
        self.waiting[0].responseHeaders.setRawHeaders(b"Content-Length", [b"6"])
        self.waiting[0].write(b"one")
        self.clock.advance(0)
        self.waiting[0].write(b"two")
        self.waiting[0].finish()
        assert [body for _, _, body in self.answers(transport)] == [b"onetwo"]

    def test_a_streamed_answer_that_is_too_short_is_cut(self) -> None:
        """A client must not take half an answer for a whole one, nor the next for the rest of it."""
        channel, transport = self.connect()
        channel.dataReceived(post(b"", b"/wait"))
        self.waiting[0].setHeader(b"Content-Length", b"6")
        self.waiting[0].write(b"one")
        self.clock.advance(0)
        self.waiting[0].finish()
        assert transport.aborted

    def test_no_content(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(post(b"", b"/wait"))
        self.waiting[0].setResponseCode(204)
        self.waiting[0].finish()
        assert transport.value().startswith(b"HTTP/1.1 204 No Content\r\n")
        assert b"Content-Length" not in transport.value()

    def test_a_resource_cannot_be_made_to_split_the_answer(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(post(b"", b"/wait"))
        request = self.waiting[0]
        for name, value in ((b"X", b"a\r\nSet-Cookie: b"), (b"X\r\nY", b"a"), (b"X", b"\0"), (b"", b"a")):
            with pytest.raises(ValueError, match="not a header field"):
                request.setHeader(name, value)
        request.setResponseCode(200, b"a\r\nb")
        with pytest.raises(ValueError, match="line breaks"):
            request.finish()
        request.processingFailed(Failure(ValueError()))
        assert self.status(transport) == [500]


class TestRequest(ChannelCase):
    """The names that resources of twisted.web use."""

    def test_names(self) -> None:
        channel, transport = self.connect(tls=True)
        channel.handshakeCompleted()
        channel.dataReceived(
            b"GET /wait/b%20c?d=e HTTP/1.1\r\nHost: h.example:8443\r\nX-A: 1\r\nx-a: 2\r\n\r\n"
        )
        request = self.waiting[0]
        assert (request.uri, request.path) == (b"/wait/b%20c?d=e", b"/wait/b%20c")
        assert (request.prepath, request.postpath) == ([b"wait"], [b"b c"])
        assert request.requestHeaders.getRawHeaders(b"X-A") == [b"1", b"2"]
        assert (request.getHeader(b"X-A"), request.header(b"x-a"), request.getHeader(b"Y")) == (
            b"2",
            b"2",
            None,
        )
        assert (request.getHeader("X-A"), request.getHeader("Y")) == ("2", None)
        assert request.getRequestHostname() == b"h.example"
        assert (request.getClientAddress(), request.getClientIP()) == (transport.getPeer(), "192.0.2.1")
        assert request.getHost() == transport.getHost()
        assert (request.isSecure(), request.clientproto) == (True, b"HTTP/1.1")
        assert request.transport is channel.transport
        assert request.channel is channel
        assert request.site is self.factory

    def test_response_headers_and_set_header_agree(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(post(b"", b"/wait"))
        request = self.waiting[0]
        request.setHeader(b"a", b"1")
        request.responseHeaders.addRawHeader(b"a", b"2")
        request.setHeader(b"b", b"3")
        request.finish()
        assert b"A: 1\r\nA: 2\r\nB: 3\r\n" in transport.value()

    def test_notify_finish(self) -> None:
        channel, _transport = self.connect()
        channel.dataReceived(post(b"", b"/wait"))
        done = self.waiting[0].notifyFinish()
        assert not done.called
        self.waiting[0].finish()
        assert done.called

    def test_the_client_goes_away(self) -> None:
        """A resource that goes on regardless does no harm."""
        channel, transport = self.connect()
        channel.dataReceived(post(b"", b"/wait") + GET)
        request = self.waiting[0]
        request.write(b"held")
        done = request.notifyFinish()
        channel.connectionLost(DONE)
        gone: list[Failure] = []
        done.addErrback(gone.append)
        assert gone == [DONE]
        request.write(b"more")
        request.finish()
        self.clock.advance(1)
        assert (transport.writes, self.served) == ([], [])
        assert self.clock.getDelayedCalls() == []

    def test_misuse_is_said(self) -> None:
        channel, _transport = self.connect()
        channel.dataReceived(post(b"", b"/wait"))
        self.waiting[0].finish()
        with pytest.raises(RuntimeError):
            self.waiting[0].finish()
        with pytest.raises(RuntimeError):
            self.waiting[0].write(b"")

    def test_a_resource_that_fails(self) -> None:
        """The client learns that it failed, the log why."""
        with capturedLogs() as logged:
            channel, transport = self.connect()
            channel.dataReceived(GET.replace(b"echo", b"fail") + GET)
            (status, _, body), (after, _, _) = self.answers(transport)
            assert (status, after) == (500, 200)
            assert b"secret" not in body
        assert self.failures(logged) == [RuntimeError]

    def test_a_resource_that_fails_later(self) -> None:
        with capturedLogs() as logged:
            channel, transport = self.connect()
            channel.dataReceived(post(b"", b"/wait"))
            deferred: Deferred[None] = Deferred()
            deferred.addErrback(self.waiting[0].processingFailed)
            deferred.errback(Failure(RuntimeError("secret")))
            assert self.status(transport) == [500]
            deferred.addErrback(lambda _: None)
        assert self.failures(logged) == [RuntimeError]

    def test_a_late_failure_is_not_the_next_requests(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(post(b"", b"/wait") * 2)
        self.waiting[0].finish()
        self.waiting[0].processingFailed(Failure(RuntimeError()))
        assert self.status(transport) == [200]
        self.waiting[1].finish()
        assert self.status(transport) == [200]

    def test_a_resource_that_fails_in_the_middle_is_cut(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(post(b"", b"/wait"))
        self.waiting[0].write(b"some")
        self.clock.advance(0)
        self.waiting[0].processingFailed(Failure(RuntimeError()))
        assert transport.aborted

    def test_a_refusal_is_answered_as_such(self) -> None:
        def refuse(request: Request) -> bytes:
            raise Refusal(reasons.SUBJECT_UNKNOWN, {"subject": "CN=a"})

        self.factory.resource.putChild(b"refuse", _Render(refuse))
        channel, transport = self.connect()
        channel.dataReceived(GET.replace(b"echo", b"refuse"))
        ((status, _, body),) = self.answers(transport)
        assert (status, json.loads(body)["error"]) == (401, "invalid_client")
        assert b"registered" not in body

    def test_an_answer_that_is_no_bytes(self) -> None:
        with capturedLogs() as logged:
            self.factory.resource.putChild(b"odd", _Render(lambda request: 7))
            channel, transport = self.connect()
            channel.dataReceived(GET.replace(b"echo", b"odd"))
            assert self.status(transport) == [500]
        assert self.failures(logged) == [TypeError]


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("tls", [False, True])
def test_malformed(name: str, tls: bool) -> None:
    """One answer, and then the connection closes; a request behind it is never served."""
    data, status = MALFORMED[name]
    case = ChannelCase()
    case.setup_method()
    channel, transport = case.connect(tls)
    if tls:
        channel.handshakeCompleted()
    channel.dataReceived(GET + data)
    channel.dataReceived(GET)
    (first, _, _), (second, headers, body) = case.answers(transport)
    assert (first, second, headers["connection"]) == (200, status, "close")
    assert json.loads(body)["error"] == "invalid_request"
    assert (transport.disconnecting, transport.half_closed) == (tls, not tls)
    assert case.served == [b""]
    case.clock.advance(case.limits.linger_seconds)
    assert transport.aborted


PIECES = st.sampled_from(
    [GET, post(b"hello"), post(b"", b"/wait"), GET.replace(b"echo", b"page"), b"\r\n", b"\0"]
)


@settings(max_examples=100)
@given(
    st.lists(PIECES | st.binary(max_size=5), max_size=8).map(b"".join),
    st.lists(st.integers(1, 60), max_size=20),
)
def test_whatever_comes(data: bytes, sizes: list[int]) -> None:
    """Nothing raises; answers are in order, at most one of them refuses, and it is the last."""
    case = ChannelCase()
    case.setup_method()
    channel, transport = case.connect()
    for size in [*sizes, len(data)]:
        channel.dataReceived(data[:size])
        data = data[size:]
        case.clock.advance(0.01)
        for request in case.waiting:
            request.finish()
        case.waiting.clear()
    statuses = case.status(transport)
    assert 400 not in statuses[:-1]
    assert transport.closing == (statuses[-1:] == [400])
    channel.connectionLost(DONE)
    assert case.clock.getDelayedCalls() == []


class TestDeadline(ChannelCase):
    """Every deadline is absolute: dripping does not extend it."""

    def drip(self, channel: Channel, data: bytes, seconds: float) -> None:
        for at in range(len(data)):
            channel.dataReceived(data[at : at + 1])
            self.clock.advance(seconds / len(data))

    def test_handshake(self) -> None:
        channel, transport = self.connect(tls=True)
        self.clock.advance(9.9)
        assert not transport.aborted
        self.clock.advance(0.1)
        assert transport.aborted
        channel.connectionLost(DONE)
        assert self.observer.heard == [("made",), ("lost", False, True)]

    def test_request(self) -> None:
        channel, transport = self.connect()
        self.drip(channel, post(b"hello")[:-1], 9.9)
        assert transport.writes == []
        self.clock.advance(0.2)
        assert self.status(transport) == [408]
        assert transport.closing
        self.clock.advance(5)
        assert transport.aborted

    def test_the_time_that_a_resource_needs_is_its_own(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(post(b"", b"/wait"))
        self.clock.pump([30] * 10)
        assert not transport.closing
        self.waiting[0].finish()
        assert self.status(transport) == [200]
        self.clock.pump([59.9, 0.2])
        assert transport.disconnecting

    def test_idle(self) -> None:
        """The time between requests counts from the last answer."""
        channel, transport = self.connect()
        self.clock.advance(50)
        channel.dataReceived(GET)
        self.clock.advance(50)
        assert not transport.closing
        self.clock.pump([9.9, 0.2])
        assert transport.disconnecting
        channel.connectionLost(DONE)
        assert self.observer.heard[-1] == ("lost", True, True)

    def test_one_timer_a_connection(self) -> None:
        channel, _transport = self.connect(tls=True)
        channel.handshakeCompleted()
        for _ in range(5):
            channel.dataReceived(post(b"a"))
            channel.dataReceived(post(b"a")[:5])
            channel.dataReceived(post(b"a")[5:])
        assert len(self.clock.getDelayedCalls()) == 1
        channel.connectionLost(DONE)
        assert self.clock.getDelayedCalls() == []

    def test_a_resource_that_finishes_at_once_in_the_asynchronous_way(self) -> None:
        """The deadline that follows the answer stands."""

        def finish(request: Request) -> int:
            request.write(b"")
            request.finish()
            return NOT_DONE_YET

        self.factory.resource.putChild(b"now", _Render(finish))
        kept, closed = self.connect(), self.connect()
        kept[0].dataReceived(post(b"", b"/now"))
        closed[0].dataReceived(post(b"", b"/now", b"Connection: close\r\n"))
        self.clock.pump([4.9, 0.2])
        assert closed[1].aborted
        self.clock.pump([54.8, 0.2])
        assert kept[1].disconnecting

    def test_a_peer_that_reads_no_answer_of_a_resource_at_work(self) -> None:
        channel, transport = self.connect()

        def fill(request: Request) -> int:
            request.write(b"some")
            request.flush()
            channel.pauseProducing()
            return NOT_DONE_YET

        self.factory.resource.putChild(b"fill", _Render(fill))
        channel.dataReceived(post(b"", b"/fill"))
        self.clock.advance(10)
        assert transport.aborted

    def test_a_peer_that_does_not_read(self) -> None:
        """Requests are not begun while answers pile up, and not for ever either."""
        channel, transport = self.connect()
        channel.pauseProducing()
        channel.dataReceived(GET)
        assert transport.writes == []
        self.clock.advance(9.9)
        channel.resumeProducing()
        assert self.status(transport) == [200]
        channel.pauseProducing()
        self.clock.advance(10)
        assert transport.aborted

    def test_a_peer_that_sends_too_far_ahead(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(post(b"", b"/wait"))
        channel.dataReceived(post(b"a" * 500))
        assert not transport.paused
        channel.dataReceived(post(b"b" * 500))
        assert transport.paused
        self.waiting[0].finish()
        assert self.status(transport) == [200] * 3
        assert not transport.paused


class TestObserver(ChannelCase):
    """The owner hears how connections come and go."""

    def test_tls(self) -> None:
        channel, _transport = self.connect(tls=True)
        assert not channel.handshake_complete
        channel.handshakeCompleted()
        channel.handshakeCompleted()
        assert channel.handshake_complete
        channel.connectionLost(DONE)
        assert self.observer.heard == [("made",), ("handshake",), ("lost", True, False)]

    def test_refused_at_once(self) -> None:
        self.observer.refuse = True
        for tls in (False, True):
            channel, transport = self.connect(tls)
            assert transport.aborted
            channel.dataReceived(GET)
            channel.connectionLost(DONE)
            assert (self.served, self.clock.getDelayedCalls()) == ([], [])
        assert self.factory.channels == set()


class TestDrain(ChannelCase):
    """No request that is under way is lost."""

    def test_idle(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(GET)
        drained = self.factory.drain()
        assert not transport.closing
        self.clock.advance(0.1)
        assert transport.disconnecting
        assert not drained.called
        channel.connectionLost(DONE)
        assert drained.called

    def test_a_request_already_on_its_way(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(GET)
        self.factory.drain()
        self.clock.advance(0.05)
        channel.dataReceived(GET + GET)
        (_, first, _), (_, second, _) = self.answers(transport)
        assert "connection" not in first
        assert second["connection"] == "close"
        assert transport.disconnecting

    def test_half_a_request(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(GET[:9])
        self.factory.drain()
        self.clock.advance(5)
        channel.dataReceived(GET[9:])
        ((status, headers, _),) = self.answers(transport)
        assert (status, headers["connection"]) == (200, "close")

    def test_a_resource_at_work(self) -> None:
        channel, transport = self.connect()
        channel.dataReceived(post(b"", b"/wait"))
        self.factory.drain()
        self.clock.advance(20)
        self.waiting[0].finish()
        ((_, headers, _),) = self.answers(transport)
        assert headers["connection"] == "close"
        assert transport.disconnecting

    def test_a_handshake(self) -> None:
        """A client that has just connected still gets its answer."""
        channel, transport = self.connect(tls=True)
        self.factory.drain()
        self.clock.advance(3)
        channel.handshakeCompleted()
        self.clock.advance(1.5)
        channel.dataReceived(GET)
        ((_, headers, _),) = self.answers(transport)
        assert headers["connection"] == "close"

    def test_a_handshake_without_a_request(self) -> None:
        channel, transport = self.connect(tls=True)
        channel.handshakeCompleted()
        self.factory.drain()
        self.clock.advance(2)
        assert transport.disconnecting
        self.clock.advance(5)
        assert transport.aborted
        channel.connectionLost(DONE)
        assert self.observer.heard[-1] == ("lost", True, False)

    def test_nothing_open(self) -> None:
        assert self.factory.drain().called

    def test_a_connection_that_comes_while_draining(self) -> None:
        self.factory.drain()
        channel, transport = self.connect()
        channel.dataReceived(GET)
        assert transport.disconnecting

    def test_abort_all(self) -> None:
        transports = [self.connect()[1], self.connect(tls=True)[1]]
        self.factory.abort_all()
        assert [transport.aborted for transport in transports] == [True, True]
