"""One request through a proxy, over a bare socket: no HTTP library sends what forgers send."""

from __future__ import annotations

import json
import socket
import ssl
from contextlib import suppress
from time import monotonic
from typing import Any, Final

import attrs

from mtlsd.cli.proxies.forgeries import Forgery
from mtlsd.errors import Reason
from mtlsd.jose import b64
from mtlsd.reasons import forwarding
from mtlsd.resource_server.deadline import seconds_until

_MOST: Final = 65_536  # octets of an answer that are read
_OF_UNKNOWN_CAS: Final = (18, 19, 20, 21)  # X509_V_ERR_*: self-signed, or without a path
_HEAD_END: Final = b"\r\n\r\n"
_FORWARDED: Final = {
    reason.meaning: reason for reason in vars(forwarding).values() if isinstance(reason, Reason)
}


class NoAnswer(Exception):
    """There was none in time, or no connection."""


@attrs.frozen
class Answer:
    """What came back.

    :ivar status: 0 where the connection was closed without an answer.
    :ivar document: the body, where it is a JSON object.
    """

    status: int
    document: dict[str, Any] = attrs.field(factory=dict, repr=False)

    @property
    def from_mtlsd(self) -> bool:
        """Whether mtlsd has answered, and not the proxy."""
        return "correlation_id" in self.document or "access_token" in self.document

    @property
    def reason(self) -> Reason | None:
        """Why mtlsd would not take a field that only the proxy may send; None where it says no such thing."""
        found = _FORWARDED.get(str(self.document.get("error_description")))
        return found if self.document.get("error") == "invalid_request" else None

    @property
    def bound_to(self) -> object:
        """The thumbprint of the certificate that the token is bound to, if there is one."""
        return _claims(str(self.document.get("access_token", ""))).get("cnf")

    def says_what(self, other: Answer) -> bool:
        """Whether both mean the same for the client."""
        mine, others = (
            (own.status, own.document.get("error"), own.from_mtlsd, own.bound_to) for own in (self, other)
        )
        return mine == others

    def __str__(self) -> str:
        if self.status == 0:
            return "the connection is closed"
        error = self.document.get("error")
        what = f" {error}" if isinstance(error, str) and error.isidentifier() else ""
        return f"{self.status}{what}" + ("" if self.from_mtlsd else ", not from mtlsd")


def _claims(token: str) -> dict[str, Any]:
    """Of a JWT, unverified; none of anything else."""
    try:
        _, payload, _ = token.split(".")
        claims = json.loads(b64.decode(payload))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}


@attrs.frozen
class Target:
    """Where requests go.

    :ivar host: of the proxy, as clients see it.
    :ivar path: of an endpoint that takes forms.
    :ivar tls: with or without a certificate.
    :ivar form: what is posted.
    """

    host: str
    port: int
    path: str
    tls: ssl.SSLContext
    form: bytes

    def ask(self, forgery: Forgery, seconds: float) -> Answer:
        """Send one request on a connection of its own.

        :raises NoAnswer: where there is none in so many seconds.
        """
        until = monotonic() + seconds
        try:
            with socket.create_connection((self.host, self.port), seconds) as raw:
                raw.sendall(forgery.before_tls)
                with self.tls.wrap_socket(raw, server_hostname=self.host) as connection:
                    return _exchange(connection, self.request(forgery), until)
        except TimeoutError:
            raise NoAnswer(f"nothing in {seconds:.0f} seconds") from None
        except ssl.SSLCertVerificationError as error:
            remedy = ": --ca names the one to trust" if error.verify_code in _OF_UNKNOWN_CAS else ""
            raise NoAnswer(f"its certificate is not good: {error.verify_message}{remedy}") from None
        except (ssl.SSLError, ConnectionResetError, BrokenPipeError):
            return Answer(0)
        except OSError as error:
            raise NoAnswer(error.strerror or str(error)) from None

    def request(self, forgery: Forgery) -> bytes:
        """As it goes over the wire."""
        netloc = self.host if self.port == 443 else f"{self.host}:{self.port}"
        connection = b", ".join(filter(None, (b"close", forgery.nominated)))
        head = b"POST %b HTTP/1.1\r\n" % self.path.encode("ascii")
        head += forgery.head
        head += b"Host: %b\r\nConnection: %b\r\n" % (netloc.encode("ascii"), connection)
        head += b"Content-Type: application/x-www-form-urlencoded\r\n"
        if forgery.trailer:
            chunk = b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(self.form), self.form, forgery.trailer)
            return forgery.before_request + head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk
        length = b"Content-Length: %d\r\n\r\n" % len(self.form)
        return forgery.before_request + head + length + self.form


def _exchange(connection: ssl.SSLSocket, request: bytes, until: float) -> Answer:
    received = b""
    with suppress(ConnectionError, ssl.SSLError):  # who will not read on may have answered all the same
        connection.settimeout(seconds_until(until))
        connection.sendall(request)
    with suppress(ConnectionError, ssl.SSLError):
        while len(received) < _MOST and not _is_whole(received):
            connection.settimeout(seconds_until(until))
            octets = connection.recv(_MOST)
            if not octets:
                break
            received += octets
    return read_answer(received)


def _is_whole(received: bytes) -> bool:
    head, end, body = received.partition(_HEAD_END)
    if not end:
        return False
    fields = dict(line.lower().partition(b":")[::2] for line in head.split(b"\r\n")[1:])
    length = fields.get(b"content-length", b"").strip()
    if length.isdigit():
        return len(body) >= int(length)
    return body.endswith(b"0" + _HEAD_END)


def read_answer(received: bytes) -> Answer:
    """An HTTP/1.1 answer; anything else is none."""
    head, _, body = received.partition(_HEAD_END)
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1][:3].isdigit():
        return Answer(0)
    try:
        document = json.loads(body)
    except ValueError:  # also where it is not UTF-8
        document = {}
    return Answer(int(words[1][:3]), document if isinstance(document, dict) else {})
