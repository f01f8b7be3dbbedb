"""One asking for all who want to know the same at the same time, and how many may wait.

Unlike :mod:`mtlsd.fetch.flights` an asking goes on when all have given up: its answer serves whoever comes
next, and its deadline is near.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from mtlsd.revocation.inquiry import Inquiry, Key
from mtlsd.revocation.responders import NotAsked, Responder

_MARGIN_SECONDS: Final = 0.1

Why = str | None
"""None where there is an answer, else why there is none: a code and one sentence."""


@attrs.define(eq=False, repr=False)
class Flight:
    """One asking.

    :ivar responder: who is asked now.
    """

    inquiry: Inquiry
    responder: Responder | None = None
    waiting: list[Deferred[Why]] = attrs.field(factory=list)
    running: Deferred[None] | None = None
    ended_by: str | None = None

    @property
    def load(self) -> int:
        """As how many it counts: one that runs for nobody is one."""
        return max(1, len(self.waiting))


@attrs.define(eq=False, repr=False)
class OcspFlights:
    """All of them.

    :ivar most: how many may wait.
    :ivar most_per_responder: of these for one responder.
    """

    _log = Logger()

    clock: IReactorTime
    most: int
    most_per_responder: int
    _flights: dict[Key, Flight] = attrs.field(factory=dict, init=False)

    def __iter__(self) -> Iterator[Flight]:
        return iter(tuple(self._flights.values()))

    def get(self, key: Key) -> Flight | None:
        return self._flights.get(key)

    def load(self, responder: Responder) -> int:
        """How many wait for it."""
        return sum(own.load for own in self._flights.values() if own.responder is responder)

    def check_total(self) -> None:
        """:raises NotAsked: where nobody more may wait"""
        if sum(own.load for own in self._flights.values()) >= self.most:
            raise NotAsked(f"ocsp.busy: {self.most} wait for responders already")

    def check(self, responder: Responder) -> None:
        """:raises NotAsked: where nobody more may wait for that one"""
        if self.load(responder) >= self.most_per_responder:
            raise NotAsked(f"ocsp.busy: {self.most_per_responder} wait for {responder.url} already")

    def join(self, flight: Flight, seconds: float) -> Deferred[Why]:
        """Wait for what comes of it. Who cancels this leaves, and nobody else."""
        return self._board(flight).addTimeout(seconds, self.clock, _too_late)

    def launch(
        self, inquiry: Inquiry, seconds: float, run: Callable[[Flight], Coroutine[Any, Any, Why]]
    ) -> Deferred[Why]:
        """Begin one, and wait for what comes of it like :meth:`join`."""
        flight = self._flights[inquiry.key] = Flight(inquiry)
        passenger = self._board(flight)
        flight.running = Deferred.fromCoroutine(run(flight)).addBoth(self._land, flight)
        # The asking ends by itself in time, and knows better why.
        return passenger.addTimeout(seconds + _MARGIN_SECONDS, self.clock, _too_late)

    def _board(self, flight: Flight) -> Deferred[Why]:
        passenger: Deferred[Why] = Deferred(flight.waiting.remove)
        flight.waiting.append(passenger)
        return passenger

    def end(self, flight: Flight, why: str) -> None:
        """Stop asking; who waits is told why."""
        flight.ended_by = why
        if flight.running is not None:
            flight.running.cancel()

    def _land(self, result: Why | Failure, flight: Flight) -> None:
        key = flight.inquiry.key
        if self._flights.get(key) is flight:
            del self._flights[key]
        why = self._failed(result, flight) if isinstance(result, Failure) else result
        waiting, flight.waiting = flight.waiting, []
        for passenger in waiting:
            passenger.callback(why)

    def _failed(self, failure: Failure, flight: Flight) -> str:
        if flight.ended_by is not None and failure.check(CancelledError):
            return flight.ended_by
        self._log.failure("ocsp.failed", failure)
        return f"ocsp.failed: {type(failure.value).__name__}: see the log"


def _too_late(_: object, seconds: float) -> Why:
    return f"ocsp.deadline: no answer within {seconds:g} seconds"
