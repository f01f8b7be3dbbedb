"""The head of a response (RFC 9112 section 4), put together from parts that are made once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from email.utils import formatdate

from twisted.web.http import RESPONSES

from mtlsd.errors import Refusal
from mtlsd.web.strict import FIELD_CONTENT, TOKEN

HeaderList = Sequence[tuple[bytes, bytes]]

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"  # RFC 9110 section 15.2.1
CLOSE = b"Connection: close\r\n"  # RFC 9112 section 9.6
CHUNKED = b"Transfer-Encoding: chunked\r\n"
LAST_CHUNK = b"0\r\n\r\n"

_is_line = re.compile(TOKEN + rb"++: " + FIELD_CONTENT + rb"*+\r\n").fullmatch
_STATUS_LINES = {code: b"HTTP/1.1 %d %s\r\n" % (code, phrase) for code, phrase in RESPONSES.items()}


def status_line(code: int, phrase: bytes | None) -> bytes:
    """Make the status line; the phrase is the registered one when None."""
    if phrase is None:
        return _STATUS_LINES.get(code) or b"HTTP/1.1 %d \r\n" % code
    if b"\r" in phrase or b"\n" in phrase:
        raise ValueError("a reason phrase has no line breaks (RFC 9112 section 4)")
    return b"HTTP/1.1 %d %s\r\n" % (code, phrase)


def field_line(name: bytes, value: bytes) -> bytes:
    """Make a field line.

    :raises ValueError: the name is not a token or the value has control characters: a resource that passes on
        what a client sent must not let it write header fields of its own (RFC 9110 section 5.5).
    """
    line = b"%b: %b\r\n" % (name, value)
    if not _is_line(line):
        raise ValueError("not a header field: a control character, or a name that is no token")
    return line


def chunk(data: bytes) -> bytes:
    """Make one chunk (RFC 9112 section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class DateLine:
    """The Date field (RFC 9110 section 6.6.1), made once a second.

    :param now: seconds since the epoch.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._second = -1
        self._line = b""

    def __call__(self) -> bytes:
        second = int(self._now())
        if second != self._second:
            self._second = second
            self._line = b"Date: %b\r\n" % formatdate(second, usegmt=True).encode("ascii")
        return self._line


def json_error(refusal: Refusal, transport: object) -> tuple[HeaderList, bytes]:
    """Make the default body of an error, as RFC 6749 section 5.2 has it. What exactly was wrong stays inside.

    :param transport: of the connection that the request came by; not looked at.
    """
    reason = refusal.reason
    described = "Client authentication failed." if reason.error == "invalid_client" else reason.meaning
    body = json.dumps({"error": reason.error, "error_description": described}).encode("ascii")
    return ((b"Content-Type", b"application/json"), (b"Cache-Control", b"no-store")), body
