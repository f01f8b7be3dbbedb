"""Sharing what several ask for at once, and remembering for a moment what has failed."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from mtlsd.fetch.refused import FetchRefused

_T = TypeVar("_T")


@attrs.define(eq=False)
class _Flight(Generic[_T]):
    running: Deferred[_T] | None = None
    waiting: list[Deferred[_T]] = attrs.field(factory=list)


@attrs.define(eq=False)
class Flights(Generic[_T]):
    """One run for all who want the same at the same time.

    Whoever cancels leaves; when nobody is left, the run is cancelled too.
    """

    _flights: dict[Hashable, _Flight[_T]] = attrs.field(factory=dict, init=False)

    def join(self, key: Hashable, start: Callable[[], Deferred[_T]]) -> Deferred[_T]:
        """The result of the run for that key, which is started where there is none."""
        flight = self._flights.get(key)
        if flight is not None:
            return self._board(key, flight)
        flight = self._flights[key] = _Flight()
        joined = self._board(key, flight)
        flight.running = start()
        flight.running.addBoth(lambda result: self._land(key, flight, result))
        return joined

    def cancel_all(self) -> None:
        for flight in list(self._flights.values()):
            if flight.running is not None:
                flight.running.cancel()

    def _board(self, key: Hashable, flight: _Flight[_T]) -> Deferred[_T]:
        def leave(own: Deferred[_T]) -> None:
            flight.waiting.remove(own)
            if not flight.waiting and flight.running is not None:
                # Who comes now starts anew; the old run lands where nobody waits.
                if self._flights.get(key) is flight:
                    del self._flights[key]
                flight.running.cancel()

        passenger: Deferred[_T] = Deferred(leave)
        flight.waiting.append(passenger)
        return passenger

    def _land(self, key: Hashable, flight: _Flight[_T], result: _T | Failure) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        waiting, flight.waiting = flight.waiting, []
        for passenger in waiting:
            if isinstance(result, Failure):
                passenger.errback(Failure(result.value))
            else:
                passenger.callback(result)


@attrs.define(eq=False)
class RecentFailures:
    """What has failed a moment ago, so that it is not tried again by everybody who asks.

    :ivar seconds: how long a failure is remembered.
    :ivar most: how many are; the first is forgotten first.
    """

    clock: IReactorTime
    seconds: float
    most: int
    _failures: dict[Hashable, tuple[float, FetchRefused]] = attrs.field(factory=dict, init=False)

    def get(self, key: Hashable) -> FetchRefused | None:
        until, refused = self._failures.get(key, (0.0, None))
        if refused is not None and until <= self.clock.seconds():
            del self._failures[key]
            return None
        return refused

    def add(self, key: Hashable, refused: FetchRefused) -> None:
        self._failures.pop(key, None)
        if len(self._failures) >= self.most:
            del self._failures[next(iter(self._failures))]
        self._failures[key] = (self.clock.seconds() + self.seconds, refused)
