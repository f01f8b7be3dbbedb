"""Asking again for the answers that are in use, at half of their life, so that nobody has to wait for them.

What is due is looked up by the wall clock, a little at a time, since clocks jump.
"""

from __future__ import annotations

import heapq
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from mtlsd.revocation.inquiry import Inquiry, Key
from mtlsd.revocation.ocsp_table import AnswerTable, Kept

_SHORTEST: Final = timedelta(seconds=10)
_RETRY: Final = timedelta(seconds=60)
_JUMP: Final = timedelta(seconds=60)
_MOST_AT_ONCE: Final = 500
_SOON_SECONDS: Final = 0.1
_SPREAD: Final = 0.2  # of half of a life


@attrs.define(eq=False, repr=False)
class Refresher:
    """Looks every few seconds at what is due.

    :ivar ask: asks a responder, and has the answer put into the table.
    :ivar random: 0 to 1.
    :ivar most: how many are asked for at once.
    """

    _log = Logger()

    table: AnswerTable
    clock: IReactorTime
    now: Callable[[], datetime]
    random: Callable[[], float]
    ask: Callable[[Inquiry], Awaitable[str | None]]
    tick_seconds: float
    most: int
    _due: list[tuple[datetime, int, Key]] = attrs.field(factory=list, init=False)
    _count: int = attrs.field(default=0, init=False)
    _queue: dict[Key, None] = attrs.field(factory=dict, init=False)
    _running: set[Deferred[Any]] = attrs.field(factory=set, init=False)
    _timer: IDelayedCall | None = attrs.field(default=None, init=False)
    _last: datetime | None = attrs.field(default=None, init=False)
    _stopped: bool = attrs.field(default=True, init=False)
    _filling: bool = attrs.field(default=False, init=False)

    def start(self) -> None:
        self._stopped = False
        self._last = self.now()
        self._timer = self.clock.callLater(self.tick_seconds, self._tick)

    def stop(self) -> None:
        self._stopped = True
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for running in tuple(self._running):
            running.cancel()

    def added(self, kept: Kept) -> None:
        """A new answer: half of its life is over somewhere between 40 and 60 percent, so that they spread."""
        now = self.now()
        left = max(kept.record.until - now, timedelta())
        part = 0.5 + _SPREAD * (self.random() - 0.5)
        kept.half_at = now + max(left * part, _SHORTEST)
        self._at(kept, kept.half_at)

    def loaded(self, kept: Kept) -> None:
        """One from the disk: nobody has used it yet."""
        self._at(kept, kept.record.until)

    def used(self, kept: Kept) -> None:
        """It is used for the first time since it was fetched."""
        kept.used = True
        if kept.half_at is not None and kept.due_at != kept.half_at:
            self._at(kept, kept.half_at)

    def _at(self, kept: Kept, due_at: datetime) -> None:
        kept.due_at = due_at
        self._count += 1
        if len(self._due) > 4 * len(self.table) + 1000:
            self._again()
        heapq.heappush(self._due, (due_at, self._count, kept.record.key))

    def _again(self) -> None:
        """Plan anew, without what has been superseded."""
        self._due = [
            (own.due_at, number, own.record.key)
            for number, own in enumerate(self.table, self._count)
            if own.due_at is not None
        ]
        self._count += len(self._due)
        heapq.heapify(self._due)

    def _tick(self) -> None:
        seconds = self.tick_seconds
        try:
            if self._look_at_due(self.now()):
                seconds = _SOON_SECONDS
            self._fill()
        finally:
            if not self._stopped:
                self._timer = self.clock.callLater(seconds, self._tick)

    def _look_at_due(self, now: datetime) -> bool:
        """A part of what is due. Whether there is more."""
        if self._last is not None and now < self._last - _JUMP:
            self._went_back(now)
        self._last = now
        for _ in range(_MOST_AT_ONCE):
            if not self._due or self._due[0][0] > now:
                return False
            due_at, _, key = heapq.heappop(self._due)
            kept = self.table.peek(key)
            if kept is not None and kept.due_at == due_at:
                self._look(kept, now)
        return True

    def _went_back(self, now: datetime) -> None:
        """What was planned by a clock that was ahead would come too late."""
        for kept in self.table:
            if kept.record.fetched_at > now:
                kept.half_at = kept.due_at = now
        self._again()

    def _look(self, kept: Kept, now: datetime) -> None:
        if kept.used and kept.inquiry is not None and kept.inquiry.urls and now < kept.inquiry.not_after:
            self._queue[kept.record.key] = None
        elif now >= kept.ends_at:
            self.table.drop(kept.record.key)
        else:
            self._at(kept, kept.ends_at)

    def _fill(self) -> None:
        if self._filling:  # one that has ended at once; the loop below goes on
            return
        self._filling = True
        while self._queue and len(self._running) < self.most and not self._stopped:
            key = next(iter(self._queue))
            del self._queue[key]
            kept = self.table.peek(key)
            if kept is not None and kept.inquiry is not None:
                self._refresh(kept, kept.inquiry)
        self._filling = False

    def _refresh(self, kept: Kept, inquiry: Inquiry) -> None:
        async def run() -> None:
            why = await self.ask(inquiry)
            if self.table.peek(inquiry.key) is kept:
                self._not_renewed(kept, why)

        running = Deferred.fromCoroutine(run())
        self._running.add(running)
        running.addBoth(self._done, running)

    def _not_renewed(self, kept: Kept, why: str | None) -> None:
        """It stays as it was: nobody answered, or with nothing newer."""
        now = self.now()
        if why is not None and now >= kept.ends_at:
            self.table.drop(kept.record.key)
        else:
            self._at(kept, now + _RETRY * (1 + self.random()))

    def _done(self, result: object, running: Deferred[Any]) -> None:
        self._running.discard(running)
        if isinstance(result, Failure) and not result.check(CancelledError):
            self._log.failure("ocsp.failed", result)
        self._fill()
