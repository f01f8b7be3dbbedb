"""Requests out of bytes: HTTP/1.1 as RFC 9112 has it, without I/O and without repairing anything.

One regular expression has the whole grammar of a header section. What it does not match is refused, and only
then :mod:`mtlsd.web.diagnose` finds out why.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Self
from urllib.parse import unquote_to_bytes

import attrs

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.forwarded.spellings import CREDENTIALS_FIELD
from mtlsd.web.chunked import ChunkedBody
from mtlsd.web.diagnose import bad_octet, diagnose
from mtlsd.web.limits import Limits
from mtlsd.web.strict import FIELD_CONTENT, TOKEN, check, path_and_authority, refuse

# RFC 9112 sections 2.1, 3 and 5. The quantifiers are possessive: nothing is tried twice, however hostile.
_head = re.compile(
    rb"(" + TOKEN + rb"++) ([\x21-\x7e]++) (HTTP/1\.[01])\r\n"
    rb"((?:" + TOKEN + rb"++:" + FIELD_CONTENT + rb"*+\r\n)*+)\r\n"
).fullmatch
# A larger head is parsed anew: what is remembered should not take much memory. Each connection remembers its
# last one; those that a listener remembers for all may have a certificate in them, which a proxy forwards.
_LAST_BYTES = 1024
_REMEMBERED_BYTES = 4096
_REMEMBERED_HEADS = 256
_CREDENTIALS = frozenset({b"authorization", CREDENTIALS_FIELD})
_field_lines = re.compile(rb"([^:\r\n]++):[ \t]*+([^\r\n]*+)\r\n").findall


@attrs.frozen
class Head:
    """Request line and header section of one request, checked.

    :ivar target: the request-target as sent.
    :ivar path: the same without query, and in absolute-form without scheme and authority.
    :ivar segments: the path's segments, percent-decoded, without the leading slash.
    :ivar fields: every field line as (name as sent, value without surrounding whitespace), in order.
    :ivar values: the last value of each field by lower-case name.
    :ivar content_length: bytes of the body when it is not chunked.
    :ivar keep_alive: whether the client wants another request on the connection (RFC 9112 section 9.3).
    :ivar expects_continue: the client waits for 100 before it sends the body (RFC 9110 section 10.1.1).
    """

    method: bytes
    target: bytes
    version: bytes
    path: bytes
    segments: tuple[bytes, ...]
    fields: tuple[tuple[bytes, bytes], ...]
    values: Mapping[bytes, bytes]
    chunked: bool
    content_length: int
    keep_alive: bool
    expects_continue: bool

    @classmethod
    def from_bytes(cls, raw: bytes, limits: Limits) -> Self:
        """Parse a header section, up to and with its empty line.

        :raises Refusal: ``request.*``; its facts name the rule.
        """
        match = _head(raw)
        if match is None:
            raise diagnose(raw)
        method, target, version, section = match.groups()
        fields = tuple((name, value.rstrip(b" \t")) for name, value in _field_lines(section))
        if len(fields) > limits.header_fields:
            raise refuse("RFC 6585 section 5", "too many fields", reasons.REQUEST_HEADERS_TOO_LARGE)
        framing = check(version, method, target, fields)
        if framing.content_length > limits.body_bytes:
            raise refuse("RFC 9110 section 15.5.14", "Content-Length is too large", reasons.REQUEST_TOO_LARGE)
        path = path_and_authority(target)[0]
        modern = version == b"HTTP/1.1"
        return cls(
            method=method,
            target=target,
            version=version,
            path=path,
            segments=tuple(map(unquote_to_bytes, path[1:].split(b"/"))),
            fields=fields,
            values=MappingProxyType({name.lower(): value for name, value in fields}),
            chunked=framing.chunked,
            content_length=framing.content_length,
            keep_alive=modern and b"close" not in _options(fields),
            expects_continue=_expects_continue(fields) and modern,
        )


def _options(fields: tuple[tuple[bytes, bytes], ...]) -> set[bytes]:
    """Collect the connection options (RFC 9110 section 7.6.1)."""
    lists = [value for name, value in fields if name.lower() == b"connection"]
    return {option.strip(b" \t").lower() for options in lists for option in options.split(b",")}


def _expects_continue(fields: tuple[tuple[bytes, bytes], ...]) -> bool:
    expectations = [value.lower() for name, value in fields if name.lower() == b"expect"]
    if any(expectation != b"100-continue" for expectation in expectations):
        raise refuse("RFC 9110 section 10.1.1", "an expectation unknown here", reasons.REQUEST_EXPECTATION)
    return bool(expectations)


class RememberedHeads:
    """Heads by their bytes. Clients repeat themselves, on one connection and on the next.

    A head with credentials is never remembered.
    """

    def __init__(self) -> None:
        self._heads: dict[bytes, tuple[bytes, Head, Limits]] = {}

    def parse(self, raw: bytes, limits: Limits) -> tuple[bytes, Head]:
        """What :meth:`Head.from_bytes` says, and the bytes, each held once for all connections.

        :raises Refusal: ``request.*``.
        """
        known = self._heads.get(raw)
        if known is not None and known[2] is limits:
            return known[0], known[1]
        head = Head.from_bytes(raw, limits)
        if len(raw) <= _REMEMBERED_BYTES and _CREDENTIALS.isdisjoint(head.values):
            if len(self._heads) >= _REMEMBERED_HEADS:
                del self._heads[next(iter(self._heads))]
            self._heads[raw] = raw, head, limits
        return raw, head


class RequestParser:
    """Requests of one connection, one after the other: ``feed`` bytes, then ask for the ``next_request``.

    However the bytes are split, the requests and the refusal are the same.
    """

    def __init__(self, limits: Limits, remembered: RememberedHeads | None = None) -> None:
        """
        :param remembered: shared by the connections of a listener.
        """
        self._limits = limits
        self._remembered = RememberedHeads() if remembered is None else remembered
        self._buffer: bytes | bytearray = b""
        self._head: Head | None = None  # of the request whose body is being awaited
        self._chunks: ChunkedBody | None = None
        self._refusal: Refusal | None = None
        self._line_skipped = False
        self._scanned = 0  # how much of an incomplete head is known to be free of octets that no head has
        # Clients repeat themselves: the same bytes as last time are the same head as last time.
        self._last_raw = b""
        self._last_head: Head | None = None

    def feed(self, data: bytes) -> None:
        """Take what arrived."""
        if self._refusal is not None:
            return
        if not self._buffer:
            self._buffer = data
        else:
            if isinstance(self._buffer, bytes):
                self._buffer = bytearray(self._buffer)
            self._buffer += data

    @property
    def buffered(self) -> int:
        """How many bytes are held that belong to no request handed out yet."""
        return len(self._buffer)

    @property
    def started(self) -> bool:
        """Whether a part of a request has arrived, but not all of it."""
        return bool(self._buffer) or self._head is not None

    def awaits_continue(self) -> bool:
        """Say, once a request, whether the client waits for 100 before it begins its body."""
        head = self._head
        if head is None or not head.expects_continue or self._buffer:
            return False
        self._head = attrs.evolve(head, expects_continue=False)
        return self._chunks is None or not self._chunks.body

    def next_request(self) -> tuple[Head, bytes] | None:
        """Hand out the next complete request as head and body; None when more bytes are needed.

        :raises Refusal: the connection cannot go on: nobody knows where the next request would begin
            (RFC 9112 section 9.6). Every further call raises the same.
        """
        if self._refusal is not None:
            raise self._refusal
        if not self._buffer and self._head is None:  # as after most requests
            return None
        try:
            head = self._head or self._read_head()
            return None if head is None else self._read_body(head)
        except Refusal as refusal:
            self._refusal = refusal
            self._buffer = b""
            raise

    def _read_head(self) -> Head | None:
        buffer = self._buffer
        if self._last_head is not None and buffer.startswith(self._last_raw):
            head = self._last_head
            self._buffer = buffer[len(self._last_raw) :]
        else:
            found = self._find_head()
            if found is None:
                return None
            head = found
        self._line_skipped = False
        self._scanned = 0
        if head.chunked:
            self._chunks = ChunkedBody(self._limits)
        self._head = head
        return head

    def _find_head(self) -> Head | None:
        """Parse a head that differs from the last one, if it has arrived whole."""
        if not self._buffer:
            return None
        if not self._line_skipped and self._buffer.startswith(b"\r\n"):
            self._buffer = self._buffer[
                2:
            ]  # one empty line before a request is ignored, RFC 9112 section 2.2
            self._line_skipped = True
        limits = self._limits
        end = self._buffer.find(b"\r\n\r\n", max(0, self._scanned - 3), limits.header_bytes)
        if end < 0 or end > limits.line_bytes:
            self._scan(limits.header_bytes if end < 0 else end + 4)
        if end < 0:
            if len(self._buffer) >= limits.header_bytes:
                raise refuse("RFC 6585 section 5", "too large a section", reasons.REQUEST_HEADERS_TOO_LARGE)
            return None
        raw = bytes(self._buffer[: end + 4])
        raw, head = self._remembered.parse(raw, limits)
        self._buffer = self._buffer[end + 4 :]
        if len(raw) <= _LAST_BYTES:
            self._last_raw, self._last_head = raw, head
        return head

    def _scan(self, most: int) -> None:
        """Refuse at once what can no longer become a header section, however it goes on.

        The order is that of the bytes, so that the same is refused for the same reason however it is split;
        and no byte is looked at twice, so that dripping costs the server no more than sending at once.
        """
        buffer, line = self._buffer, self._limits.line_bytes
        wrong = bad_octet(buffer, self._scanned, min(line, most)) if self._scanned < line else None
        if wrong is None and len(buffer) > line and buffer.find(b"\r\n", 0, line) < 0:
            wrong = refuse(
                "RFC 9112 section 3", "the request line is too long", reasons.REQUEST_TARGET_TOO_LONG
            )
        wrong = wrong or bad_octet(buffer, self._scanned, most)
        if wrong is not None:
            raise wrong
        self._scanned = max(0, len(buffer) - 1)

    def _read_body(self, head: Head) -> tuple[Head, bytes] | None:
        buffer = self._buffer
        if self._chunks is not None:
            return self._read_chunks(head, self._chunks)
        length = head.content_length
        if len(buffer) < length:
            return None
        self._head = None
        self._buffer = buffer[length:]
        return head, bytes(buffer[:length])

    def _read_chunks(self, head: Head, chunks: ChunkedBody) -> tuple[Head, bytes] | None:
        buffer = bytearray(self._buffer)
        complete = chunks.consume(buffer)
        self._buffer = buffer
        if not complete:
            return None
        self._head = self._chunks = None
        return head, bytes(chunks.body)
