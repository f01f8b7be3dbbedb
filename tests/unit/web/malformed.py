"""Requests that must be refused: one answer each, and then the connection closes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

HOST = b"Host: as.example\r\n"
POST = b"POST /token HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def _get(line: bytes, fields: bytes = HOST) -> bytes:
    return line + b"\r\n" + fields + b"\r\n"


def _with(fields: bytes, body: bytes = b"") -> bytes:
    return POST + fields + b"\r\n" + body


# what is wrong -> (the bytes, the status of the one answer)
MALFORMED: Mapping[str, tuple[bytes, int]] = MappingProxyType(
    {
        # how long the body is, RFC 9112 section 6.3
        "CL.TE": (_with(b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\nG"), 400),
        "TE.CL": (_with(b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", b"1\r\nG\r\n0\r\n\r\n"), 400),
        "two lengths that differ": (_with(b"Content-Length: 1\r\nContent-Length: 2\r\n", b"ab"), 400),
        "two lengths alike": (_with(b"Content-Length: 1\r\nContent-Length: 1\r\n", b"a"), 400),
        "two lengths in one field": (_with(b"Content-Length: 1, 1\r\n", b"a"), 400),
        "length with a plus": (_with(b"Content-Length: +1\r\n", b"a"), 400),
        "length with a minus": (_with(b"Content-Length: -1\r\n"), 400),
        "length in hexadecimal": (_with(b"Content-Length: 0x1\r\n", b"a"), 400),
        "length with an underscore": (_with(b"Content-Length: 1_0\r\n", b"0123456789"), 400),
        "length in other digits": (_with(b"Content-Length: \xb2\r\n"), 400),
        "empty length": (_with(b"Content-Length:\r\n"), 400),
        "length of many digits": (_with(b"Content-Length: " + b"9" * 5000 + b"\r\n"), 413),
        "length past the limit": (_with(b"Content-Length: 65537\r\n"), 413),
        # transfer codings, RFC 9112 section 6.1
        "chunked and identity": (
            _with(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", b"0\r\n\r\n"),
            400,
        ),
        "chunked twice": (_with(b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n"), 400),
        "two fields chunked": (
            _with(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
            400,
        ),
        "identity": (_with(b"Transfer-Encoding: identity\r\n"), 400),
        "chunked is not last": (_with(b"Transfer-Encoding: chunked, gzip\r\n"), 400),
        "gzip before chunked": (_with(b"Transfer-Encoding: gzip, chunked\r\n"), 501),
        "xchunked": (_with(b"Transfer-Encoding: xchunked\r\n"), 400),
        "vertical tab before chunked": (_with(b"Transfer-Encoding: \x0bchunked\r\n"), 400),
        "quoted chunked": (_with(b'Transfer-Encoding: "chunked"\r\n'), 400),
        "empty coding": (_with(b"Transfer-Encoding:\r\n"), 400),
        "chunked in HTTP/1.0": (
            b"POST /token HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        # chunks, RFC 9112 section 7.1
        "chunk size with 0x": (CHUNKED + b"0x1\r\na\r\n0\r\n\r\n", 400),
        "chunk size with a minus": (CHUNKED + b"-1\r\n\r\n", 400),
        "chunk size with space before": (CHUNKED + b" 1\r\na\r\n0\r\n\r\n", 400),
        "chunk size empty": (CHUNKED + b"\r\na\r\n0\r\n\r\n", 400),
        "chunk size of many digits": (CHUNKED + b"000000001\r\na\r\n0\r\n\r\n", 400),
        "chunk size that wraps": (CHUNKED + b"ffffffff\r\na", 413),
        "chunk longer than its size": (CHUNKED + b"1\r\nab\r\n0\r\n\r\n", 400),
        "chunk ends in line feed": (CHUNKED + b"1\r\na\n0\r\n\r\n", 400),
        "line feed in extension": (CHUNKED + b"1;a\nb\r\na\r\n0\r\n\r\n", 400),
        "endless extension": (CHUNKED + b"1;" + b"a" * 300, 431),
        "trailer without colon": (CHUNKED + b"0\r\nnothing\r\n\r\n", 400),
        "folded trailer": (CHUNKED + b"0\r\nA: b\r\n c\r\n\r\n", 400),
        "endless trailers": (CHUNKED + b"0\r\n" + b"A: b\r\n" * 5000, 431),
        # field lines, RFC 9112 section 5
        "space before colon": (_with(b"Content-Length : 1\r\n", b"a"), 400),
        "tab before colon": (_with(b"Transfer-Encoding\t: chunked\r\n"), 400),
        "folded value": (_with(b"X-A: b\r\n c\r\n"), 400),
        "folded first line": (b"POST /token HTTP/1.1\r\n X-A: b\r\n" + HOST + b"\r\n", 400),
        "folded coding": (_with(b"Transfer-Encoding:\r\n chunked\r\n"), 400),
        "no colon": (_with(b"Content-Length\r\n"), 400),
        "empty name": (_with(b": a\r\n"), 400),
        "name with a space": (_with(b"X A: b\r\n"), 400),
        "name with a slash": (_with(b"X/A: b\r\n"), 400),
        "name not ASCII": (_with(b"X\xe9: b\r\n"), 400),
        "NUL in a name": (_with(b"X\0: b\r\n"), 400),
        "NUL in a value": (_with(b"X: a\0b\r\n"), 400),
        "delete in a value": (_with(b"X: a\x7f\r\n"), 400),
        "carriage return in a value": (_with(b"X: a\rContent-Length: 5\r\n"), 400),
        "line feed in a value": (_with(b"X: a\nContent-Length: 5\r\n"), 400),
        "lines end in line feed": (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        "two types": (_with(b"Content-Type: a/b\r\nContent-Type: c/d\r\n"), 400),
        "two authorizations": (_with(b"Authorization: Basic YQ==\r\nauthorization: Bearer b\r\n"), 400),
        "unknown expectation": (_with(b"Expect: 200-ok\r\n"), 417),
        # Host, RFC 9112 section 3.2
        "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400),
        "two Hosts": (_with(b"Host: other.example\r\n"), 400),
        "empty Host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
        "Host with a path": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        "Host with a user": (b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
        "Host list": (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
        "Host with a port of letters": (b"GET / HTTP/1.1\r\nHost: a:https\r\n\r\n", 400),
        "Host differs from target": (_get(b"GET http://other.example/ HTTP/1.1"), 400),
        # the request line, RFC 9112 section 3
        "HTTP/0.9": (_get(b"GET /", b""), 400),
        "HTTP/1.2": (_get(b"GET / HTTP/1.2"), 505),
        "HTTP/2.0": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        "HTTP/3": (_get(b"GET / HTTP/3"), 505),
        "http/1.1": (_get(b"GET / http/1.1"), 400),
        "HTTP/01.1": (_get(b"GET / HTTP/01.1"), 400),
        "HTTP/1.1 and more": (_get(b"GET / HTTP/1.1 x"), 400),
        "two spaces": (_get(b"GET  / HTTP/1.1"), 400),
        "space at the end": (_get(b"GET / HTTP/1.1 "), 400),
        "space before the method": (_get(b" GET / HTTP/1.1"), 400),
        "tab for space": (_get(b"GET\t/ HTTP/1.1"), 400),
        "space in the target": (_get(b"GET /a b HTTP/1.1"), 400),
        "two empty lines before": (b"\r\n\r\n" + _get(b"GET / HTTP/1.1"), 400),
        "method with a colon": (_get(b"GET: / HTTP/1.1"), 400),
        "method not ASCII": (_get(b"G\xcbT / HTTP/1.1"), 400),
        "target not ASCII": (_get(b"GET /\xe9 HTTP/1.1"), 400),
        "target with a fragment": (_get(b"GET /#a HTTP/1.1"), 400),
        "target with half an escape": (_get(b"GET /%a HTTP/1.1"), 400),
        "target with a backslash": (_get(b"GET /\\a HTTP/1.1"), 400),
        "relative target": (_get(b"GET token HTTP/1.1"), 400),
        "target of another scheme": (_get(b"GET ftp://as.example/ HTTP/1.1"), 400),
        "CONNECT": (_get(b"CONNECT as.example:443 HTTP/1.1"), 400),
        "GET of everything": (_get(b"GET * HTTP/1.1"), 400),
        "endless request line": (b"GET /" + b"a" * 9000, 414),
        "endless method": (b"A" * 20000, 414),
        "endless header section": (b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 17000, 431),
        "too many fields": (_with(b"X: a\r\n" * 100), 431),
        # another protocol altogether
        "TLS ClientHello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        "PROXY line": (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + _get(b"GET / HTTP/1.1"), 400),
        "PROXY version 2": (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", 400),
        "an answer": (b"HTTP/1.1 200 OK\r\n\r\n", 400),
    }
)
