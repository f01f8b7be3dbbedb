"""The certificates that clients publish, from sets that are kept live to registrations that are judged by."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool

from mtlsd.cache.files import CacheDirectory
from mtlsd.clients.fetched import Published, jwks_uris, with_published
from mtlsd.clients.index import Registration
from mtlsd.config.model import Config
from mtlsd.fetch.fetcher import Fetcher
from mtlsd.jwks_uri.disk import DIRECTORY, Disk, Report, T, kept_sets
from mtlsd.jwks_uri.key_sets import KeySets
from mtlsd.jwks_uri.timing import Timing
from mtlsd.ops.audit import utc_now


def kept(config: Config, registrations: Iterable[Registration]) -> Mapping[str, Sequence[Published]]:
    """What a daemon has fetched last for these clients, by `jwks_uri`, for a command: nothing is fetched."""
    return kept_sets(_directory(config), jwks_uris(registrations), utc_now() - Timing().keep)


@attrs.define(eq=False)
class PublishedCertificates:
    """The sets of the registered clients."""

    key_sets: KeySets

    @classmethod
    async def begin(
        cls,
        config: Config,
        registrations: Iterable[Registration],
        fetcher: Fetcher,
        reactor: Any,
        report: Report,
    ) -> PublishedCertificates:
        """Read what was kept, and begin to fetch.

        :param report: takes events for the audit log.
        """
        disk = Disk(_directory(config), _InThreadOf(reactor), report)
        key_sets = KeySets(fetcher, disk, reactor, utc_now, random.random, report, lambda: None)
        await key_sets.start(jwks_uris(registrations))
        return cls(key_sets)

    def follow(self, config: Config, registrations: Iterable[Registration], fetcher: Fetcher) -> None:
        """Follow these clients from now on. Cannot fail."""
        registrations = tuple(registrations)
        self.key_sets.fetcher = fetcher
        self.key_sets.disk.directory = _directory(config)
        taken = with_published(registrations, self.key_sets.published).taken
        self.key_sets.configure(jwks_uris(registrations), taken)


def _directory(config: Config) -> CacheDirectory:
    return CacheDirectory(config.fetch.cache).below(DIRECTORY)


@attrs.frozen
class _InThreadOf:
    """Runs work that blocks in the reactor's threads."""

    reactor: Any

    def __call__(self, work: Callable[[], T], /) -> Deferred[T]:
        return deferToThreadPool(self.reactor, self.reactor.getThreadPool(), work)
