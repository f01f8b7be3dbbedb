"""The parser of requests: RFC 9112, strictly, and the same however the bytes are split."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import attrs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.internet.testing import StringTransport
from twisted.web.http import HTTPChannel
from twisted.web.http import Request as TwistedRequest

from mtlsd.errors import Refusal
from mtlsd.web.http11 import Head, RememberedHeads, RequestParser
from mtlsd.web.limits import Limits
from tests.unit.web.malformed import CHUNKED, MALFORMED, POST

LIMITS = Limits(header_bytes=400, line_bytes=200, body_bytes=300, header_fields=8)

Outcome = tuple[list[tuple[Head, bytes]], Refusal | None]


def told(outcome: Outcome) -> tuple[object, ...]:
    """Make an outcome comparable: refusals are exceptions, which are equal only to themselves."""
    requests, refusal = outcome
    return (requests, refusal and (refusal.reason, refusal.facts))


def parse(pieces: list[bytes], limits: Limits = LIMITS) -> Outcome:
    """Feed the pieces one by one and take every request at once."""
    parser = RequestParser(limits)
    requests = []
    for piece in pieces:
        parser.feed(piece)
        try:
            while (complete := parser.next_request()) is not None:
                requests.append(complete)
        except Refusal as refusal:
            return requests, refusal
    return requests, None


def one(data: bytes, limits: Limits = LIMITS) -> tuple[Head, bytes]:
    requests, refusal = parse([data], limits)
    assert refusal is None
    assert len(requests) == 1
    return requests[0]


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


# -- what a request is made of ---------------------------------------------------------------------------

TOKENS = st.text("abcXYZ09!#$%&'*+-.^_`|~", min_size=1, max_size=8).map(str.encode)
PATHS = st.text("abc/09-._~%!$&'()*+,;=:@", max_size=20).map(
    lambda text: b"/" + text.replace("%", "%2f").encode()
)
VALUES = st.binary(max_size=12).map(lambda value: bytes(c for c in value if c >= 0x20 and c != 0x7F).strip())
RESERVED = {b"content-length", b"transfer-encoding", b"host", b"connection", b"expect", b"content-type"}
FIELD_NAMES = TOKENS.filter(lambda name: name.lower() not in RESERVED).map(lambda name: b"X-" + name)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Draw a well-formed request, with or without a body."""
    lines = [b"%b %b HTTP/1.1" % (draw(TOKENS), draw(PATHS)), b"Host: a.example"]
    for _ in range(draw(st.integers(0, 4))):
        space = draw(st.sampled_from([b"", b" ", b"\t", b"  "]))
        lines.append(draw(FIELD_NAMES) + b":" + space + draw(VALUES) + space)
    body = draw(st.binary(max_size=60))
    if draw(st.booleans()):
        lines.append(b"Transfer-Encoding: Chunked")
        pieces = split(body, draw(st.lists(st.integers(0, 60), max_size=4)))
        body = b"".join(b"%X\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\n\r\n"
    elif body or draw(st.booleans()):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


# Bytes that are nearly requests find more than arbitrary ones.
FRAGMENTS = st.sampled_from(
    [
        *(
            b"GET / HTTP/1.1\r\n",
            b"Host: a\r\n",
            b"\r\n",
            b"\r",
            b"\n",
            b" ",
            b"\0",
            b":",
            b"a" * 150,
            b"X: y\r\n",
        ),
        *(
            POST,
            b"Content-Length: 3\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"0\r\n\r\n",
            b"3\r\nabc\r\n",
            b"abc",
        ),
    ]
)
NEARLY = st.lists(FRAGMENTS | requests() | st.binary(max_size=6), max_size=10).map(b"".join)


@settings(max_examples=200)
@given(NEARLY, st.lists(st.integers(0, 2000), max_size=6))
@example(b"POST / HTTP/1.1\r\nHost: a\r\n\r\n" * 2 + b"\n", [28, 50])
@example(b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", [1, 2, 3])
@example(b"G" * 250 + b"\0", [201])
@example(CHUNKED + b"1;" + b"a" * 300, [260])
def test_every_split_gives_the_same(data: bytes, cuts: list[int]) -> None:
    """Where TCP cuts the bytes changes neither the requests nor the refusal."""
    whole = told(parse([data]))
    assert told(parse(split(data, cuts))) == whole
    assert told(parse([data[at : at + 1] for at in range(len(data))])) == whole


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=40), max_size=8))
def test_arbitrary_bytes_never_raise(pieces: list[bytes]) -> None:
    """Whatever comes, the outcome is requests or a refusal."""
    _requests, refusal = parse(pieces)
    assert refusal is None or refusal.reason.code.startswith("request.")


def test_every_malformed_request_is_split_safe() -> None:
    for name, (data, status) in MALFORMED.items():
        whole = parse([data], Limits())
        assert whole[1] is not None, name
        assert whole[1].reason.status == status, name
        assert {"rule", "detail"} == set(whole[1].facts), name
        if len(data) < 1000:
            pieces = [data[at : at + 1] for at in range(len(data))]
            assert told(parse(pieces, Limits())) == told(whole), name


class _Recorder(TwistedRequest):
    """twisted.web's request, kept as it arrived."""

    seen: list[tuple[Any, ...]]

    def process(self) -> None:
        headers = {name.lower(): values for name, values in self.requestHeaders.getAllRawHeaders()}
        _SEEN.append(
            (self.method, self.uri, self.clientproto, headers, self.content.read() if self.content else b"")
        )
        TwistedRequest.write(self, b"")
        TwistedRequest.finish(self)


_SEEN: list[tuple[Any, ...]] = []  # twisted.web makes the requests itself: there is no other way out of it


def by_twisted(data: bytes) -> list[tuple[Any, ...]]:
    del _SEEN[:]
    channel = HTTPChannel()
    channel.requestFactory = _Recorder
    channel.timeOut = None
    channel.makeConnection(StringTransport())
    channel.dataReceived(data)
    return list(_SEEN)


@settings(max_examples=150)
@given(st.lists(requests(), min_size=1, max_size=3))
def test_twisted_reads_the_same(messages: list[bytes]) -> None:
    """For well-formed requests, pipelined or not, twisted.web's own parser sees the same."""
    ours, refusal = parse([b"".join(messages)], Limits())
    assert refusal is None
    assert len(ours) == len(messages)
    seen = []
    for head, body in ours:
        headers: dict[bytes, list[bytes]] = {}
        for name, value in head.fields:
            headers.setdefault(name.lower(), []).append(value)
        seen.append((head.method, head.target, head.version, headers, body))
    assert seen == by_twisted(b"".join(messages))


# -- by hand -----------------------------------------------------------------------------------------------


def test_head() -> None:
    head, body = one(
        b"POST /a%20b/c?d=%2F HTTP/1.1\r\nHost: h:1\r\nX-A:  b c \t\r\nContent-Length: 2\r\n\r\nhi"
    )
    assert (head.method, head.target, head.version) == (b"POST", b"/a%20b/c?d=%2F", b"HTTP/1.1")
    assert (head.path, head.segments) == (b"/a%20b/c", (b"a b", b"c"))
    assert head.fields[1] == (b"X-A", b"b c")
    assert head.values[b"x-a"] == b"b c"
    assert (head.content_length, head.chunked, head.keep_alive, body) == (2, False, True, b"hi")


def test_absolute_form() -> None:
    """A server accepts the absolute-form (RFC 9112 section 3.2.2)."""
    head, _ = one(b"GET HTTPS://A.example:443?x HTTP/1.1\r\nHost: a.example:443\r\n\r\n")
    assert head.path == b"/"
    head, _ = one(b"GET http://[::1]/b/?x HTTP/1.1\r\nHost: [::1]\r\n\r\n")
    assert head.path == b"/b/"


def test_one_empty_line_before_a_request_is_ignored() -> None:
    """RFC 9112 section 2.2; old clients send one after a body."""
    get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    requests, refusal = parse([b"\r\n" + get + b"\r\n" + get + b"\r\n"])
    assert refusal is None
    assert len(requests) == 2


@pytest.mark.parametrize(
    ("fields", "keep_alive"),
    [(b"", True), (b"Connection: Close\r\n", False), (b"Connection: a\r\nConnection: b , close\r\n", False)],
)
def test_keep_alive(fields: bytes, keep_alive: bool) -> None:
    assert one(b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n")[0].keep_alive is keep_alive
    assert one(b"GET / HTTP/1.0\r\n" + fields + b"\r\n")[0].keep_alive is False


def test_chunked_body_with_extensions_and_trailers() -> None:
    data = CHUNKED + b'3;a="b";c\r\nabc\r\n0002 ;x\r\nde\r\n0;y\r\nX-T: z\r\n\r\n'
    assert one(data)[1] == b"abcde"


def test_body_limits_are_exact() -> None:
    assert one(POST + b"Content-Length: 300\r\n\r\n" + b"a" * 300)[1] == b"a" * 300
    assert one(CHUNKED + b"12c\r\n" + b"a" * 300 + b"\r\n0\r\n\r\n")[1] == b"a" * 300
    for data in (POST + b"Content-Length: 301\r\n\r\n", CHUNKED + b"12c\r\n" + b"a" * 300 + b"\r\n1\r\n"):
        refusal = parse([data])[1]
        assert refusal is not None
        assert refusal.reason.status == 413


def test_header_limit_is_exact() -> None:
    start = b"GET / HTTP/1.1\r\nHost: a\r\nX: "
    fits = start + b"a" * (400 - len(start) - 4) + b"\r\n\r\n"
    assert len(fits) == 400
    assert len(parse([fits])[0]) == 1
    refusal = parse([start + b"a" * (400 - len(start) - 3) + b"\r\n\r\n"])[1]
    assert refusal is not None
    assert refusal.reason.status == 431


def test_a_refusal_stays() -> None:
    """Nothing that follows a malformed request is ever read as one (RFC 9112 section 9.6)."""
    parser = RequestParser(LIMITS)
    for _ in range(2):
        parser.feed(b"GET /\0" + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        with pytest.raises(Refusal):
            parser.next_request()
    assert parser.buffered == 0


def test_heads_are_remembered_across_connections() -> None:
    """The same bytes are the same head, as long as the limits are the same ones."""
    remembered, head = RememberedHeads(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    raw, first = remembered.parse(head, LIMITS)
    again, second = remembered.parse(bytes(bytearray(head)), LIMITS)
    assert again is raw
    assert second is first
    with pytest.raises(Refusal):
        remembered.parse(head, attrs.evolve(LIMITS, header_fields=0))


@pytest.mark.parametrize("field", [b"Authorization: Bearer a", b"X-Proxy-Authorization: Basic a"])
def test_heads_with_credentials_are_not_remembered(field: bytes) -> None:
    remembered, head = RememberedHeads(), b"GET / HTTP/1.1\r\nHost: a\r\n" + field + b"\r\n\r\n"
    assert remembered.parse(head, LIMITS)[1] is not remembered.parse(head, LIMITS)[1]


def test_the_heads_remembered_are_bounded() -> None:
    """The first one is forgotten first, and a large one at once."""
    remembered = RememberedHeads()
    heads = [b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(300)]
    parsed = [remembered.parse(head, LIMITS)[1] for head in heads]
    assert remembered.parse(heads[-1], LIMITS)[1] is parsed[-1]
    assert remembered.parse(heads[0], LIMITS)[1] is not parsed[0]
    large = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 5000 + b"\r\n\r\n"
    assert remembered.parse(large, Limits())[1] is not remembered.parse(large, Limits())[1]


def test_awaits_continue_once_and_only_before_the_body() -> None:
    """RFC 9110 section 10.1.1."""
    head = POST + b"Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n"
    parser = RequestParser(LIMITS)
    parser.feed(head)
    assert parser.next_request() is None
    assert [parser.awaits_continue(), parser.awaits_continue()] == [True, False]
    parser.feed(b"ab" + head + b"a")
    assert parser.next_request() is not None
    assert parser.next_request() is None
    assert not parser.awaits_continue()


def test_dripping_is_not_scanned_again_and_again() -> None:
    """A head that drips byte by byte costs in proportion to its length."""
    parser = RequestParser(Limits())
    data = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"a" * 16000 + b"\r\n\r\n"
    handed_out = 0
    for at in range(len(data)):
        parser.feed(data[at : at + 1])
        handed_out += parser.next_request() is not None
        assert parser.started == (at < len(data) - 1)
    assert handed_out == 1
