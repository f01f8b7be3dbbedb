"""The revocation lists of one group of anchors, live: read, fetched, verified and renewed in the background.

Whoever judges reads :attr:`CrlSources.table`, an immutable value in memory. Nothing that happens here makes
it worse: a source that fails, hangs or goes back in time leaves what it gave before, until that runs out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Self

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from mtlsd.cache.files import CacheDirectory
from mtlsd.pki.crl_check import check_crls
from mtlsd.pki.crl_table import CrlTable
from mtlsd.pki.path import AnchorGroup, Path, PathValidator
from mtlsd.pki.revocation import RevocationPolicy
from mtlsd.revocation.crl_book import Book, CrlLimits, freshest_urls, urls_of
from mtlsd.revocation.crl_cache import CrlCache
from mtlsd.revocation.crl_loads import Fetches, InThread, Loads, Report
from mtlsd.revocation.crl_pace import Pace
from mtlsd.revocation.crl_schedule import Schedule
from mtlsd.revocation.crl_shelf import Shelf
from mtlsd.revocation.crl_shown import statuses
from mtlsd.revocation.crl_source import CrlSource
from mtlsd.revocation.status import SourceStatus


@attrs.define(eq=False)
class CrlSources:
    """The sources of one group; :meth:`make` makes them.

    :ivar table: what the lists say; another object after each change.
    """

    table: CrlTable
    _group: str
    _policy: RevocationPolicy
    _now: Callable[[], datetime]
    _changed: Callable[[], None]
    _pace: Pace
    _book: Book
    _shelf: Shelf
    _loads: Loads = attrs.field(init=False)
    _schedule: Schedule = attrs.field(init=False)
    _started: bool = attrs.field(default=False, init=False)

    @classmethod
    def make(
        cls,
        group: AnchorGroup,
        *,
        strict: bool,
        fetcher: Fetches,
        cache: CacheDirectory,
        clock: IReactorTime,
        now: Callable[[], datetime],
        in_thread: InThread,
        random: Callable[[], float],
        report: Report,
        changed: Callable[[], None],
        limits: CrlLimits | None = None,
        pace: Pace | None = None,
    ) -> Self:
        """Make them; nothing is read or fetched before :meth:`start`.

        :param group: with a revocation policy.
        :param strict: whether the certificates of signers must be as RFC 5280 has them.
        :param cache: where fetched lists outlive a restart; groups may share it.
        :param now: the wall clock, aware.
        :param in_thread: runs work in another thread; never more than one at a time is asked for.
        :param random: from 0 up to 1.
        :param report: takes audit events: source.failed, source.recovered, crl.updated, crl.dropped,
            crl.older and cache.failed.
        :param changed: called after :attr:`table` has become another one.
        """
        policy = group.revocation
        assert policy is not None, "the group has no revocation policy"
        pace = pace or Pace()
        book, shelf = Book(limits or CrlLimits()), Shelf()
        book.open(group, now())
        own = cls(shelf.table(), group.name, policy, now, changed, pace, book, shelf)
        own._loads = Loads(
            group=group.name,
            policy=policy,
            validator=PathValidator.from_groups([group], strict),
            book=book,
            shelf=shelf,
            fetcher=fetcher,
            cache=CrlCache(cache, group.name),
            now=now,
            in_thread=in_thread,
            report=report,
            published=own._publish,
        )
        own._schedule = Schedule(
            pace=pace,
            book=book,
            shelf=shelf,
            loads=own._loads,
            clock=clock,
            now=now,
            random=random,
            grace=policy.grace,
            loaded=own._loaded,
            jumped=lambda: own._schedule.run(own._loads.restore(own._restored)),
            dismiss=own._dismiss,
        )
        return own

    async def start(self) -> None:
        """Read the files and what the last run has kept, then begin to fetch.

        What is bad or missing is reported and keeps nothing from starting.
        """
        await self._loads.restore(self._restored)
        for source in tuple(self._book.sources.values()):
            if source.is_file:
                await self._schedule.load(source)
        if not self._schedule.stopped:
            self._started = True
            self._learn_deltas(tuple(self._book.sources.values()))
            self._schedule.start()

    async def reread(self) -> None:
        """Read files that have changed now, and not when it is their turn: who reloads expects that."""
        for source in tuple(self._book.sources.values()):
            if source.is_file and not source.loading and not self._schedule.stopped:
                await self._schedule.load(source)

    def stop(self) -> None:
        """End what is under way. Nothing is called or reported afterwards."""
        self._loads.ended = True
        self._schedule.stop()

    def note(self, path: Path) -> None:
        """Take notice of a verified path: its CAs may sign lists, its certificates are ones that matter, and
        the lists that they name are in use. Cheap; call it whenever a path is judged anew."""
        now = self._now()
        for certificate in path.certificates[:-1]:
            self._book.see(certificate)
            self._book.touch(certificate, now)
        new = self._book.learn_signers(path)
        if new and self._started:
            for source in tuple(self._book.sources.values()):
                if not source.loading and not new.isdisjoint(source.orphans):
                    source.stamp, source.orphans = None, frozenset()
                    self._schedule.begin(source)

    async def ensure(self, path: Path, position: int) -> str | None:
        """Learn what can be learned about one certificate of a verified path, and wait for that.

        Whoever gives up cancels nothing but his own waiting. What failed a moment ago is not tried again.

        :returns: None when everything that can be known is in :attr:`table`; else why not: a code, the source
            and more.
        """
        self.note(path)
        asked: set[str] = set()
        while not self._schedule.stopped:
            answered = self._is_answered(path, position)
            # Where the lists tell already, a delta that was never read may still tell more.
            deltas = [own for own in self._deltas(path, position) if own.is_new]
            relevant = deltas if answered else [*self._named(path, position), *deltas]
            pending = self._pending(relevant, asked)
            if not pending:
                return None if answered else _why(relevant)
            await _first_of(pending)
        return "fetch.closed: mtlsd is ending"

    def why(self) -> str | None:
        """What is wrong with the configured sources: the first error there is, as :meth:`ensure` tells it."""
        return _why(own for own in self._book.sources.values() if own.origin in ("file", "url"))

    def status(self) -> tuple[SourceStatus, ...]:
        """Every source, with each of its lists."""
        return tuple(statuses(self._group, self._book, self._shelf))

    def _is_answered(self, path: Path, position: int) -> bool:
        found = check_crls(path, position, self.table, self._now(), self._policy.grace)
        return found.status != "unknown"

    def _named(self, path: Path, position: int) -> Sequence[CrlSource]:
        """The sources that may have lists about a certificate: those it names, then the configuration's."""
        urls = path.certificates[position].crl_urls if self._policy.crl_from_certificate else ()
        found = self._learned(urls)
        sources = self._book.sources.values()
        return [*found, *(own for own in sources if own.origin in ("file", "url") and own not in found)]

    def _deltas(self, path: Path, position: int) -> Sequence[CrlSource]:
        """The sources of deltas that the certificate names, and the lists that it names."""
        if not self._policy.crl_from_certificate:
            return ()
        certificate = path.certificates[position]
        urls = list(freshest_urls(certificate))
        for url in certificate.crl_urls:
            urls += self._delta_urls(url)
        return self._learned(urls)

    def _pending(self, relevant: Iterable[CrlSource], asked: set[str]) -> list[CrlSource]:
        """The sources that are worth waiting for; each is asked once, if it makes sense to ask it.

        :param asked: the names of those that have had their turn.
        """
        found = []
        for source in relevant:
            begun = not source.loading and source.name not in asked and self._may_ask(source)
            if begun:
                self._schedule.begin(source)
            asked.add(source.name)
            if begun or (source.loading and not self._schedule.has_current(source)):
                found.append(source)
        return found

    def _may_ask(self, source: CrlSource) -> bool:
        if source.is_file or self._schedule.has_current(source):
            return False
        if source.failed_at is None:
            return True
        return source.may_recover_soon and abs(self._now() - source.failed_at) >= self._pace.again

    # -- what is learned from certificates and lists -------------------------------------------------------

    def _learned(self, urls: Iterable[str]) -> Sequence[CrlSource]:
        found = [self._learn(url) for url in dict.fromkeys(urls)]
        return [own for own in found if own is not None]

    def _learn(self, url: str) -> CrlSource | None:
        found, evicted = self._book.learn(url, self._now())
        if evicted is not None:
            self._dismiss([evicted])
        return found

    def _restored(self, url: str) -> CrlSource | None:
        if url in self._book.sources or self._policy.crl_from_certificate:
            return self._learn(url)
        return None

    def _delta_urls(self, source: str) -> Sequence[str]:
        return urls_of(point for held in self._shelf.of(source) for point in held.own.described.freshest)

    def _learn_deltas(self, sources: Iterable[CrlSource]) -> None:
        """Enter where the deltas to the sources' lists are, and ask those that are new."""
        if not self._policy.crl_from_certificate:
            return
        for source in sources:
            for url in self._delta_urls(source.name):
                delta = self._learn(url)
                if delta is not None and delta.is_new and self._started:
                    self._schedule.begin(delta)

    def _loaded(self, source: CrlSource) -> None:
        """See what follows from what a source has given."""
        self._learn_deltas([source])
        for name in self._shelf.behind():
            if name != source.name:
                self._schedule.hasten(self._book.sources[name])
        while self._shelf.octets > self._book.limits.total_bytes:
            evicted = self._book.evict(source)
            if evicted is None:
                break
            self._dismiss([evicted])
        if source.knew != self._book.learned_signers and self._book.knows_signer(source.orphans):
            source.stamp, source.orphans = None, frozenset()
            self._schedule.begin(source)

    def _dismiss(self, sources: Iterable[CrlSource]) -> None:
        """Let go of what sources had that have been struck out."""
        gone = False
        for source in sources:
            gone = self._shelf.release(source.name) or gone
            self._schedule.run(self._loads.forget(source))
        if gone:
            self._publish()

    def _publish(self) -> None:
        self.table = self._shelf.table()
        if not self._schedule.stopped:
            self._changed()


def _first_of(sources: Iterable[CrlSource]) -> Deferred[None]:
    """Fires when any of them has ended its try. Cancelling it disturbs nobody."""
    waited = tuple(sources)
    if not all(source.loading for source in waited):
        return succeed(None)
    waiting: Deferred[None] = Deferred()
    for source in waited:
        source.waiting.add(waiting)

    def leave(result: object) -> object:
        for source in waited:
            source.waiting.discard(waiting)
        return result

    return waiting.addBoth(leave)


def _why(sources: Iterable[CrlSource]) -> str | None:
    """The first error there is, with its source."""
    found = next((own for own in sources if own.error is not None), None)
    if found is None:
        return None
    code, _, detail = str(found.error).partition(": ")
    return f"{code}: {found.name} {detail}".rstrip()
