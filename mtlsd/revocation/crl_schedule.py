"""When each source of revocation lists is asked, by the wall clock as far as that goes on evenly."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime, timedelta
from typing import Any, Final

import attrs
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from mtlsd.fetch.freshness import Validators
from mtlsd.revocation.crl_book import Book
from mtlsd.revocation.crl_loads import Loads
from mtlsd.revocation.crl_pace import Pace
from mtlsd.revocation.crl_shelf import Shelf
from mtlsd.revocation.crl_source import CrlSource

_LONGEST_SLEEP: Final = 60.0
_SHORTEST_SLEEP: Final = 1.0
_JUMP: Final = timedelta(seconds=30)
_log: Final = Logger()


@attrs.define(eq=False)
class Schedule:
    """Asks what is due.

    :ivar loaded: called when a source has been asked, before those who wait are woken.
    :ivar jumped: called when the wall clock was set.
    :ivar dismiss: takes the sources that nobody needs any more.
    """

    pace: Pace
    book: Book
    shelf: Shelf
    loads: Loads
    clock: IReactorTime
    now: Callable[[], datetime]
    random: Callable[[], float]
    grace: timedelta
    loaded: Callable[[CrlSource], None]
    jumped: Callable[[], None]
    dismiss: Callable[[Iterable[CrlSource]], None]
    stopped: bool = attrs.field(default=False, init=False)
    _next: IDelayedCall | None = attrs.field(default=None, init=False)
    _running: set[Deferred[None]] = attrs.field(factory=set, init=False)
    _last_tick: tuple[datetime, float] | None = attrs.field(default=None, init=False)

    def start(self) -> None:
        """Begin. What was kept from the last run can wait a little: not everything is asked at once."""
        now = self.now()
        for source in self.book.sources.values():
            if source.last_tried is None and self.has_current(source):
                source.next_try = self.pace.soon(now, self.random())
        self._last_tick = (now, self.clock.seconds())
        self._sleep(0)

    def stop(self) -> None:
        """End, with everything that is under way."""
        self.stopped = True
        if self._next is not None and self._next.active():
            self._next.cancel()
        for running in tuple(self._running):
            running.cancel()
        for source in self.book.sources.values():
            source.wake()

    def begin(self, source: CrlSource) -> None:
        """Ask a source now, unless that is under way."""
        if not source.loading and not self.stopped:
            source.loading = True
            self.run(self.load(source))

    async def load(self, source: CrlSource) -> None:
        """Ask a source, and say when it is asked again."""
        source.loading = True
        try:
            await self.loads.load(source)
        finally:
            source.loading = False
            if not self.stopped:
                self._plan(source)
                self.loaded(source)
                source.wake()
                if self._next is not None:
                    self._sleep(_SHORTEST_SLEEP)

    def run(self, work: Coroutine[Deferred[Any], Any, None]) -> None:
        """Do something that ends when everything ends."""
        running = ensureDeferred(work)
        self._running.add(running)
        running.addErrback(_forgive)
        running.addBoth(lambda _: self._running.discard(running))

    def has_current(self, source: CrlSource) -> bool:
        """Whether a source has given something that has not run out."""
        now = self.now() - self.grace
        return any(now <= held.own.described.next_update for held in self.shelf.of(source.name))

    def hasten(self, source: CrlSource) -> None:
        """Ask a source as soon as it may be asked again."""
        if source.last_tried is not None and not source.failing:
            source.next_try = min(source.next_try, source.last_tried + self.pace.floor)

    def _plan(self, source: CrlSource) -> None:
        now, chance = self.now(), self.random()
        if source.is_file:
            source.next_try = now + self.pace.file
        elif source.failing:
            source.next_try = self.pace.retry(now, source.failures, chance)
        else:
            ends = [held.own.described.next_update for held in self.shelf.of(source.name)]
            conditional = bool(Validators.from_headers(source.headers).headers())
            first = min(ends, default=None)
            source.next_try = self.pace.refresh(now, first, source.headers, conditional, chance)

    def _tick(self) -> None:
        now = self.now()
        if self._has_jumped(now):
            self._replan(now)
        self._last_tick = (now, self.clock.seconds())
        self.dismiss(self.book.idle(now, self.pace.idle))
        for source in tuple(self.book.sources.values()):
            if source.next_try > now + self.pace.longest:
                # planned by a clock that was wrong for a moment, between two ticks
                source.next_try = self.pace.soon(now, self.random())
            if source.next_try <= now:
                self.begin(source)
        self._sleep(_SHORTEST_SLEEP)

    def _sleep(self, at_least: float) -> None:
        """Until the next source is due, but never long: the wall clock may be set meanwhile.

        What was to come sooner stays: sources whose loads end all the time must not hold up the others.
        """
        now = self.now()
        due = (own.next_try for own in self.book.sources.values() if not own.loading)
        wait = (min(due, default=now + timedelta(seconds=_LONGEST_SLEEP)) - now).total_seconds()
        wait = min(max(wait, at_least), _LONGEST_SLEEP)
        if self._next is not None and self._next.active():
            if self._next.getTime() <= self.clock.seconds() + wait:
                return
            self._next.cancel()
        self._next = self.clock.callLater(wait, self._tick)

    def _has_jumped(self, now: datetime) -> bool:
        """Whether the wall clock was set, or the machine has slept, since the last tick."""
        if self._last_tick is None:
            return False
        last, seconds = self._last_tick
        return abs(now - last - timedelta(seconds=self.clock.seconds() - seconds)) > _JUMP

    def _replan(self, now: datetime) -> None:
        """What was due by the old time means nothing; what was too early or too late may be right now."""
        for source in self.book.sources.values():
            source.used_at = now
            if source.is_file:
                source.stamp, source.next_try = None, now
            elif source.failing or not self.has_current(source):
                source.next_try = self.pace.soon(now, self.random())
            elif not source.loading:
                self._plan(source)
        self.jumped()


def _forgive(failure: Failure) -> None:
    """Only what was stopped ends like this; all else is noted with its source."""
    if not failure.check(CancelledError):
        _log.failure("revocation.failed", failure)
