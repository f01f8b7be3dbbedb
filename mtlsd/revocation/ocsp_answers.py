"""What OCSP responders say of the certificates of all groups: asked for, verified, kept and renewed.

    answers = OcspAnswers.make(fetcher=fetcher, cache=cache, ...)
    answers.configure(groups)
    await answers.start()
    answers.get("partners", certificate, issuer)        # what is known, in microseconds
    await answers.ask(group, path, 0)                   # None: there is an answer now; else why not

Only the first contact of a certificate waits. What is kept is only what a responder has signed: good, revoked
or unknown. An error says nothing, and is remembered a moment only, so that it is not asked for again at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Final, Self

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from mtlsd.cache.files import CacheDirectory
from mtlsd.errors import Fact
from mtlsd.fetch.fetcher import Fetcher
from mtlsd.fetch.refused import FetchRefused
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.crl_table import CrlTable
from mtlsd.pki.ocsp_refused import OcspRefused
from mtlsd.pki.path import AnchorGroup, Path
from mtlsd.pki.revocation import Answer
from mtlsd.revocation.inquiry import Inquiry, Key
from mtlsd.revocation.ocsp_exchange import Exchange, Verified
from mtlsd.revocation.ocsp_flights import Flight, OcspFlights, Why
from mtlsd.revocation.ocsp_keeper import InThread, Keeper, Report
from mtlsd.revocation.ocsp_limits import OcspLimits
from mtlsd.revocation.ocsp_record import Record
from mtlsd.revocation.ocsp_refresh import Refresher
from mtlsd.revocation.ocsp_status import ResponderStatus, status_of
from mtlsd.revocation.ocsp_succession import is_older, revoked_facts, says_more
from mtlsd.revocation.ocsp_table import AnswerTable, Kept
from mtlsd.revocation.responders import (
    NotAsked,
    Responder,
    Responders,
    breaker_open,
    why_of,
)
from mtlsd.revocation.turns import Turns

_MOST_URLS: Final = 3
_MOST_SHARED: Final = 1000
_ENDING: Final = "ocsp.closed: mtlsd is ending"
_RECONFIGURED: Final = "ocsp.reconfigured: the group is another one by now"


@attrs.define(eq=False, repr=False)
class OcspAnswers:
    """The answers, live. Make it with :meth:`make`."""

    _clock: IReactorTime
    _now: Callable[[], datetime]
    _report: Report
    _changed: Callable[[], None]
    _limits: OcspLimits
    _table: AnswerTable = attrs.field(init=False)
    _responders: Responders = attrs.field(init=False)
    _exchange: Exchange = attrs.field(init=False)
    _flights: OcspFlights = attrs.field(init=False)
    _keeper: Keeper = attrs.field(init=False)
    _refresher: Refresher = attrs.field(init=False)
    _groups: dict[str, AnchorGroup] = attrs.field(factory=dict, init=False)
    _failures: dict[Key, tuple[float, str]] = attrs.field(factory=dict, init=False)
    _issuers: dict[tuple[Certificate, ...], tuple[Certificate, ...]] = attrs.field(factory=dict, init=False)
    _stopped: bool = attrs.field(default=False, init=False)

    @classmethod
    def make(
        cls,
        *,
        fetcher: Fetcher,
        cache: CacheDirectory | None,
        clock: IReactorTime,
        now: Callable[[], datetime],
        in_thread: InThread,
        random: Callable[[], float],
        nonce: Callable[[], bytes],
        lists: Callable[[str], CrlTable],
        report: Report,
        changed: Callable[[], None],
        limits: OcspLimits | None = None,
    ) -> Self:
        """Make it; nothing is read or asked before :meth:`configure` and :meth:`start`.

        :param cache: where answers outlive a restart; None for nowhere.
        :param now: the wall clock, aware.
        :param in_thread: runs work in another thread; never more than one at a time is asked for.
        :param random: from 0 up to 1.
        :param nonce: fresh random octets, 32 of them.
        :param lists: the revocation lists of a group by its name: they may tell that a delegate is revoked.
        :param report: takes audit events: source.failed, source.recovered, ocsp.revoked and cache.failed.
        :param changed: called after an answer that says something else than before, or lasts longer.
        """
        limits = limits or OcspLimits()
        own = cls(clock, now, report, changed, limits)
        own._responders = Responders(
            limits.responders, clock.seconds, random, now, own._fares_otherwise, Turns(clock).turn
        )
        own._exchange = Exchange(fetcher, clock, now, nonce, lists, own._responders)
        own._flights = OcspFlights(clock, limits.waiting, limits.waiting_per_responder)
        own._table = AnswerTable(limits.answers, limits.answer_bytes, own._dropped)
        directory = None if cache is None else cache.below("ocsp")
        own._keeper = Keeper(directory, clock, in_thread, report, own._table, limits.write_seconds)
        own._refresher = Refresher(
            own._table, clock, now, random, own._renew, limits.tick_seconds, limits.refreshing
        )
        return own

    # -- its life

    def configure(self, groups: Iterable[AnchorGroup]) -> None:
        """Serve these groups; what was said for one that is another by now is forgotten."""
        before = self._groups
        self._groups = {
            group.name: group for group in groups if group.revocation and "ocsp" in group.revocation.order
        }
        gone = {name for name, group in before.items() if self._groups.get(name) != group}
        if gone:
            for kept in self._table:
                if kept.record.key.group in gone:
                    self._table.drop(kept.record.key)
            for flight in self._flights:
                if flight.inquiry.key.group in gone:
                    self._flights.end(flight, _RECONFIGURED)
        self._failures.clear()

    async def start(self) -> None:
        """Read what the last run has kept, then begin to renew. Never fails: what is unreadable is told."""
        records = await self._keeper.load()
        now = self._now()
        for record in records:
            group = self._groups.get(record.key.group)
            if self._stopped or self._table.peek(record.key) is not None:
                continue
            if group is not None and group.revocation and now < record.until + group.revocation.grace:
                self._load(record)
            else:
                self._keeper.changed(record.key)
        if not self._stopped:
            self._refresher.start()

    def stop(self) -> Deferred[None]:
        """Ask nobody any more. Fires when what is known has been written."""
        self._stopped = True
        self._refresher.stop()
        for flight in self._flights:
            self._flights.end(flight, _ENDING)
        return self._keeper.stop()

    def status(self) -> tuple[ResponderStatus, ...]:
        """Each responder that has been asked or whose answers are known."""
        now = self._now()
        return status_of(self._groups.values(), self._table, self._responders, self._flights, now)

    # -- what is known

    def get(self, group_name: str, certificate: Certificate, issuer: Certificate, /) -> Answer | None:
        """What a responder said, fresh or not. It counts as used, and will be renewed in time."""
        kept = self._table.use(Key.of(group_name, certificate, issuer))
        if kept is None:
            return None
        if kept.answer is None and not self._verify(kept, certificate, issuer):
            return None
        if not kept.used:
            self._refresher.used(kept)
        return kept.answer

    async def ask(
        self, group: AnchorGroup, path: Path, position: int, /, *, deadline_seconds: float | None = None
    ) -> Why:
        """Ask about one certificate of a path that was verified; never its last.

        :returns: None when :meth:`get` has an answer, else why not: a code, a colon and one sentence.
        """
        certificate, issuers = path.certificates[position], self._shared(path.certificates[position + 1 :])
        if self._stopped:
            return _ENDING
        if self._groups.get(group.name) != group:
            return _RECONFIGURED
        inquiry = Inquiry.of(group, certificate, issuers)
        if not inquiry.urls:
            return "ocsp.no_url: the certificate names no responder"
        answer = self.get(group.name, certificate, issuers[0])
        kept, now = self._table.peek(inquiry.key), self._now()
        if kept is not None and kept.is_fresh(now) and answer and not answer.is_worth_asking_again(now):
            return None
        seconds = self._limits.deadline_seconds if deadline_seconds is None else deadline_seconds
        try:
            return await self._wait(inquiry, seconds)
        except NotAsked as refused:
            return str(refused)

    async def _wait(self, inquiry: Inquiry, seconds: float) -> Why:
        """:raises NotAsked: where nobody more may wait"""
        flight = self._flights.get(inquiry.key)
        failed = self._recent_failure(inquiry.key)
        if flight is None and failed is not None:
            return failed
        self._flights.check_total()
        if flight is not None and flight.responder is not None:
            self._flights.check(flight.responder)
        return await self._join(inquiry, seconds)

    # -- asking

    async def _renew(self, inquiry: Inquiry) -> Why:
        """In the background, for nobody who waits."""
        return await self._join(inquiry, self._limits.deadline_seconds)

    def _join(self, inquiry: Inquiry, seconds: float) -> Deferred[Why]:
        flight = self._flights.get(inquiry.key)
        if flight is not None:
            return self._flights.join(flight, seconds)
        return self._flights.launch(inquiry, seconds, partial(self._fly, seconds))

    async def _fly(self, seconds: float, flight: Flight) -> Why:
        """Ask one responder after the other, each for its part of the time that is left."""
        inquiry = flight.inquiry
        until = self._clock.seconds() + seconds
        whys: list[str] = []
        skipped: list[str] = []
        urls = inquiry.urls[:_MOST_URLS]
        for number, url in enumerate(urls):
            left = until - self._clock.seconds()
            if left <= 0:
                break
            try:
                responder = self._admit(flight, url)
                found = await self._exchange.ask(responder, url, inquiry, left / self._usable(urls[number:]))
            except NotAsked as refused:
                skipped.append(str(refused))
            except (FetchRefused, OcspRefused) as refused:
                whys.append(why_of(refused))
            else:
                return self._take(inquiry, found)
        if whys:
            self._remember(inquiry.key, whys[0])
        return (whys or skipped)[0]

    def _admit(self, flight: Flight, url: str) -> Responder:
        """:raises NotAsked, FetchRefused: where nobody may ask there now"""
        responder = self._responders.of(url)
        responder.groups.add(flight.inquiry.key.group)
        flight.responder = None
        if not responder.breaker.allows:
            raise breaker_open(responder)
        self._flights.check(responder)
        flight.responder = responder
        return responder

    def _usable(self, urls: Sequence[str]) -> int:
        """How many of these may be asked: the first and those whose breakers allow it."""
        return 1 + sum(self._responders.allows(url) for url in urls[1:])

    def _take(self, inquiry: Inquiry, found: Verified) -> Why:
        """Keep an answer, unless what is known is newer."""
        kept = self._table.peek(inquiry.key)
        known = None if kept is None else kept.answer
        if known is not None and is_older(found.answer, known, self._now()):
            assert kept is not None
            fresh = kept.is_fresh(self._now())
            return None if fresh else "ocsp.older: the answer is older than one that is known"
        self._failures.pop(inquiry.key, None)
        new = Kept(found.record, found.answer, inquiry)
        self._table.put(new)
        self._refresher.added(new)
        self._keeper.changed(inquiry.key)
        if known is not None and (known.status, found.answer.status) == ("good", "revoked"):
            self._report("ocsp.revoked", revoked_facts(inquiry, found.answer))
        if known is None or says_more(found.answer, known):
            self._changed()
        return None

    def _recent_failure(self, key: Key) -> str | None:
        until, why = self._failures.get(key, (0.0, None))
        if why is not None and until <= self._clock.seconds():
            del self._failures[key]
            return None
        return why

    def _remember(self, key: Key, why: str) -> None:
        self._failures.pop(key, None)
        if len(self._failures) >= self._limits.failures:
            del self._failures[next(iter(self._failures))]
        self._failures[key] = (self._clock.seconds() + self._limits.failure_seconds, why)

    def _shared(self, issuers: tuple[Certificate, ...]) -> tuple[Certificate, ...]:
        """The same values, once for all that have them: each connection reads its own."""
        if len(self._issuers) >= _MOST_SHARED:
            self._issuers.clear()
        return self._issuers.setdefault(issuers, issuers)

    # -- what was kept

    def _load(self, record: Record) -> None:
        kept = Kept(record)
        self._table.put(kept)
        self._refresher.loaded(kept)

    def _verify(self, kept: Kept, certificate: Certificate, issuer: Certificate) -> bool:
        """Verify what was read from the disk, now that somebody asks; what does not count is forgotten."""
        group = self._groups.get(kept.record.key.group)
        if group is None:
            return False
        inquiry = Inquiry.of(group, certificate, (issuer,))
        try:
            kept.answer = self._exchange.verify_again(kept.record, inquiry)
        except OcspRefused:
            self._table.drop(kept.record.key)
            return False
        kept.inquiry = inquiry
        self._refresher.added(kept)
        return True

    def _dropped(self, key: Key) -> None:
        self._keeper.changed(key)

    def _fares_otherwise(self, responder: Responder) -> None:
        event = "source.failed" if responder.is_failing else "source.recovered"
        facts: dict[str, Fact] = {"kind": "ocsp", "source": responder.url, "group": sorted(responder.groups)}
        self._report(event, facts | ({"error": responder.error} if responder.is_failing else {}))
