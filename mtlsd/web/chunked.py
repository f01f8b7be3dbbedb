"""The chunked transfer coding of a request's body (RFC 9112 section 7.1), strictly and within limits."""

from __future__ import annotations

import re
from collections.abc import Callable

from mtlsd import reasons
from mtlsd.web.limits import Limits
from mtlsd.web.strict import FIELD_CONTENT, TOKEN, refuse

_LINE_BYTES = 256  # of one chunk-size line with its extensions
_chunk_line = re.compile(rb"([0-9A-Fa-f]{1,8})([ \t]*+;" + FIELD_CONTENT + rb"*+)?").fullmatch
_trailer_line = re.compile(TOKEN + rb"++:" + FIELD_CONTENT + rb"*+").fullmatch

_Step = Callable[[bytearray], bool]


class ChunkedBody:
    """One body in the making.

    Extensions and trailers are checked, bounded and left out (RFC 9112 sections 7.1.1 and 7.1.2).

    :ivar body: what has arrived so far, without the coding.
    """

    def __init__(self, limits: Limits) -> None:
        self._most = limits.body_bytes
        self._spare = limits.header_bytes  # what extensions and trailers may still cost together
        self._left = 0
        self._step: _Step | None = self._size
        self.body = bytearray()

    def consume(self, buffer: bytearray) -> bool:
        """Take from the front of the buffer what belongs to this body.

        :return: True when the body is complete; what follows it stays in the buffer.
        :raises Refusal: request.malformed, request.too_large or request.headers_too_large.
        """
        while self._step is not None:
            if not self._step(buffer):
                return False
        return True

    def _size(self, buffer: bytearray) -> bool:
        line = _take_line(buffer, _LINE_BYTES)
        if line is None:
            return False
        chunk = _chunk_line(line)
        if chunk is None:
            raise refuse("RFC 9112 section 7.1", "a chunk size is not a hexadecimal number")
        self._spend(len(chunk[2] or b""))
        self._left = int(chunk[1], 16)
        if len(self.body) + self._left > self._most:
            raise refuse("RFC 9110 section 15.5.14", "the chunks are too many", reasons.REQUEST_TOO_LARGE)
        self._step = self._data if self._left else self._trailer
        return True

    def _data(self, buffer: bytearray) -> bool:
        part = buffer[: self._left]
        del buffer[: len(part)]
        self.body += part
        self._left -= len(part)
        if self._left:
            return False
        self._step = self._end_of_data
        return True

    def _end_of_data(self, buffer: bytearray) -> bool:
        if not b"\r\n".startswith(buffer[:2]):
            raise refuse("RFC 9112 section 7.1", "a chunk is longer than its size says")
        if len(buffer) < 2:
            return False
        del buffer[:2]
        self._step = self._size
        return True

    def _trailer(self, buffer: bytearray) -> bool:
        line = _take_line(buffer, self._spare)
        if line is None:
            return False
        if not line:
            self._step = None
        elif not _trailer_line(line):
            raise refuse("RFC 9112 section 7.1.2", "a trailer field is malformed")
        self._spend(len(line))
        return True

    def _spend(self, octets: int) -> None:
        self._spare -= octets
        if self._spare < 0:
            raise _too_large()


def _take_line(buffer: bytearray, most: int) -> bytes | None:
    """Take a line off the front; None while it is incomplete, a refusal once it is longer than it may be."""
    end = buffer.find(b"\r\n", 0, most + 2)
    if end < 0:
        if len(buffer) >= most + 2:
            raise _too_large()
        return None
    line = bytes(buffer[:end])
    del buffer[: end + 2]
    return line


def _too_large() -> Exception:
    return refuse(
        "RFC 6585 section 5", "chunk extensions or trailers are too long", reasons.REQUEST_HEADERS_TOO_LARGE
    )
