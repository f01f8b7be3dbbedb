"""Leaving a responder alone that does not answer, and trying it again now and then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import attrs

State = Literal["closed", "open", "half_open"]

_MOST_DOUBLINGS: Final = 16


@attrs.frozen
class BreakerLimits:
    """When a breaker opens, and for how long.

    :ivar failures: so many in a row open it.
    :ivar first_pause_seconds: before the first trial; each trial that fails doubles it.
    :ivar longest_pause_seconds: but never above this.
    """

    failures: int = 5
    first_pause_seconds: float = 5.0
    longest_pause_seconds: float = 300.0


@attrs.define(eq=False)
class Breaker:
    """A circuit breaker.

    ========== ============================== ============================ ==========================
    state      may somebody ask?              it answers                   it fails
    ========== ============================== ============================ ==========================
    closed     yes                            stay; count from 0 again     the last of a row: open
    open       no; when the pause is over     stay (asked before)          stay (asked before)
               that one is the trial:
               half_open
    half_open  no                             closed                       open, with a longer pause
    ========== ============================== ============================ ==========================

    :ivar seconds: the time, for the length of pauses.
    :ivar random: 0 to 1: pauses are between half and the whole of their length.
    """

    limits: BreakerLimits
    seconds: Callable[[], float]
    random: Callable[[], float]
    state: State = attrs.field(default="closed", init=False)
    _failures: int = attrs.field(default=0, init=False)
    _openings: int = attrs.field(default=0, init=False)
    _until: float = attrs.field(default=0.0, init=False)

    @property
    def pause_seconds(self) -> float:
        """How long nobody may ask from now on."""
        return max(0.0, self._until - self.seconds()) if self.state == "open" else 0.0

    @property
    def allows(self) -> bool:
        """Whether somebody may ask now. Whoever then does says :meth:`begin` at once."""
        return self.state == "closed" or (self.state == "open" and not self.pause_seconds)

    def begin(self) -> bool:
        """Somebody asks. Whether that is a trial, whose end :meth:`answered` or :meth:`failed` must tell."""
        if self.state == "closed":
            return False
        self.state = "half_open"
        return True

    def answered(self, is_trial: bool) -> None:
        """It answers, whatever it says."""
        if is_trial or self.state == "closed":
            self.state = "closed"
            self._failures = self._openings = 0

    def failed(self, is_trial: bool) -> None:
        """It does not answer, or not as a responder does."""
        self._failures += 1
        if is_trial or (self.state == "closed" and self._failures >= self.limits.failures):
            self._open()

    def given_up(self, is_trial: bool) -> None:
        """Nobody knows how it would have ended: another may try."""
        if is_trial:
            self.state = "open"
            self._until = self.seconds()

    def _open(self) -> None:
        doubled = self.limits.first_pause_seconds * 2 ** min(self._openings, _MOST_DOUBLINGS)
        pause = min(doubled, self.limits.longest_pause_seconds)
        self.state = "open"
        self._openings += 1
        self._until = self.seconds() + pause * (0.5 + 0.5 * self.random())
