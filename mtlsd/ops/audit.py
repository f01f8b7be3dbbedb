"""The audit log: one JSON object a line, one line an event.

JSON escapes every control character and everything outside ASCII, so nothing that a certificate or a request
says can end a line or begin another.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import IO

import attrs

from mtlsd.errors import Fact

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode

# Strangers choose some of the values, and names in certificates can be long: they shall not fill the disk.
_LINE_CHARACTERS = 8192
_VALUE_CHARACTERS = 256
_VALUES = 32


@attrs.frozen
class AuditLog:
    """Writes events.

    :ivar write: takes one whole line, newline included.
    :ivar now: the instant, aware UTC.
    :ivar count: told of every event, once it is written.
    """

    write: Callable[[bytes], object]
    now: Callable[[], datetime]
    count: Callable[[str, Mapping[str, Fact]], None] = lambda name, facts: None

    def event(self, name: str, facts: Mapping[str, Fact]) -> None:
        """Write an event. In a line that becomes too long, the long values are cut, and say so.

        :param name: the stable name of the event, such as `token.issued`.
        :param facts: no secret, no key, no token.
        """
        at = self.now().isoformat(timespec="milliseconds")
        line = _encode({"at": at, "event": name, **facts})
        if len(line) > _LINE_CHARACTERS:
            line = _encode({"at": at, "event": name} | {key: _cut(fact) for key, fact in facts.items()})
        self.write(line.encode("ascii") + b"\n")
        self.count(name, facts)


def _cut(fact: Fact) -> Fact:
    """At most so many characters of a text, and so many texts of a list."""
    if isinstance(fact, str):
        more = len(fact) - _VALUE_CHARACTERS
        return fact if more <= 0 else f"{fact[:_VALUE_CHARACTERS]}... and {more} characters more"
    if isinstance(fact, Sequence):
        more = len(fact) - _VALUES
        shown = [str(_cut(text)) for text in fact[:_VALUES]]
        return shown if more <= 0 else [*shown, f"and {more} more"]
    return fact


def utc_now() -> datetime:
    """The instant by the system's clock."""
    return datetime.now(UTC)


@attrs.define
class AuditFile:
    """The file behind an audit log. After a rotation a new one is opened, and this one closed.

    Lines are appended with one write each, so that several processes may share the file.
    """

    path: str
    _file: IO[bytes] = attrs.field(init=False, repr=False)
    _torn: bool = attrs.field(default=False, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._file = self._open()

    def write(self, line: bytes) -> None:
        """:raises OSError: when it cannot be written whole: what is not recorded is not done."""
        data = b"\n" + line if self._torn else line  # half a line must not become one with the next
        self._torn = self._file.write(data) != len(data)
        if self._torn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)

    def close(self) -> None:
        self._file.close()

    def _open(self) -> IO[bytes]:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        return open(descriptor, "ab", buffering=0)
