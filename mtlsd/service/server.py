"""A running mtlsd: it starts, takes over a new configuration, and drains.

A new configuration is built whole beside the old one and takes its place at once. Whatever fails on the way
leaves the old one as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import attrs
from twisted.internet.defer import Deferred, DeferredLock, gatherResults
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from mtlsd import __version__
from mtlsd.clients.departed import departed
from mtlsd.config.model import Config
from mtlsd.errors import ConfigError, Fact
from mtlsd.judge import Standing
from mtlsd.jwks_uri.key_sets import may_be_published
from mtlsd.ops.audit import AuditLog, utc_now
from mtlsd.ops.metrics import Metrics
from mtlsd.revocation.status_file import rows_of
from mtlsd.service import assembly
from mtlsd.service.background import Background
from mtlsd.service.built import Built, Seen, keyring_stamp
from mtlsd.service.identifiers import random_id
from mtlsd.service.listening import Listening, Prepared, kept_open
from mtlsd.service.measured import samples
from mtlsd.service.people import Checker, People
from mtlsd.service.registering import Present, Registering, StoreBook
from mtlsd.service.sightings import SightingLog
from mtlsd.service.snapshot import proxy_judge
from mtlsd.service.status import StatusWriter
from mtlsd.service.sweeping import SweepLoop
from mtlsd.stores.interfaces import Store, StoreError
from mtlsd.stores.refusing import RefusingArtifacts
from mtlsd.stores.sqlite import open_store
from mtlsd.stores.workers import ThreadWorker
from mtlsd.web.serving import Current, Serving

WATCH_SECONDS = 1.0
"""How often it is looked whether another process, such as `mtlsd client add`, has changed anything."""

Sink = Callable[[bytes], object]


@attrs.define(eq=False)
class Server:
    """One mtlsd in a reactor.

    :ivar config: what it runs by.
    :ivar listening: the open listeners, by name.
    """

    _log = Logger()

    config: Config
    listening: dict[str, Listening]
    _reactor: Any
    _store: Store
    _audit: AuditLog
    _current: Current
    _seen: Seen
    _background: Background
    _people: People
    _keys_have_changed: bool = attrs.field(default=False, init=False)
    _watch: LoopingCall = attrs.field(init=False)
    _changing: DeferredLock = attrs.field(factory=DeferredLock, init=False)
    _leaving: list[Deferred[None]] = attrs.field(factory=list, init=False)
    _complaint: str = attrs.field(default="", init=False)
    _stopping: bool = attrs.field(default=False, init=False)
    _sightings: SightingLog = attrs.field(init=False)

    _status: StatusWriter = attrs.field(init=False)

    @_status.default
    def _make_status(self) -> StatusWriter:
        return StatusWriter(lambda: self._background)

    _sweeping: SweepLoop = attrs.field(init=False)

    @_sweeping.default
    def _make_sweeping(self) -> SweepLoop:
        return SweepLoop(lambda: self._store.artifacts, utc_now, lambda: self._current.serving.bound)

    _registering: Registering = attrs.field(init=False)

    @_registering.default
    def _make_registering(self) -> Registering:
        book = StoreBook(lambda: self._store, self._present, self._take_over_store)
        return Registering(book, lambda: RefusingArtifacts(self._store.artifacts), utc_now, self._audit.event)

    @_sightings.default
    def _make_sightings(self) -> SightingLog:
        return SightingLog(lambda: self._store)

    @classmethod
    async def start(
        cls, config: Config, reactor: Any, write_audit: Sink, users: Checker | None = None
    ) -> Self:
        """Open the store, the keyring and every listener.

        :param reactor: the reactor to run in.
        :param write_audit: takes each line of the audit log.
        :param users: checks users' passwords, in place of what the configuration names.
        :raises ConfigError: when the store's clients contradict the configuration, or keys cannot be used.
        :raises StoreError: when the store cannot be opened.
        :raises OSError: when a listener's endpoint cannot be opened.
        """
        metrics = Metrics()
        audit = AuditLog(write_audit, utc_now, metrics.count)
        store = await _opened(config.store, reactor)
        opened: dict[str, Listening] = {}
        built: Built | None = None
        people = People(reactor, users)
        try:
            built = await Built.make(config, store, reactor, audit.event, people)
            current = Current(built.serving, audit.event, utc_now, random_id)
            current.metrics = metrics.exposition
            for prepared in _prepared(config, current):
                opened[prepared.name] = await Listening.open(prepared, current, reactor)
        except BaseException:
            await _closed(opened.values(), 0, reactor)
            if built is not None:
                await built.background.leave()
            people.stop()
            await store.close()
            raise
        server = cls(config, opened, reactor, store, audit, current, built.seen, built.background, people)
        metrics.sources = lambda: samples(rows_of(server._background.status()), utc_now())
        server._begin()
        return server

    def _begin(self) -> None:
        self._background.adopt(self._keys_changed)
        self._current.audit, self._current.seen = self._event, self._seen_client
        self._current.registration = self._registering.of(self.config)
        self._current.serving.bound.noticed = lambda standing: self._background.note(standing)
        self._sightings.start(self._reactor)
        self._status.start(self._reactor)
        self._sweeping.start(self._reactor)
        self._registering.start(self._reactor)
        registered = self._background.registrations
        Deferred.fromCoroutine(self._sweeping.clients_departed(departed((), registered)))
        Deferred.fromCoroutine(self._sweeping.forget_unknown(self._store, registered))
        self._audit.event("server.started", {"version": __version__, "listeners": self._places()})
        self._watch = LoopingCall(lambda: Deferred.fromCoroutine(self._look()))
        self._watch.clock = self._reactor
        self._watch.start(WATCH_SECONDS, now=False)

    def _event(self, name: str, facts: dict[str, Fact]) -> None:
        """What happens at the listeners: for the audit log, and for whoever else has to know."""
        self._audit.event(name, facts)
        if may_be_published(facts.get("reason")):
            self._background.out.key_sets.unknown_certificate_seen()

    def _seen_client(self, client_id: str, standing: Standing, now: datetime) -> None:
        if self._sightings.seen(client_id, standing.certificate, now):
            self._background.note(standing)

    def _places(self) -> list[str]:
        return [f"{name} {place.listener.endpoint}" for name, place in self.listening.items()]

    async def reload(self, config: Config) -> None:
        """Take over a new configuration, as a whole. Open connections go on.

        :raises ConfigError, StoreError, OSError: as `start`; the old configuration then stays.
        """
        try:
            await self._reload(config)
        except Exception as error:
            self.reload_refused(error)
            raise

    async def _reload(self, config: Config | None) -> None:
        """:param config: None for the one that stands once a reload that is under way is done."""
        await self._changing.acquire()
        try:
            await self._take_over(config or self.config)
        finally:
            self._changing.release()
        self._audit.event("reload.done", {"listeners": self._places()})

    def reload_refused(self, error: Exception) -> None:
        """Have the audit log say that a new configuration was not taken over, and why."""
        self._audit.event("reload.refused", {"seen": _said(error)})

    async def stop(self) -> None:
        """Take no new connection, finish every request that is in flight, and let go of everything."""
        if self._watch.running:
            self._watch.stop()
        self._stopping = True
        await self._changing.acquire()
        try:
            await _closed(self.listening.values(), self.config.drain_seconds, self._reactor)
            await gatherResults(self._leaving)
            await self._sightings.stop()
            self._status.stop()
            self._sweeping.stop()
            await self._sweeping.keep()
            self._registering.stop()
            await self._background.leave()
            self._people.stop()
            await self._store.close()
        finally:
            self._changing.release()
        self._audit.event("server.stopped", {})

    async def _look(self) -> None:
        """See whether another process has changed the store or the keyring, and take that over."""
        try:
            if self._changing.locked or not await self._has_changed():
                return
            await self._reload(None)
            self._complaint = ""
        except Exception as error:
            self._complain(error)

    def _present(self) -> Present:
        return Present(self.config, self._background.registrations, self._background.published)

    async def _take_over_store(self) -> None:
        """Serve what this process has written into the store."""
        if self._stopping:  # which holds the lock until every request is answered
            return
        await self._changing.acquire()
        try:
            if await self._has_changed():
                await self._take_over(self.config)
        except Exception as error:
            self._complain(error)
        finally:
            self._changing.release()

    def _complain(self, error: Exception) -> None:
        """Say once what hinders every look from now on; with its traceback where nobody expected it."""
        if str(error) == self._complaint:
            return
        self._complaint = str(error)
        self.reload_refused(error)
        if isinstance(error, (ConfigError, StoreError, OSError)):
            self._log.error("refresh.failed {error}", error=error)
        else:
            self._log.failure("refresh.failed")

    def _keys_changed(self) -> None:
        """The certificates that a client publishes are others now: they are taken over at once."""
        self._keys_have_changed = True
        self._reactor.callLater(0, lambda: Deferred.fromCoroutine(self._look()))

    async def _has_changed(self) -> bool:
        until = self._seen.keys_until
        return (
            self._keys_have_changed
            or await self._store.generation() != self._seen.store
            or keyring_stamp(self.config) != self._seen.keyring
            or (until is not None and until <= utc_now())
        )

    async def _take_over(self, config: Config) -> None:
        same_store = config.store == self.config.store
        store = self._store if same_store else await _opened(config.store, self._reactor)
        fresh: dict[str, Listening] = {}
        built: Built | None = None
        keys_have_changed, self._keys_have_changed = self._keys_have_changed, False
        try:
            report, people, bound = self._audit.event, self._people, self._current.serving.bound
            built = await Built.make(config, store, self._reactor, report, people, self._background, bound)
            prepared = _prepared(config, self._current, built.serving)
            kept = kept_open(self.listening, prepared)
            for one in prepared:
                if one.name not in kept:
                    fresh[one.name] = await Listening.open(one, self._current, self._reactor)
        except BaseException:
            await _closed(fresh.values(), 0, self._reactor)
            self._keys_have_changed |= keys_have_changed
            if built is not None:
                await built.background.leave(self._background)
            if not same_store:
                await store.close()
            raise
        old_store, self._store, self._seen = self._store, store, built.seen
        old_background, self._background = self._background, built.background
        self._current.serving = built.serving
        self._current.registration = self._registering.of(config)
        self._swap(config, prepared, kept, fresh)
        self._background.adopt(self._keys_changed)
        gone = departed(old_background.registrations, self._background.registrations)
        await self._sweeping.clients_departed(gone)
        await old_background.leave(self._background)
        if not same_store:
            await old_store.close()

    def _swap(
        self,
        config: Config,
        prepared: Sequence[Prepared],
        kept: Mapping[str, Listening],
        fresh: Mapping[str, Listening],
    ) -> None:
        """Nothing in here can fail.

        :param kept: by their new names, those whose ports stay open.
        """
        gone = [old for old in self.listening.values() if old not in kept.values()]
        for one in prepared:
            if one.name in kept:
                kept[one.name].swap(one)
        self.listening = {one.name: kept.get(one.name) or fresh[one.name] for one in prepared}
        self.config = config
        for old in gone:
            closing = Deferred.fromCoroutine(old.close(config.drain_seconds, self._reactor))
            closing.addErrback(lambda failure: self._log.failure("listener.close_failed", failure))
            self._leaving = [one for one in (*self._leaving, closing) if not one.called]


async def _opened(path: Path, reactor: Any) -> Store:
    store = open_store(path, ThreadWorker(reactor, "store writer"), ThreadWorker(reactor, "store reader"))
    await store.open()
    return store


def _prepared(config: Config, current: Current, serving: Serving | None = None) -> list[Prepared]:
    judge = (serving or current.serving).judge
    prepared = []
    for listener in config.listeners:
        of_proxy = proxy_judge(listener, judge.snapshot.revocation)
        door = assembly.door(config, listener, current, of_proxy)
        prepared.append(Prepared.from_listener(listener, judge, of_proxy, door, utc_now))
    return prepared


async def _closed(listening: Iterable[Listening], drain_seconds: float, reactor: Any) -> None:
    """Close listeners at the same time."""
    await gatherResults([Deferred.fromCoroutine(one.close(drain_seconds, reactor)) for one in listening])


def _said(error: Exception) -> list[str]:
    return [str(mistake) for mistake in error.mistakes] if isinstance(error, ConfigError) else [str(error)]
