"""When a source of revocation lists is asked again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import attrs

from mtlsd.fetch.freshness import fresh_for

_MINUTE: Final = timedelta(minutes=1)
_MOST_DOUBLINGS: Final = 16


@attrs.frozen
class Pace:
    """How often, in spans.

    :ivar floor: no source is asked more often in the background.
    :ivar ceiling: no source is asked less often, unless it fails.
    :ivar dear_floor: as the floor and the ceiling, for a source that would send everything again,
    :ivar dear_ceiling: likewise.
    :ivar first_retry: after a failure; twice as long after each further one,
    :ivar last_retry: but no longer than this.
    :ivar again: how soon a source that has failed is asked again when somebody waits for it.
    :ivar spread: over how long the first requests are spread for what is there already.
    :ivar file: how often files are looked at.
    :ivar idle: how long what a certificate named is kept while nobody needs it.
    """

    floor: timedelta = _MINUTE
    ceiling: timedelta = timedelta(hours=1)
    dear_floor: timedelta = timedelta(minutes=10)
    dear_ceiling: timedelta = timedelta(hours=6)
    first_retry: timedelta = timedelta(seconds=30)
    last_retry: timedelta = timedelta(minutes=30)
    again: timedelta = timedelta(seconds=10)
    spread: timedelta = _MINUTE
    file: timedelta = _MINUTE
    idle: timedelta = timedelta(days=14)

    @property
    def longest(self) -> timedelta:
        """No source is ever left alone for longer."""
        spans = self.floor, self.dear_floor, self.ceiling, self.dear_ceiling, self.last_retry, self.spread
        return max(*spans, self.file)

    def refresh(
        self,
        now: datetime,
        next_update: datetime | None,
        headers: Mapping[str, str],
        conditional: bool,
        chance: float,
    ) -> datetime:
        """When to ask again after an answer: when it is no longer fresh, and well before nextUpdate.

        :param next_update: the first of its lists; None without any.
        :param headers: of the answer.
        :param conditional: whether the next request can ask for what has changed alone.
        :param chance: from 0 up to 1, so that not all sources and not all servers ask at once.
        """
        floor, ceiling = self.floor, self.ceiling
        if not conditional:
            floor, ceiling = self.dear_floor, self.dear_ceiling
        wait = fresh_for(headers, now, floor=floor, ceiling=ceiling, default=ceiling)
        wait *= 0.8 + 0.2 * chance
        if next_update is not None:
            wait = min(wait, (next_update - now) * (0.5 + 0.25 * chance))
        return now + max(wait, self.floor)

    def retry(self, now: datetime, failures: int, chance: float) -> datetime:
        """When to ask again after so many failures in a row, one at least."""
        wait: timedelta = self.first_retry * 2 ** min(failures - 1, _MOST_DOUBLINGS)
        return now + min(wait, self.last_retry) * (0.75 + 0.25 * chance)

    def soon(self, now: datetime, chance: float) -> datetime:
        return now + self.spread * chance
