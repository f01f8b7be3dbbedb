"""What is fetched for one configuration and kept live behind its snapshot: revocation lists, answers of OCSP
responders, and the key sets of clients.

A new configuration gets another of these, which takes over whatever is the same in both, so that a reload
neither forgets nor fetches it again. Until it is adopted nothing that is live has changed.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import attrs
from twisted.internet.defer import Deferred, gatherResults

from mtlsd.cache.files import CacheDirectory
from mtlsd.clients.fetched import Published, jwks_uris, with_published
from mtlsd.clients.index import Registration
from mtlsd.config.model import Config, Fetch
from mtlsd.errors import Fact
from mtlsd.fetch.addresses import AddressRules
from mtlsd.fetch.fetcher import Fetcher
from mtlsd.fetch.lookups import SystemResolver
from mtlsd.fetch.trust import Trust
from mtlsd.jose.verification import VerificationKey
from mtlsd.judge import Standing
from mtlsd.jwks_uri.disk import DIRECTORY, Disk
from mtlsd.jwks_uri.key_sets import KeySets
from mtlsd.ops.audit import utc_now
from mtlsd.pki.crl_table import CrlTable
from mtlsd.pki.ocsp_request import NONCE_OCTETS
from mtlsd.pki.path import AnchorGroup
from mtlsd.revocation.crl_cache import sweep
from mtlsd.revocation.crl_sources import CrlSources
from mtlsd.revocation.knowledge import Knowledge, Version
from mtlsd.revocation.ocsp_answers import OcspAnswers
from mtlsd.revocation.ocsp_status import ResponderStatus
from mtlsd.revocation.status import SourceStatus
from mtlsd.stores.workers import ThreadWorker

Report = Callable[[str, Mapping[str, Fact]], None]
_Key = tuple[AnchorGroup, bool]
_random = random.SystemRandom().random


@attrs.define(eq=False)
class Outgoing:
    """The way out by one `[fetch]` table, and what needs nothing else.

    :ivar reader: the thread in which lists are read and files are written.
    :ivar lists: of the configuration that was adopted, for those who ask whether a responder is revoked.
    """

    fetch: Fetch
    fetcher: Fetcher
    cache: CacheDirectory
    reader: ThreadWorker
    version: Version
    answers: OcspAnswers = attrs.field(init=False)
    key_sets: KeySets = attrs.field(init=False)
    lists: Mapping[str, CrlSources] = attrs.field(factory=dict, init=False)

    @classmethod
    def open(cls, fetch: Fetch, reactor: Any, report: Report) -> Self:
        """Nothing is fetched yet."""
        trust = Trust.system(root.der for root in fetch.trusted_certificates)
        resolver = SystemResolver(reactor.nameResolver)
        fetcher = Fetcher(reactor, reactor, resolver, AddressRules.allowing(fetch.allow), trust)
        reader = ThreadWorker(reactor, "reader")
        reader.start()
        own = cls(fetch, fetcher, CacheDirectory(fetch.cache), reader, Version())
        own.answers = OcspAnswers.make(
            fetcher=fetcher,
            cache=own.cache,
            clock=reactor,
            now=utc_now,
            in_thread=reader.run,
            random=_random,
            nonce=lambda: os.urandom(NONCE_OCTETS),
            lists=own.table_of,
            report=report,
            changed=own.version.changed,
        )
        disk = Disk(own.cache.below(DIRECTORY), reader.run, report)
        own.key_sets = KeySets(fetcher, disk, reactor, utc_now, _random, report, lambda: None)
        return own

    def table_of(self, group: str) -> CrlTable:
        lists = self.lists.get(group)
        return CrlTable.build(()) if lists is None else lists.table

    async def close(self) -> None:
        self.key_sets.stop()
        await self.answers.stop()
        self.fetcher.close()
        self.reader.stop()


@attrs.define(eq=False)
class Background:
    """What is live for one configuration. Make it with :meth:`open`."""

    config: Config
    registrations: tuple[Registration, ...]
    lists: Mapping[_Key, CrlSources]
    knowledge: Knowledge
    out: Outgoing
    _report: Report

    @classmethod
    async def open(
        cls,
        config: Config,
        registrations: tuple[Registration, ...],
        reactor: Any,
        report: Report,
        before: Self | None = None,
    ) -> Self:
        """Read the files of this configuration, and what was kept of what it fetches.

        :param report: takes audit events.
        :param before: what is live until now; what is the same is taken over.
        """
        old = before if before is not None and before.out.fetch == config.fetch else None
        out = Outgoing.open(config.fetch, reactor, report) if old is None else old.out
        known = {} if old is None else old.lists
        lists = {key: known.get(key) or _lists(key, out, reactor, report) for key in _listed(config)}
        work = (own.reread() if key in known else own.start() for key, own in lists.items())
        await gatherResults([Deferred.fromCoroutine(one) for one in work])
        if old is None:
            out.answers.configure(config.groups)
            await out.answers.start()
            await out.key_sets.start(jwks_uris(registrations))
        knowledge = Knowledge(
            groups={group.name: group for group in config.groups},
            lists={group.name: own for (group, _), own in lists.items()},
            answers=out.answers,
            wait_seconds=config.fetch.wait_seconds,
            clock=reactor,
            now=utc_now,
            version=out.version,
        )
        return cls(config, registrations, lists, knowledge, out, report)

    @property
    def published(self) -> Mapping[str, Sequence[Published]]:
        """The certificates that clients publish, by `jwks_uri`."""
        return self.out.key_sets.published

    @property
    def keys(self) -> Mapping[str, Sequence[VerificationKey]]:
        """The keys that clients publish for their assertions, by `jwks_uri`."""
        return self.out.key_sets.keys

    def status(self) -> tuple[SourceStatus | ResponderStatus, ...]:
        """How every source of every group fares."""
        lists = (status for own in self.lists.values() for status in own.status())
        return (*lists, *self.out.answers.status())

    def note(self, standing: Standing) -> None:
        """Take notice of a client's certificate: it matters, and the lists that it names are in use."""
        for vouching in standing.vouching:
            lists = self.knowledge.lists.get(vouching.group.name)
            if lists is not None:
                lists.note(vouching.path)

    def adopt(self, keys_changed: Callable[[], None]) -> None:
        """From now on this is what is live. It cannot fail.

        :param keys_changed: called when a client publishes other certificates than before.
        """
        self.out.key_sets.changed = keys_changed
        self.out.lists = {group.name: own for (group, _), own in self.lists.items()}
        self.out.answers.configure(self.config.groups)
        merged = with_published(self.registrations, self.published, self.keys)
        self.out.key_sets.configure(jwks_uris(self.registrations), merged.shared)
        self._sweep()

    def _sweep(self) -> None:
        """Remove the lists of groups that are gone."""
        directory, groups = self.out.cache.below("crl"), [group.name for group, _ in self.lists]
        swept = self.out.reader.run(lambda: sweep(directory, groups))
        swept.addErrback(lambda failure: self._report("cache.failed", {"error": failure.getErrorMessage()}))

    async def leave(self, other: Self | None = None) -> None:
        """Let go of everything that `other` does not have too."""
        kept = set() if other is None else set(map(id, other.lists.values()))
        for lists in self.lists.values():
            if id(lists) not in kept:
                lists.stop()
        if other is None or other.out is not self.out:
            await self.out.close()


def _listed(config: Config) -> list[_Key]:
    """The groups with lists; where a listener takes what is not quite RFC 5280, so may a list's signer be."""
    return [
        (group, all(own.x509_strict for own in config.listeners if group in own.groups))
        for group in config.groups
        if group.revocation is not None and "crl" in group.revocation.order
    ]


def _lists(key: _Key, out: Outgoing, reactor: Any, report: Report) -> CrlSources:
    group, strict = key
    return CrlSources.make(
        group,
        strict=strict,
        fetcher=out.fetcher,
        cache=out.cache.below("crl"),
        clock=reactor,
        now=utc_now,
        in_thread=out.reader.run,
        random=_random,
        report=report,
        changed=out.version.changed,
    )
