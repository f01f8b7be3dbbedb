"""The audit log: one JSON object a line, one line an event.

JSON escapes every control character and everything outside ASCII, so nothing that a certificate or a request
says can end a line or begin another.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import IO

import attrs

from mtlsd.errors import Fact

_encode = json.JSONEncoder(separators=(",", ":")).encode


@attrs.frozen
class AuditLog:
    """Writes events.

    :ivar write: takes one whole line, newline included.
    :ivar now: the instant, aware UTC.
    """

    write: Callable[[bytes], object]
    now: Callable[[], datetime]

    def event(self, name: str, facts: Mapping[str, Fact]) -> None:
        """
        :param name: the stable name of the event, such as `token.issued`.
        :param facts: no secret, no key, no token.
        """
        at = self.now().isoformat(timespec="milliseconds")
        self.write(_encode({"at": at, "event": name, **facts}).encode("ascii") + b"\n")


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

    def __attrs_post_init__(self) -> None:
        self._file = self._open()

    def write(self, line: bytes) -> None:
        """:raises OSError: when it cannot be written whole: what is not recorded is not done."""
        if self._file.write(line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)

    def close(self) -> None:
        self._file.close()

    def _open(self) -> IO[bytes]:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        return open(descriptor, "ab", buffering=0)
