"""When a JWK Set is fetched: never too often, never all at once, and whoever asks for it early is bounded."""

from __future__ import annotations

from datetime import timedelta

import attrs


@attrs.frozen
class Timing:
    """How often, and for how long.

    :ivar floor: a set that was fetched is not fetched again for so long, whatever its server says.
    :ivar ceiling: nor is it kept longer than that without asking.
    :ivar default: where the server says nothing.
    :ivar keep: for how long the last good copy serves where no newer one can be had; then its pins end.
    :ivar early_seconds: between two fetches of one set that were asked for early.
    :ivar early_per_second: early fetches of all sets together.
    :ivar early_burst: as many may come at once.
    :ivar retry_seconds: after the first failure; each further one doubles it.
    :ivar most_retry_seconds: but never beyond this.
    """

    floor: timedelta = timedelta(minutes=5)
    ceiling: timedelta = timedelta(hours=24)
    default: timedelta = timedelta(hours=1)
    keep: timedelta = timedelta(days=7)
    early_seconds: float = 30.0
    early_per_second: float = 4.0
    early_burst: int = 8
    retry_seconds: float = 60.0
    most_retry_seconds: float = 3600.0

    def again_after(self, fresh: timedelta, random: float) -> float:
        """Seconds until a set is fetched again, before it is stale, and not with all others.

        :param fresh: how long it may be used.
        :param random: from 0 to 1.
        """
        return max(fresh.total_seconds() * (0.85 + 0.15 * random), self.floor.total_seconds())

    def retry_after(self, failures: int, random: float) -> float:
        """Seconds until a fetch is tried again, after so many failures in a row (from 1)."""
        return min(self.retry_seconds * 2.0 ** min(failures - 1, 30), self.most_retry_seconds) * (
            0.8 + 0.2 * random
        )

    def early_after(self, failures: int) -> float:
        """Seconds after a fetch when the same set may be fetched early; longer where it failed before."""
        return self.early_seconds * 2.0 ** min(failures, 4)


@attrs.define(eq=False)
class EarlySlots:
    """Slots for what is fetched early: a burst, then so many a second (GCRA). Each slot is given once."""

    per_second: float
    burst: int
    _next: float | None = attrs.field(default=None, init=False)

    def take(self, now: float, earliest: float) -> float:
        """The time of a slot.

        :param now: the clock's seconds.
        :param earliest: when it is wanted; not before now.
        """
        gap = 1.0 / self.per_second
        # what was not used is there as a burst
        start = now - (self.burst - 1) * gap
        self._next = start if self._next is None else max(self._next, start)
        slot = max(now, earliest, self._next)
        self._next += gap
        return slot
