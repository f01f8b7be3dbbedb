"""One deadline that moves often, with as few timers as possible."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Deadline:
    """A deadline. Moving it back costs no timer: the one that runs finds the new time when it fires.

    :param passed: called once when the deadline has passed.
    """

    __slots__ = ("_at", "_clock", "_passed", "_timer", "_timer_at")

    def __init__(self, clock: IReactorTime, passed: Callable[[], None]) -> None:
        self._clock = clock
        self._passed = passed
        self._at = inf
        self._timer: IDelayedCall | None = None
        self._timer_at = inf

    def set(self, seconds: float) -> None:
        """Move the deadline to so many seconds from now."""
        self._at = at = self._clock.seconds() + seconds
        if at < self._timer_at:
            # Not reset(): moving a call to an earlier time is a linear search among all of the reactor's.
            self._stop()
            self._start(seconds)

    def lift(self) -> None:
        """Have no deadline for now. A timer that runs is left alone: a new deadline may come soon."""
        self._at = inf

    def cancel(self) -> None:
        """Have no deadline ever again, and leave no timer behind."""
        self._at = inf
        self._stop()

    def _start(self, seconds: float) -> None:
        self._timer_at = self._at
        self._timer = self._clock.callLater(seconds, self._fired)

    def _stop(self) -> None:
        timer, self._timer, self._timer_at = self._timer, None, inf
        if timer is not None and timer.active():
            timer.cancel()

    def _fired(self) -> None:
        self._timer, self._timer_at = None, inf
        left = self._at - self._clock.seconds()
        if left == inf:
            return
        if left > 0:
            self._start(left)
        else:
            self._at = inf
            self._passed()
