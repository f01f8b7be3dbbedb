"""The newest list of each issuer, key and scope, and which sources had it: it never goes back."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Literal

import attrs

from mtlsd.pki.crl_issuer import RevocationList
from mtlsd.pki.crl_succession import identity, supersedes
from mtlsd.pki.crl_table import CrlTable
from mtlsd.revocation.crl_reading import ReadList

Outcome = Literal["new", "same", "older"]


@attrs.frozen(eq=False)
class _Place:
    """:ivar sources: the names of those that had this list, or an older one of its kind.
    :ivar before: for a delta, the last one that continued the complete list that was there.
    """

    held: ReadList
    sources: frozenset[str]
    before: ReadList | None = None


@attrs.define(eq=False)
class Shelf:
    """Holds lists in memory, each once, however many sources have it.

    A list that has run out stays while a source has nothing newer: it tells nothing, but nothing older
    follows it. A delta that continues a complete list which is not there yet does not displace the one that
    continues what is there: what that one had revoked would be good meanwhile.
    """

    _places: dict[Hashable, _Place] = attrs.field(factory=dict, init=False)

    def offer(self, source: str, read: ReadList) -> Outcome:
        """Take a list, unless there is a newer one."""
        own = identity(read.own)
        place = self._places.get(own)
        if place is None:
            self._places[own] = _Place(read, frozenset({source}))
            return "new"
        same = read.digest == place.held.digest
        if same or not supersedes(place.held.own, read.own):
            self._places[own] = attrs.evolve(place, sources=place.sources | {source})
            return "same" if same else "older"
        before = place.held if self._continues(place.held.own) else place.before
        is_delta = read.own.described.is_delta
        self._places[own] = _Place(read, place.sources | {source}, before if is_delta else None)
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

    def behind(self) -> frozenset[str]:
        """The sources of complete lists that are older than what a delta continues."""
        waited = {
            _kind(place.held.own)
            for place in self._places.values()
            if place.held.own.described.is_delta and not self._continues(place.held.own)
        }
        return frozenset(
            source
            for place in self._places.values()
            if not place.held.own.described.is_delta and _kind(place.held.own) in waited
            for source in place.sources
        )

    @property
    def octets(self) -> int:
        """The length of all lists in DER."""
        return sum(place.held.octets for place in self._places.values())

    def by_digest(self) -> Mapping[bytes, ReadList]:
        return {place.held.digest: place.held for place in self._places.values()}

    def table(self) -> CrlTable:
        return CrlTable.build(self._of_use(place).own for place in self._places.values())

    def _of_use(self, place: _Place) -> ReadList:
        if place.before is None or self._continues(place.held.own):
            return place.held
        return place.before

    def _continues(self, delta: RevocationList) -> bool:
        """Whether the complete list is there that a delta can be combined with (RFC 5280 section 5.2.4)."""
        base = delta.described.base_number
        complete = self._places.get((*_kind(delta), False))
        number = None if complete is None else complete.held.own.described.number
        return base is not None and number is not None and base <= number

    def _forget(self, source: str, which: Iterable[Hashable]) -> bool:
        gone = False
        for own in which:
            place = self._places[own]
            left = place.sources - {source}
            if left:
                self._places[own] = attrs.evolve(place, sources=left)
            else:
                del self._places[own]
                gone = True
        return gone


def _kind(own: RevocationList) -> tuple[Hashable, ...]:
    """What complete lists and deltas to them have in common."""
    described = own.described
    return (described.issuer.key, own.signer.key_sha256, described.scope)
