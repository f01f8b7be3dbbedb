"""The JWK Sets of all clients, live: fetched in the background, never while a handshake waits.

    key_sets = KeySets(fetcher, Disk(directory, in_thread, report), reactor, utc_now, random, report, changed)
    await key_sets.start(jwks_uris(registrations))

A set that cannot be fetched serves as it was for a bounded time. A certificate that nobody knows has the sets
fetched early. That comes before anybody has proven possession of anything, so it is bounded whatever comes:
each set at most once in `early_seconds`, all together at most `early_per_second`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Final, Protocol

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from mtlsd import reasons
from mtlsd.clients.fetched import Published, Shared
from mtlsd.errors import Fact
from mtlsd.fetch.exchange import Fetched
from mtlsd.fetch.refused import FetchRefused
from mtlsd.jose import b64
from mtlsd.jose.verification import VerificationKey
from mtlsd.jwks_uri.disk import Disk, Report
from mtlsd.jwks_uri.kept import Kept
from mtlsd.jwks_uri.key_set import KeySet
from mtlsd.jwks_uri.live_set import Contents, KeySetStatus, LiveSet, changes, key_changes
from mtlsd.jwks_uri.timing import EarlySlots, Timing

MAX_BYTES: Final = 131_072
DEADLINE_SECONDS: Final = 10.0
MOST_AT_ONCE: Final = 8
_START_SPREAD_SECONDS: Final = 2.0
_PLAN_SECONDS: Final = 1.0
_CHANGED_SECONDS: Final = 1.0
_STORED_AGAIN: Final = timedelta(hours=1)
_MAYBE_PUBLISHED: Final = frozenset(
    {
        reasons.PIN_UNKNOWN.code,
        reasons.SUBJECT_UNKNOWN.code,
        reasons.CHAIN_UNTRUSTED.code,
        reasons.CLIENT_KEY_UNKNOWN.code,
    }
)


def may_be_published(reason: Fact) -> bool:
    """Whether a certificate or key that was refused for this reason might have been published meanwhile.

    :param reason: its code, as an event has it; None where nothing was refused.
    """
    return isinstance(reason, str) and reason in _MAYBE_PUBLISHED


class Fetches(Protocol):
    """What is needed of :class:`mtlsd.fetch.fetcher.Fetcher`."""

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        max_bytes: int,
        deadline_seconds: float,
        schemes: frozenset[str],
    ) -> Deferred[Fetched]: ...


@attrs.define(eq=False)
class KeySets:
    """Keeps every set up to date.

    :ivar now: the instant, aware UTC; the clock's seconds alone say when something is fetched.
    :ivar random: from 0 to 1, so that not all sets are fetched at once.
    :ivar report: takes events for the audit log.
    :ivar changed: called when the certificates of any set have changed.
    """

    _log = Logger()

    fetcher: Fetches
    disk: Disk
    clock: IReactorTime
    now: Callable[[], datetime]
    random: Callable[[], float]
    report: Report
    changed: Callable[[], None]
    timing: Timing = attrs.field(factory=Timing)
    _sets: dict[str, LiveSet] = attrs.field(factory=dict, init=False)
    _heap: list[tuple[float, str]] = attrs.field(factory=list, init=False)
    _running: int = attrs.field(default=0, init=False)
    _timer: IDelayedCall | None = attrs.field(default=None, init=False)
    _planning: IDelayedCall | None = attrs.field(default=None, init=False)
    _planned: float | None = attrs.field(default=None, init=False)
    _announcing: IDelayedCall | None = attrs.field(default=None, init=False)
    _announced: float | None = attrs.field(default=None, init=False)
    _slots: EarlySlots = attrs.field(init=False)
    _shared: frozenset[Shared] = attrs.field(default=frozenset(), init=False)
    _stopped: bool = attrs.field(default=False, init=False)

    @_slots.default
    def _make_slots(self) -> EarlySlots:
        return EarlySlots(self.timing.early_per_second, self.timing.early_burst)

    @property
    def published(self) -> Mapping[str, Sequence[Published]]:
        """The certificates of every set, by its `jwks_uri`."""
        return {own.uri: own.published for own in self._sets.values()}

    @property
    def keys(self) -> Mapping[str, Sequence[VerificationKey]]:
        """The keys of every set that verify signatures, by its `jwks_uri`."""
        return {own.uri: own.keys for own in self._sets.values()}

    def status(self) -> tuple[KeySetStatus, ...]:
        """How every set stands."""
        now, seconds = self.now(), self.clock.seconds()
        return tuple(own.status(now, seconds) for own in self._sets.values())

    async def start(self, uris: Mapping[str, tuple[str, ...]]) -> None:
        """Read what was kept, and begin to fetch; no fetch is waited for, and nothing that fails ends this.

        :param uris: each `jwks_uri` with its clients (:func:`mtlsd.clients.fetched.jwks_uris`).
        """
        loaded = await self.disk.load(uris)
        now, seconds = self.now(), self.clock.seconds()
        for uri, clients in uris.items():
            own = self._sets[uri] = LiveSet(uri, clients, seconds + _START_SPREAD_SECONDS * self.random())
            if uri in loaded:
                kept, key_set = loaded[uri]
                # A clock that was set back must not keep it for ever.
                own.load(attrs.evolve(kept, good_at=min(kept.good_at, now)), key_set)
                own.end_if_old(now, self.timing.keep)
                fresh = min(kept.fresh_until - now, self.timing.ceiling)
                own.due += max(fresh.total_seconds(), 0.0) if own.kept is not None else 0.0
            self._tell_skipped(own, ())
            heappush(self._heap, (own.due, uri))
        self._schedule()

    def configure(self, uris: Mapping[str, tuple[str, ...]], shared: Iterable[Shared] = ()) -> None:
        """Keep these from now on: new ones are fetched at once, those that are gone are forgotten.

        :param shared: what clients publish that others have, too: told once.
        """
        self._tell_shared(frozenset(shared))
        for uri in self._sets.keys() - uris.keys():
            gone = self._sets.pop(uri)
            if gone.running is not None:
                gone.running.cancel()
            self._in_background(self.disk.forget(uri))
        for uri, clients in uris.items():
            own = self._sets.get(uri)
            if own is not None:
                own.clients = clients
            else:
                self._sets[uri] = LiveSet(uri, clients, 0.0)
                self._put(self._sets[uri], self.clock.seconds())
        self._schedule()

    def stop(self) -> None:
        """End all fetches. Nothing is called any more."""
        self._stopped = True
        for call in (self._timer, self._planning, self._announcing):
            if call is not None and call.active():
                call.cancel()
        for own in self._sets.values():
            if own.running is not None:
                own.running.cancel()

    def unknown_certificate_seen(self) -> None:
        """Somebody came with a certificate that nobody has: it may have been published a moment ago.

        Costs nothing but a comparison where it comes often.
        """
        if self._planning is None and self._sets and not self._stopped:
            now = self.clock.seconds()
            wait = 0.0 if self._planned is None else max(self._planned + _PLAN_SECONDS - now, 0.0)
            self._planning = self.clock.callLater(wait, self._plan_early)

    def _plan_early(self) -> None:
        """Fetch every set as soon as it may be fetched again. A set that is planned early stays as it is."""
        self._planning, self._planned = None, self.clock.seconds()
        waiting = ((self._allowed(own), own) for own in self._sets.values() if not own.early)
        for allowed, own in sorted(waiting, key=lambda entry: entry[0]):
            if own.running is not None or own.due > max(allowed, self._planned):
                own.early = True
                self._put(own, self._slots.take(self._planned, allowed))
        self._schedule()

    def _allowed(self, own: LiveSet) -> float:
        """When the set may be fetched early."""
        return 0.0 if own.tried is None else own.tried + self.timing.early_after(own.failures)

    # -- when ---------------------------------------------------------------------------------------------

    def _put(self, own: LiveSet, due: float) -> None:
        own.due = due
        heappush(self._heap, (due, own.uri))

    def _schedule(self) -> None:
        """Wake up when the next set is due; the end of a fetch wakes too."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if self._heap and self._running < MOST_AT_ONCE and not self._stopped:
            wait = max(self._heap[0][0] - self.clock.seconds(), 0.0)
            self._timer = self.clock.callLater(wait, self._wake)

    def _wake(self) -> None:
        now = self.clock.seconds()
        while self._heap and self._heap[0][0] <= now and self._running < MOST_AT_ONCE:
            due, uri = heappop(self._heap)
            own = self._sets.get(uri)
            # Where it was put again since, this entry is an old one.
            if own is not None and own.due == due and own.running is None:
                self._in_background(self._refresh(own))
        self._schedule()

    def _in_background(self, work: Coroutine[Deferred[object], object, object]) -> None:
        failed = Deferred.fromCoroutine(work)
        failed.addErrback(lambda failure: self._log.failure("jwks_uri.background_failed", failure))

    # -- fetching -----------------------------------------------------------------------------------------

    async def _refresh(self, own: LiveSet) -> None:
        own.tried, own.tried_at, own.early = self.clock.seconds(), self.now(), False
        before, skipped, failed = (own.published, own.keys), own.skipped, own.error is not None
        self._running += 1
        try:
            wait = await self._fetch(own)
        finally:
            own.running = None
            self._running -= 1
        if self._stopped:
            return
        if self._sets.get(own.uri) is own:
            due = self.clock.seconds() + wait
            self._put(own, min(due, own.due) if own.early else due)
        self._schedule()
        if self._sets.get(own.uri) is own:
            self._tell(own, before, skipped, failed)

    async def _fetch(self, own: LiveSet) -> float:
        """:return: after how many seconds it is to be fetched again."""
        before = own.kept
        try:
            own.running = self.fetcher.get(
                own.uri,
                headers=own.validators.headers(),
                max_bytes=MAX_BYTES,
                deadline_seconds=DEADLINE_SECONDS,
                schemes=frozenset({"https"}),
            )
            fetched = await own.running
            key_set = await self._key_set(fetched)
        except FetchRefused as refused:
            return self._failed(own, f"fetch.{refused.code}: {refused.detail}")
        except ValueError as error:
            return self._failed(own, str(error))
        except CancelledError:  # the set is gone, or all of them are
            return self._failed(own, "given up")
        except Exception as error:  # whatever it is, the set has to be fetched again
            self._log.failure("jwks_uri.fetch_failed {uri}", uri=own.uri)
            return self._failed(own, type(error).__name__)
        kept, fresh = own.take(fetched, key_set, self.now(), self.timing)
        if self._sets.get(own.uri) is own and _is_worth_a_write(before, kept):
            self._in_background(self.disk.keep(kept))
        return self.timing.again_after(fresh, self.random())

    async def _key_set(self, fetched: Fetched) -> KeySet | None:
        """What the answer says; None where it says that nothing has changed."""
        if fetched.status == 304:
            return None
        return await self.disk.in_thread(lambda: KeySet.from_json(fetched.body))

    def _failed(self, own: LiveSet, error: str) -> float:
        now = self.now()
        own.failures, own.error = own.failures + 1, error
        own.end_if_old(now, self.timing.keep)
        wait = self.timing.retry_after(own.failures, self.random())
        if own.kept is None:
            return wait
        ends = (own.kept.good_at + self.timing.keep - now).total_seconds()
        return min(wait, max(ends, self.timing.early_seconds))

    # -- telling ------------------------------------------------------------------------------------------

    def _tell(self, own: LiveSet, before: Contents, skipped: Sequence[str], failed: bool) -> None:
        if own.error is not None and not failed:
            self.report("source.failed", {**own.facts(), "error": own.error})
        elif own.error is None and failed:
            self.report("source.recovered", own.facts())
        self._tell_skipped(own, skipped)
        changed = {**changes(before[0], own.published), **key_changes(before[1], own.keys)}
        if changed:
            self.report("jwks_uri.updated", {**own.facts(), **changed})
            self._announce()

    def _announce(self) -> None:
        """Call `changed`: at once, but not more often than once a second. To take over a change is dear."""
        if self._announcing is None and not self._stopped:
            now = self.clock.seconds()
            wait = 0.0 if self._announced is None else self._announced + _CHANGED_SECONDS - now
            if wait > 0:
                self._announcing = self.clock.callLater(wait, self._announce_now)
            else:
                self._announce_now()

    def _announce_now(self) -> None:
        self._announcing, self._announced = None, self.clock.seconds()
        self.changed()

    def _tell_skipped(self, own: LiveSet, before: Sequence[str]) -> None:
        if set(own.skipped) - set(before):
            self.report("jwks_uri.key_skipped", {**own.facts(), "seen": own.skipped})

    def _tell_shared(self, shared: frozenset[Shared]) -> None:
        for own in sorted(shared - self._shared, key=lambda own: (own.client_id, own.sha256)):
            seen = [f"{b64.encode_text(own.sha256)} belongs to client {own.other!r}, too"]
            self.report(
                "jwks_uri.key_shared",
                {"kind": "jwks_uri", "source": own.uri, "clients": [own.client_id], "seen": seen},
            )
        self._shared = shared


def _is_worth_a_write(before: Kept | None, after: Kept) -> bool:
    """A set that has only been confirmed is written again now and then, not each time."""
    if before is None or before.body != after.body or before.validators != after.validators:
        return True
    return after.good_at - before.good_at >= _STORED_AGAIN
