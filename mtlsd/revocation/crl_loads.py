"""Asking one source for its lists, and what comes of it: on the shelf, in the cache and in the audit log."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Final, Protocol, TypeVar

import attrs
from twisted.internet.defer import CancelledError, Deferred, DeferredLock
from twisted.logger import Logger

from mtlsd.errors import Fact, Refusal
from mtlsd.fetch.addresses import AddressRules
from mtlsd.fetch.exchange import Fetched
from mtlsd.fetch.freshness import Validators
from mtlsd.fetch.refused import FetchRefused
from mtlsd.fetch.slots import Slots
from mtlsd.pki.crl_refused import CrlRefused
from mtlsd.pki.path import Path, PathValidator
from mtlsd.pki.printable import printable
from mtlsd.pki.revocation import RevocationPolicy
from mtlsd.revocation.crl_book import Book
from mtlsd.revocation.crl_cache import CrlCache, KeptList
from mtlsd.revocation.crl_files import read_changed
from mtlsd.revocation.crl_reading import Reader, Reading, ReadList
from mtlsd.revocation.crl_shelf import Shelf
from mtlsd.revocation.crl_source import CrlSource, Stamp

_T = TypeVar("_T")
_MOST_WAITING: Final = 10_000  # there are not more sources
_NOT_MODIFIED: Final = 304
_LONGEST_DETAIL: Final = 200
_BREATH_SECONDS: Final = 0.000_01  # and what the system makes of it: some ten of these
_ACCEPT: Final = {"Accept": "application/pkix-crl, */*;q=0.1"}

Report = Callable[[str, Mapping[str, Fact]], None]


class InThread(Protocol):
    """Runs work that blocks, in another thread."""

    def __call__(self, work: Callable[[], _T], /) -> Deferred[_T]: ...


class Fetches(Protocol):
    """What is needed of a :class:`mtlsd.fetch.fetcher.Fetcher`."""

    @property
    def rules(self) -> AddressRules: ...

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] = ...,
        max_bytes: int,
        deadline_seconds: float,
        rules: AddressRules | None = ...,
    ) -> Deferred[Fetched]: ...


class _Ending(Exception):
    """The work is not wanted any more."""


@attrs.define(eq=False)
class Loads:
    """One try after the other.

    :ivar published: called when the shelf has changed, before anything else is done about it.
    :ivar ended: whatever a thread brings from now on is not wanted.
    """

    _log = Logger()

    group: str
    policy: RevocationPolicy
    validator: PathValidator
    book: Book
    shelf: Shelf
    fetcher: Fetches
    cache: CrlCache
    now: Callable[[], datetime]
    in_thread: InThread
    report: Report
    published: Callable[[], None]
    ended: bool = attrs.field(default=False, init=False)
    _thread: DeferredLock = attrs.field(factory=DeferredLock, init=False)
    _slots: Slots = attrs.field(init=False)
    _unkept: set[str] = attrs.field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        limits = self.book.limits
        self._slots = Slots(
            limits.at_once, limits.at_once_of_host, queue=_MOST_WAITING, queue_per_host=_MOST_WAITING
        )

    async def load(self, source: CrlSource) -> None:
        """Ask the source once. Whatever goes wrong is noted with it and reported."""
        source.last_tried, source.knew = self.now(), self.book.learned_signers
        try:
            if source.is_file:
                await self._file(source)
            else:
                await self._url(source)
            self._check_lists(source)
        except CancelledError:
            raise
        except _Ending:
            pass
        except FetchRefused as refused:
            self._failed(source, f"fetch.{refused.code}", refused.detail)
        except CrlRefused as refused:
            self._failed(source, refused.why, refused.detail)
        except OSError as error:
            source.stamp = None
            self._failed(source, "crl.file", error.strerror or type(error).__name__)
        except Exception as error:  # nobody foresaw it: the other sources go on
            self._log.failure("revocation.failed")
            source.stamp = None
            self._failed(source, "crl.failed", f"{type(error).__name__}: {error}")
        else:
            self._succeeded(source)

    async def restore(self, learn: Callable[[str], CrlSource | None]) -> None:
        """Read what the cache has of the last run.

        :param learn: the source of a URL; None where nobody wants it any more, and its file goes.
        """
        name = self.cache.directory.path.name
        try:
            for name in await self._work(lambda _: self.cache.names()):
                await self._restore(name, learn)
        except OSError as error:
            self._cache_failed(name, error)
        except CancelledError:
            raise
        except _Ending:
            return
        except Exception:  # nobody foresaw it: what is not restored is fetched
            self._log.failure("revocation.failed")

    async def forget(self, source: CrlSource) -> None:
        """Remove a source that has gone from the cache."""
        self._unkept.discard(source.name)
        try:
            await self._work(lambda _: self.cache.remove(source.name))
        except OSError as error:
            self._cache_failed(source.name, error)
        except _Ending:
            return

    async def _file(self, source: CrlSource) -> None:
        most = self.book.limits.list_bytes
        known = source.stamp
        stamp, reading = await self._work(lambda reader: _read_file(reader, source.name, known, most))
        if reading is None:
            if source.refused is not None:
                raise source.refused
            return
        # What lies in the future becomes good while nobody touches it.
        early = any(own.refused.why == "crl.not_yet_valid" for own in reading.refused)
        source.stamp = None if early else stamp
        self._take(source, reading)

    async def _url(self, source: CrlSource) -> None:
        await self._slots.acquire(source.host)
        try:
            fetched = await self._fetch(source)
            source.headers = fetched.headers
            if fetched.status == _NOT_MODIFIED:
                return
            body = fetched.body
            reading = await self._work(lambda reader: reader.read(body, source.name))
            source.validators = Validators()
            older = self._take(source, reading)
            source.validators = Validators.from_headers(fetched.headers)
            if not older:
                await self._keep(source, body, reading)
        finally:
            self._slots.release(source.host)

    def _fetch(self, source: CrlSource) -> Deferred[Fetched]:
        limits, rules = self.book.limits, self.fetcher.rules
        if source.origin == "url":  # the operator wrote it down, wherever it leads
            rules = rules.with_host(source.host)
        return self.fetcher.get(
            source.name,
            headers={**_ACCEPT, **source.validators.headers()},
            max_bytes=limits.list_bytes,
            deadline_seconds=limits.fetch_seconds,
            rules=rules,
        )

    def _take(self, source: CrlSource, reading: Reading) -> bool:
        """Put lists on the shelf; whether any was older than what is there.

        :raises CrlRefused: for the first that could not be used, when the others have been taken
        """
        offered = [(own, self.shelf.offer(source.name, own)) for own in reading.lists]
        new = [own for own, outcome in offered if outcome == "new"]
        gone = self.shelf.outlived(source.name, reading.lists, self.now(), self.policy.grace)
        source.orphans = frozenset(own.issuer for own in reading.refused if own.issuer is not None)
        if new or gone:
            self.published()
        for own in new:
            self._report_new(source, own)
        older = [own for own, outcome in offered if outcome == "older"]
        if older:
            self._older(source, older[0])
        elif not source.failing:
            source.error = None
        source.refused = reading.refused[0].refused if reading.refused else None
        if source.refused is not None:
            raise source.refused
        return bool(older)

    def _older(self, source: CrlSource, own: ReadList) -> None:
        described = own.own.described
        seen = f"number {described.number} of {described.this_update.isoformat()} is not newer"
        if source.error is None or not source.error.startswith("crl.older"):
            facts = {"number": described.number, "this_update": described.this_update.isoformat()}
            self._report("crl.older", self._facts(source) | facts)
        source.error = f"crl.older: {seen}"

    def _check_lists(self, source: CrlSource) -> None:
        """:raises CrlRefused: crl.expired, where all that the source has given has run out"""
        now, held = self.now(), self.shelf.of(source.name)
        ends = [own.own.described.next_update for own in held]
        if ends and all(now - self.policy.grace > end for end in ends):
            raise CrlRefused("crl.expired", f"nextUpdate {max(ends).isoformat()}")

    def _succeeded(self, source: CrlSource) -> None:
        source.last_good = self.now()
        source.failures, source.failed_at = 0, None
        if source.failing:
            source.failing = False
            if source.error is None or not source.error.startswith("crl.older"):
                source.error = None
            self._report("source.recovered", self._facts(source))

    def _failed(self, source: CrlSource, code: str, detail: str) -> None:
        detail = printable(detail)[:_LONGEST_DETAIL]
        source.error = f"{code}: {detail}" if detail else code
        source.failures += 1
        source.failed_at = self.now()
        if not source.failing:
            source.failing = True
            self._report("source.failed", self._facts(source) | {"error": source.error})

    def _report_new(self, source: CrlSource, new: ReadList) -> None:
        described = new.own.described
        facts: dict[str, Fact] = {"issuer": described.issuer.to_string(), "number": described.number}
        facts |= {"delta": described.is_delta, "dropped": new.dropped}
        if new.released:
            serials = [f"{serial:x}" for serial in new.released[:100]]
            self._report("crl.dropped", self._facts(source) | facts | {"serials": serials})
        facts |= {"entries": new.own.index.count, "bytes": new.octets}
        facts |= {"next_update": described.next_update.isoformat()}
        self._report("crl.updated", self._facts(source) | facts)

    def _report(self, event: str, facts: Mapping[str, Fact]) -> None:
        if not self.ended:
            self.report(event, facts)

    def _facts(self, source: CrlSource) -> dict[str, Fact]:
        return {"group": self.group, "kind": "crl", "source": source.name}

    async def _keep(self, source: CrlSource, body: bytes, reading: Reading) -> None:
        chains = {tuple(own.der for own in read.own.path.certificates): None for read in reading.lists}
        kept = KeptList(source.name, source.validators, self.now(), tuple(chains), body)
        as_ = (frozenset(read.digest for read in reading.lists), source.validators)
        if source.kept == as_:
            return
        try:
            await self._work(lambda _: self.cache.write(kept))
        except OSError as error:
            source.kept = None
            self._cache_failed(source.name, error)
            if error.errno != errno.EFBIG:
                source.validators = Validators()  # have it all again, when there may be room for it
        else:
            source.kept = as_
            self._unkept.discard(source.name)

    async def _restore(self, name: str, learn: Callable[[str], CrlSource | None]) -> None:
        try:
            kept = await self._work(lambda _: _kept_or_removed(self.cache, name))
            source = learn(kept.url)
            if source is None:
                await self._work(lambda _: self.cache.remove_name(name))
            elif not self.shelf.of(source.name):
                self._take_kept(source, kept, await self._work(partial(_read_kept, kept)))
        except (OSError, ValueError) as error:
            self._cache_failed(name, error)

    def _take_kept(self, source: CrlSource, kept: KeptList, found: tuple[Reading, list[Path]]) -> None:
        reading, signers = found
        for path in signers:
            self.book.learn_signers(Path((path.certificates[0], *path.certificates)))
        if [self.shelf.offer(source.name, own) for own in reading.lists]:
            source.last_good = kept.fetched_at
            self.published()
        if reading.refused:
            source.error = str(reading.refused[0].refused)
        else:
            source.validators = kept.validators
            source.kept = (frozenset(own.digest for own in reading.lists), kept.validators)

    def _cache_failed(self, name: str, error: OSError | ValueError) -> None:
        """Reported once for each source, until it can be kept again."""
        if name in self._unkept:
            return
        self._unkept.add(name)
        said = error.strerror if isinstance(error, OSError) else str(error)
        detail = printable(said or type(error).__name__)[:_LONGEST_DETAIL]
        self._report("cache.failed", {"group": self.group, "kind": "crl", "source": name, "error": detail})

    async def _work(self, work: Callable[[Reader], _T]) -> _T:
        """Do something in the thread, one after the other, with what is known at that moment."""
        await self._thread.acquire()
        try:
            reader = self._reader()
            done = await self.in_thread(lambda: work(reader))
        finally:
            self._thread.release()
        if self.ended:
            raise _Ending
        return done

    def _reader(self) -> Reader:
        return Reader(
            validator=self.validator,
            learned=self.book.signers,
            held=self.shelf.by_digest(),
            known=self.book.seen,
            now=self.now(),
            grace=self.policy.grace,
            breathe=self._breathe,
        )

    def _breathe(self) -> None:
        """In the thread: let others run, and end when nobody wants the work any more.

        To sleep for no time at all is not enough: this thread would have the interpreter again before the
        reactor has woken up, which then waits 5 ms, several times for each request.
        """
        if self.ended:
            raise _Ending
        time.sleep(_BREATH_SECONDS)


def _read_file(reader: Reader, name: str, known: Stamp | None, most: int) -> tuple[Stamp, Reading | None]:
    stamp, data = read_changed(name, known, most)
    return stamp, None if data is None else reader.read(data, name)


def _kept_or_removed(cache: CrlCache, name: str) -> KeptList:
    """A file of the cache; what is torn or foreign goes at once, so that it is reported once."""
    try:
        return cache.read(name)
    except ValueError:
        cache.remove_name(name)
        raise


def _read_kept(kept: KeptList, reader: Reader) -> tuple[Reading, list[Path]]:
    """The lists, verified like fresh ones, with the signers that still are what they were."""
    paths = []
    for chain in kept.chains:
        try:
            paths.append(reader.validator.build(chain[0], chain[1:], reader.now))
        except (Refusal, IndexError):
            continue
    reader = attrs.evolve(reader, learned=(*reader.learned, *paths))
    return reader.read(kept.body, kept.url, any_age=True), paths
