"""Telling commands how the sources of a running daemon fare: in a file, written now and then."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from mtlsd.ops.audit import utc_now
from mtlsd.revocation.status_file import NAME, Row, StatusFile, rows_of
from mtlsd.service.background import Background

LOOK_SECONDS = 2.0
WRITE_LOOKS = 15
"""After so many looks it is written though nothing has changed: its age tells that the daemon lives."""


@attrs.define(eq=False)
class StatusWriter:
    """Writes the status whenever it is another one.

    :ivar background: what is live at present.
    """

    _log = Logger()

    background: Callable[[], Background]
    _loop: LoopingCall = attrs.field(init=False)
    _written: tuple[Row, ...] | None = attrs.field(default=None, init=False)
    _looks: int = attrs.field(default=0, init=False)
    _complaint: str = attrs.field(default="", init=False)

    @_loop.default
    def _make_loop(self) -> LoopingCall:
        return LoopingCall(lambda: Deferred.fromCoroutine(self._look()))

    def start(self, reactor: Any) -> None:
        """Look now and then."""
        self._loop.clock = reactor
        self._loop.start(LOOK_SECONDS, now=False)

    def stop(self) -> None:
        """Write no more."""
        if self._loop.running:
            self._loop.stop()

    async def _look(self) -> None:
        rows = tuple(rows_of(self.background().status()))
        self._looks += 1
        if not rows and self._written is None:
            return  # nothing is checked here
        if rows == self._written and self._looks < WRITE_LOOKS:
            return
        self._written, self._looks = rows, 0
        try:
            await self._write(StatusFile(utc_now(), os.getpid(), rows).to_bytes())
            self._complaint = ""
        except OSError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                self._log.error("status.not_written {error}", error=error)
        except Exception:  # or the loop would end
            self._log.failure("status.not_written")

    async def _write(self, data: bytes) -> None:
        out = self.background().out
        await out.reader.run(lambda: out.cache.write(NAME, data))
