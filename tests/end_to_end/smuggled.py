"""Requests of which two readers could make two: the outer one, and one that it hides.

The hidden one asks for the token of somebody else. Where a proxy sees one request and mtlsd two, it would
come first on a connection that the proxy then uses for that other client. A third one ends the connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

from tests.end_to_end.clients import request_token
from tests.end_to_end.real_proxies import CLIENT

FORGER = "other"
_FORM = b"Content-Type: application/x-www-form-urlencoded"
_HOST = b"Host: localhost"


def body(client_id: str) -> bytes:
    return urlencode(request_token(client_id)).encode()


def head(*lines: bytes, first: bytes = b"POST /token HTTP/1.1", host: bytes = _HOST) -> bytes:
    kept = (line for line in (first, host, _FORM, *lines) if line)
    return b"\r\n".join((*kept, b"", b""))


def post(client_id: str, *lines: bytes, **how: bytes) -> bytes:
    """One request that has nothing wrong, but for those lines."""
    own = body(client_id)
    return head(b"Content-Length: %d" % len(own), *lines, **how) + own


OWN = body(FORGER)
_CHUNKED = b"Transfer-Encoding: chunked"
_LAST_CHUNK = b"0\r\n\r\n"


def _length(octets: bytes | int) -> bytes:
    return b"Content-Length: %d" % (octets if isinstance(octets, int) else len(octets))


def chunk(octets: bytes, size: bytes | None = None) -> bytes:
    return (b"%x" % len(octets) if size is None else size) + b"\r\n" + octets + b"\r\n"


def both_lengths(hidden: bytes) -> Iterator[tuple[str, bytes]]:
    """Content-Length and some Transfer-Encoding: whoever reads but one of them ends elsewhere."""
    ends_early = chunk(OWN) + _LAST_CHUNK + hidden
    yield "CL.TE", head(_length(ends_early), _CHUNKED) + ends_early
    yield "TE.CL", head(_CHUNKED, _length(3)) + chunk(hidden) + _LAST_CHUNK
    for coding in (
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding\t: chunked",
        b"Transfer-Encoding:\tchunked",
        b"Transfer-Encoding:chunked",
        b"Transfer-Encoding: \x0bchunked",
        b"Transfer-Encoding: \x0cchunked",
        b"Transfer-Encoding: chunked\x00",
        b"Transfer-Encoding:\r\n chunked",
        b"Transfer-Encoding\r\n : chunked",
        b" Transfer-Encoding: chunked",
        b"X: x\nTransfer-Encoding: chunked",
        b"X: x\rTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: identity, chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked, chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: CHUNKED",
        b"Transfer_Encoding: chunked",
        b"Transfer-Encoding: chunked;a=1",
        b'Transfer-Encoding: "chunked"',
        b"Transfer-Encoding:",
    ):
        yield f"CL beside {coding!r}", head(_length(ends_early), coding) + ends_early
        yield f"{coding!r} alone", head(coding) + ends_early


def lengths(hidden: bytes) -> Iterator[tuple[str, bytes]]:
    """More than one Content-Length, or one that not everybody can read."""
    whole = OWN + hidden
    short, long = _length(OWN), _length(whole)
    yield "two lengths, the short one first", head(short, long) + whole
    yield "two lengths, the long one first", head(long, short) + whole
    yield "two lengths alike", head(short, short) + whole
    for value in (
        b"%d, %d" % (len(OWN), len(whole)),
        b"%d, %d" % (len(OWN), len(OWN)),
        b"+%d" % len(OWN),
        b"-%d" % len(OWN),
        b"%d " % len(OWN) + b"%d" % len(whole),
        b"0x%x" % len(OWN),
        b"00%d" % len(OWN),
        b"%d.0" % len(OWN),
        b"%de0" % len(OWN),
        b"%d\x0b" % len(OWN),
        b"%d_0" % (len(OWN) // 10),
        b"18446744073709551616",
        b"-0",
        b"",
    ):
        yield f"length {value!r}", head(b"Content-Length: " + value) + whole
    yield "length with a space before its colon", head(b"Content-Length : %d" % len(OWN), long) + whole
    yield "length in a folded line", head(b"X: x\r\n " + short, long) + whole
    yield "length with an underscore", head(b"Content_Length: 0", short) + whole
    yield "no length at all", head() + hidden
    yield "pipelined", head(short) + whole


def chunks(hidden: bytes) -> Iterator[tuple[str, bytes]]:
    """Chunks that end elsewhere for some."""
    for size in (
        b"0x%x",
        b"-%x",
        b"+%x",
        b" %x",
        b"%x ",
        b"%x\t",
        b"00000000%x",
        b"1%016x",
        b"%x;",
        b"%x;a=b",
    ):
        line = size % len(OWN)
        yield f"chunk of size {line!r}", head(_CHUNKED) + chunk(OWN, line) + _LAST_CHUNK + hidden
    own = b"%x" % len(OWN)
    for name, octets in {
        "a chunk size that ends in a line feed": own + b"\n" + OWN + b"\r\n" + _LAST_CHUNK,
        "a chunk that ends in a line feed": own + b"\r\n" + OWN + b"\n" + _LAST_CHUNK,
        "a chunk without an end": own + b"\r\n" + OWN + _LAST_CHUNK,
        "a chunk with more than its size": own + b"\r\n" + OWN + b"XX" + _LAST_CHUNK,
        "an extension with a line feed": own + b";a\nb\r\n" + OWN + b"\r\n" + _LAST_CHUNK,
        "an extension with a carriage return": own + b";a\rb\r\n" + OWN + b"\r\n" + _LAST_CHUNK,
        "an extension with a request": own + b";\n" + hidden + b"\r\n" + OWN + b"\r\n" + _LAST_CHUNK,
        "a long extension": own + b";" + b"a" * 5000 + b"\r\n" + OWN + b"\r\n" + _LAST_CHUNK,
        "a last chunk of line feeds": chunk(OWN) + b"0\n\n",
        "a last chunk of many noughts": chunk(OWN) + b"0000\r\n\r\n",
        "a last chunk without its last line": chunk(OWN) + b"0\r\n",
        "an empty chunk size": chunk(OWN) + b"\r\n\r\n",
        "a chunk size of no number": chunk(OWN) + b"G\r\n\r\n",
    }.items():
        yield name, head(_CHUNKED) + octets + hidden
    for trailer in (
        b"X-SSL-Client-Cert: x",
        b"X-Forwarded-For: 1.2.3.4",
        b"Content-Length: 9",
        b"Host: x",
        b"nocolon",
    ):
        yield f"trailer {trailer!r}", head(_CHUNKED) + chunk(OWN) + b"0\r\n" + trailer + b"\r\n\r\n" + hidden


def lines(hidden: bytes) -> Iterator[tuple[str, bytes]]:
    """Lines, names and values that some repair."""
    own = post(FORGER)
    yield "lines that end in line feeds", own.replace(b"\r\n", b"\n") + hidden
    yield "lines that end in carriage returns", own.replace(b"\r\n", b"\r") + hidden
    yield "an empty line of one line feed", own.replace(b"\r\n\r\n", b"\r\n\n") + hidden
    for line in (
        b"X: a\r\n b",
        b"X: a\r\n\tb",
        b"X: a\nY: b",
        b"X: a\rY: b",
        b"X: a\0b",
        b"X\0: a",
        b"X : a",
        b"X\t: a",
        b": a",
        b"nocolon",
        b"X Y: a",
        b"X(Y): a",
        b"X: \x7f",
        b"X\xff: a",
        b"X: " + b"a" * 20_000,
    ):
        yield f"line {line[:40]!r}", post(FORGER, line) + hidden
    yield "many lines", post(FORGER, *[b"X: a"] * 300) + hidden
    yield "fields of a request in a value", post(FORGER, b"X: a\r\n\r\n" + hidden)


def hosts(hidden: bytes) -> Iterator[tuple[str, bytes]]:
    """For whom it is."""
    yield "two Hosts", post(FORGER, b"Host: evil.example") + hidden
    yield "no Host", post(FORGER, host=b"") + hidden
    for host in (
        b"",
        b"evil.example",
        b"localhost@evil.example",
        b"localhost/x",
        b"local host",
        b"localhost:x",
        b"a,b",
    ):
        yield f"Host {host!r}", post(FORGER, host=b"Host: " + host) + hidden
    for target in (
        b"http://evil.example/token",
        b"https://localhost/token",
        b"ftp://localhost/token",
        b"//evil/token",
    ):
        yield f"target {target!r}", post(FORGER, first=b"POST " + target + b" HTTP/1.1") + hidden


def first_lines(hidden: bytes) -> Iterator[tuple[str, bytes]]:
    """Methods, targets and versions."""
    for first in (
        b"POST /token",
        b"POST /token HTTP/1.0",
        b"POST /token HTTP/1.2",
        b"POST /token HTTP/2.0",
        b"POST /token http/1.1",
        b"POST /token HTTP/1.1 ",
        b"POST  /token HTTP/1.1",
        b"POST\t/token\tHTTP/1.1",
        b" POST /token HTTP/1.1",
        b"\r\n\r\nPOST /token HTTP/1.1",
        b"POST /to ken HTTP/1.1",
        b"POST /token\0 HTTP/1.1",
        b"POST /token#x HTTP/1.1",
        b"POST /token%0d%0aX-SSL-Client-Cert:%20x HTTP/1.1",
        b"POST /token%20HTTP/1.1%0d%0aHost:%20x HTTP/1.1",
        b"POST /./token HTTP/1.1",
        b"POST /token;x HTTP/1.1",
        b"POST token HTTP/1.1",
        b"POST /" + b"a" * 9000 + b" HTTP/1.1",
        b"GET /token HTTP/1.1",
        b"HEAD /token HTTP/1.1",
        b"TRACE /token HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"CONNECT localhost:443 HTTP/1.1",
        b"PO ST /token HTTP/1.1",
    ):
        yield f"{first[:50]!r}", post(FORGER, first=first) + hidden
    yield (
        "HTTP/1.0, kept alive",
        post(FORGER, b"Connection: keep-alive", first=b"POST /token HTTP/1.0") + hidden,
    )
    coded = head(_CHUNKED, b"Connection: keep-alive", first=b"POST /token HTTP/1.0")
    yield "HTTP/1.0 in chunks", coded + chunk(OWN) + _LAST_CHUNK + hidden
    yield "HTTP/2.0 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + hidden
    yield "HTTP/0.9", b"GET /jwks\r\n" + hidden
    yield "a PROXY header", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + post(FORGER) + hidden


def upgrades(hidden: bytes) -> Iterator[tuple[str, bytes]]:
    """After which somebody might read on as something else."""
    for lines in (
        (
            b"Upgrade: h2c",
            b"Connection: Upgrade, HTTP2-Settings",
            b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",
        ),
        (
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Sec-WebSocket-Version: 13",
            b"Sec-WebSocket-Key: eA==",
        ),
        (b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 1"),
        (b"Upgrade: TLS/1.0", b"Connection: Upgrade"),
        (b"Expect: 100-continue",),
        (b"Expect: 100-Continue, x",),
        (b"Expect: 200-ok",),
        (b"Connection: Content-Length",),
        (b"Connection: Transfer-Encoding, close",),
        (b"Connection: Host",),
        (b"TE: trailers, chunked", b"Connection: TE"),
        (b"Keep-Alive: timeout=99", b"Connection: keep-alive, close"),
        (b"Max-Forwards: 0",),
        (b"X-HTTP-Method-Override: GET", b"X-Original-URL: /jwks", b"X-Rewrite-URL: /jwks"),
    ):
        yield " and ".join(map(repr, lines)), post(FORGER, *lines) + hidden


LAST = "last"
_END = post(LAST, b"Connection: close")

GROUPS = (both_lengths, lengths, chunks, lines, hosts, first_lines, upgrades)


def smuggled(*lines: bytes) -> dict[str, bytes]:
    """Every one, by its name.

    :param lines: more of what is hidden, such as fields that a proxy would remove.
    """
    hidden = post(CLIENT, *lines)
    return {name: octets + _END for group in GROUPS for name, octets in group(hidden)}
