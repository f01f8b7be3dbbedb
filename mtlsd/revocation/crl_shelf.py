"""The newest list of each issuer, key and scope, and which sources had it: it never goes back."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Literal

import attrs

from mtlsd.pki.crl_succession import identity, supersedes
from mtlsd.pki.crl_table import CrlTable
from mtlsd.revocation.crl_reading import ReadList

Outcome = Literal["new", "same", "older"]


@attrs.frozen(eq=False)
class _Place:
    """:ivar sources: the names of those that had this list, or an older one of its kind."""

    held: ReadList
    sources: frozenset[str]


@attrs.define(eq=False)
class Shelf:
    """Holds lists in memory, each once, however many sources have it.

    A list that has run out stays while a source has nothing newer: it tells nothing, but nothing older
    follows it.
    """

    _places: dict[Hashable, _Place] = attrs.field(factory=dict, init=False)

    def offer(self, source: str, read: ReadList) -> Outcome:
        """Take a list, unless there is a newer one."""
        own = identity(read.own)
        place = self._places.get(own)
        if place is None:
            self._places[own] = _Place(read, frozenset({source}))
            return "new"
        sources = place.sources | {source}
        if read.digest == place.held.digest or not supersedes(place.held.own, read.own):
            self._places[own] = _Place(place.held, sources)
            return "same" if read.digest == place.held.digest else "older"
        self._places[own] = _Place(read, sources)
        return "new"

    def of(self, source: str) -> tuple[ReadList, ...]:
        """The lists that stand for what a source had."""
        return tuple(place.held for place in self._places.values() if source in place.sources)

    def release(self, source: str) -> bool:
        """Forget a source; whether lists have gone with it."""
        return self._forget(source, tuple(self._places))

    def outlived(self, source: str, has: Iterable[ReadList], now: datetime, grace: timedelta) -> bool:
        """Forget what a source has no more and what has run out; whether lists have gone."""
        kept = {identity(read.own) for read in has}
        over = [
            own
            for own, place in self._places.items()
            if own not in kept and now - grace > place.held.own.described.next_update
        ]
        return self._forget(source, over)

    def by_digest(self) -> Mapping[bytes, ReadList]:
        return {place.held.digest: place.held for place in self._places.values()}

    def table(self) -> CrlTable:
        return CrlTable.build(place.held.own for place in self._places.values())

    def _forget(self, source: str, which: Iterable[Hashable]) -> bool:
        gone = False
        for own in which:
            place = self._places[own]
            left = place.sources - {source}
            if left:
                self._places[own] = _Place(place.held, left)
            elif place.sources:
                del self._places[own]
                gone = True
        return gone
