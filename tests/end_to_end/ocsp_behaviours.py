"""What an OCSP responder over HTTP can do with a request: each kind of
:mod:`tests.ocsp_responses`, and what any server can do besides."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import attrs

from tests.ocsp_responses import HONEST, HOSTILE, Kind, Responder

TYPE = "application/ocsp-response"
_HUGE = 50_000_000
_DRIP_SECONDS = 0.02

Write = Callable[[bytes], None]
Act = Callable[["Exchange"], None]


class Exchange:
    """One request, and the connection that it came over."""

    def __init__(self, responder: Responder, request: bytes, connection: socket.socket) -> None:
        self.responder = responder
        self.request = request
        self.connection = connection

    @property
    def honest(self) -> bytes:
        return HONEST["issuer_by_name"].make(self.responder, self.request)

    def say(self, data: bytes) -> None:
        self.connection.sendall(data)

    def answer(self, body: bytes, *lines: str, status: str = "200 OK", kind: str | None = TYPE) -> None:
        """A whole HTTP answer, with more lines in its head."""
        head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines]
        head += [] if kind is None else [f"Content-Type: {kind}"]
        self.say("\r\n".join([*head, "", ""]).encode() + body)

    def wait(self) -> None:
        """Say nothing until the other side has gone."""
        with suppress(OSError):
            while self.connection.recv(4096):
                pass

    def drip(self, data: Iterator[bytes]) -> None:
        for piece in data:
            self.say(piece)
            time.sleep(_DRIP_SECONDS)


@attrs.frozen
class Behaviour:
    """What it does with a request.

    :ivar why: codes, each of which is a right reason to take nothing; empty where it must be taken.
    :ivar status: what an honest answer says.
    :ivar slow: whether it lasts until the other side gives up.
    """

    name: str
    act: Act
    why: tuple[str, ...] = ()
    status: str = "good"
    slow: bool = False


BEHAVIOURS: dict[str, Behaviour] = {}


def _behaviour(*why: str, slow: bool = False) -> Callable[[Act], Act]:
    def register(act: Act) -> Act:
        name = act.__name__.strip("_")
        assert name not in BEHAVIOURS, name
        BEHAVIOURS[name] = Behaviour(name, act, why, slow=slow)
        return act

    return register


def _of_kind(kind: Kind) -> Behaviour:
    def act(exchange: Exchange) -> None:
        exchange.answer(kind.make(exchange.responder, exchange.request))

    # What is longer than any response is not even read.
    why = (*kind.why, "fetch.too_large") if kind.name == "huge" else kind.why
    return Behaviour(kind.name, act, why, kind.status)


BEHAVIOURS.update({kind.name: _of_kind(kind) for kind in (*HONEST.values(), *HOSTILE.values())})


# -- time ------------------------------------------------------------------------------------------------


@_behaviour("fetch.deadline", slow=True)
def hang(exchange: Exchange) -> None:
    """Takes the request, and says nothing."""
    exchange.wait()


@_behaviour("fetch.deadline", slow=True)
def hang_after_the_head(exchange: Exchange) -> None:
    exchange.say(f"HTTP/1.1 200 OK\r\nContent-Type: {TYPE}\r\nContent-Length: 100\r\n\r\n".encode())
    exchange.wait()


@_behaviour("fetch.deadline", slow=True)
def hang_before_the_last_octet(exchange: Exchange) -> None:
    body = exchange.honest
    exchange.say(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:-1])
    exchange.wait()


@_behaviour("fetch.deadline", slow=True)
def drip_head(exchange: Exchange) -> None:
    """An octet at a time: each is in time, and the whole never is."""
    exchange.say(b"HTTP/1.1 200 OK\r\nX: ")
    exchange.drip(b"x" for _ in range(10_000))


@_behaviour("fetch.deadline", slow=True)
def drip_body(exchange: Exchange) -> None:
    exchange.say(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
    exchange.drip(b"x" for _ in range(10_000))


@_behaviour("fetch.deadline", "fetch.headers", slow=True)
def drip_interim_answers(exchange: Exchange) -> None:
    exchange.drip(b"HTTP/1.1 100 Continue\r\n\r\n" for _ in range(10_000))


# -- size ------------------------------------------------------------------------------------------------


@_behaviour("fetch.too_large")
def endless_body(exchange: Exchange) -> None:
    """As long as somebody listens."""
    exchange.say(f"HTTP/1.1 200 OK\r\nContent-Type: {TYPE}\r\n\r\n".encode())
    for _ in range(_HUGE // 65_536):
        exchange.say(bytes(65_536))


@_behaviour("fetch.too_large")
def large_by_its_length(exchange: Exchange) -> None:
    exchange.say(f"HTTP/1.1 200 OK\r\nContent-Length: {_HUGE}\r\n\r\n".encode())
    exchange.wait()


@_behaviour("fetch.too_large")
def honest_in_much_padding(exchange: Exchange) -> None:
    exchange.answer(exchange.honest + bytes(70_000))


@_behaviour("fetch.headers")
def endless_head(exchange: Exchange) -> None:
    exchange.say(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000)


# -- content ---------------------------------------------------------------------------------------------


@_behaviour("ocsp.malformed")
def no_body(exchange: Exchange) -> None:
    exchange.answer(b"")


@_behaviour("ocsp.malformed")
def octets_of_every_value(exchange: Exchange) -> None:
    exchange.answer(bytes(range(256)) * 8)


@_behaviour("ocsp.malformed")
def half_of_an_answer(exchange: Exchange) -> None:
    exchange.answer(exchange.honest[: len(exchange.honest) // 2])


@_behaviour("ocsp.malformed")
def honest_and_one_octet_more(exchange: Exchange) -> None:
    exchange.answer(exchange.honest + b"\0")


@_behaviour("ocsp.content_type")
def a_page(exchange: Exchange) -> None:
    """What a captive portal says."""
    exchange.answer(b"<html>Please log in</html>", kind="text/html; charset=utf-8")


@_behaviour("ocsp.content_type")
def honest_as_a_page(exchange: Exchange) -> None:
    exchange.answer(exchange.honest, kind="text/html")


@_behaviour("fetch.encoding")
def packed(exchange: Exchange) -> None:
    exchange.answer(exchange.honest, "Content-Encoding: gzip")


@_behaviour()
def without_a_type(exchange: Exchange) -> None:
    exchange.answer(exchange.honest, kind=None)


@_behaviour()
def in_chunks(exchange: Exchange) -> None:
    exchange.say(f"HTTP/1.1 200 OK\r\nContent-Type: {TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
    for octet in exchange.honest:
        exchange.say(b"1\r\n" + bytes((octet,)) + b"\r\n")
    exchange.say(b"0\r\n\r\n")


# -- HTTP ------------------------------------------------------------------------------------------------


@_behaviour("fetch.http")
def not_http(exchange: Exchange) -> None:
    exchange.say(b"220 mail.example ESMTP\r\n" * 10)


@_behaviour("fetch.http", "fetch.connection")
def tls_alert(exchange: Exchange) -> None:
    exchange.say(b"\x15\x03\x01\x00\x02\x02\x28")


@_behaviour("fetch.connection", "fetch.http")
def close(exchange: Exchange) -> None:
    """Closes without a word."""


@_behaviour("fetch.connection", "fetch.http")
def reset(exchange: Exchange) -> None:
    exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@_behaviour("fetch.connection", "fetch.http")
def close_within_the_body(exchange: Exchange) -> None:
    body = exchange.honest
    exchange.say(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:-1])


@_behaviour("fetch.http", "fetch.connection")
def bad_chunks(exchange: Exchange) -> None:
    exchange.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n")


@_behaviour("fetch.redirect")
def redirect(exchange: Exchange) -> None:
    exchange.answer(b"", "Location: http://169.254.169.254/latest/meta-data/", status="302 Found")


@_behaviour("fetch.redirect")
def honest_and_redirect(exchange: Exchange) -> None:
    exchange.answer(exchange.honest, "Location: /again", status="301 Moved Permanently")


@_behaviour("fetch.status")
def not_found(exchange: Exchange) -> None:
    exchange.answer(exchange.honest, status="404 Not Found")


@_behaviour("fetch.status")
def no_content(exchange: Exchange) -> None:
    exchange.say(b"HTTP/1.1 204 No Content\r\n\r\n")


@_behaviour("fetch.status", "fetch.redirect")
def not_modified(exchange: Exchange) -> None:
    """Though that was not asked."""
    exchange.say(b"HTTP/1.1 304 Not Modified\r\n\r\n")


@_behaviour("fetch.status")
def overloaded(exchange: Exchange) -> None:
    exchange.answer(b"", "Retry-After: 1", status="503 Service Unavailable")


@_behaviour("fetch.status")
def wants_a_password(exchange: Exchange) -> None:
    exchange.answer(b"", 'WWW-Authenticate: Basic realm="x"', status="401 Unauthorized")
