"""What is known about revocation without asking anybody: files, and what a daemon has kept in its cache.

Commands read this. They use the daemon's own code, with a clock that stands still, so that nothing is ever
due, with nothing to fetch by, and a cache that nobody writes to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Self, TypeVar, cast

import attrs
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from mtlsd.cache.files import CacheDirectory
from mtlsd.errors import Fact
from mtlsd.fetch.addresses import AddressRules
from mtlsd.fetch.exchange import Fetched
from mtlsd.fetch.fetcher import Fetcher
from mtlsd.fetch.refused import FetchRefused
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.crl_table import CrlTable
from mtlsd.pki.ocsp_request import NONCE_OCTETS
from mtlsd.pki.path import AnchorGroup
from mtlsd.pki.path import Path as CertificatePath
from mtlsd.pki.revocation import Answer
from mtlsd.revocation.crl_sources import CrlSources
from mtlsd.revocation.ocsp_answers import OcspAnswers
from mtlsd.revocation.ocsp_status import ResponderStatus
from mtlsd.revocation.status import SourceStatus

T = TypeVar("T")

_NO_LISTS = CrlTable.build(())


@attrs.define(eq=False)
class OfflineKnowledge:
    """A :class:`mtlsd.pki.revocation_check.Known` of one moment.

    :ivar lists: of each group that has lists to be read.
    :ivar answers: of responders, as far as a daemon has kept them.
    """

    lists: Mapping[str, CrlSources]
    answers: OcspAnswers = attrs.field(init=False)
    version: int = 0

    @classmethod
    def read(cls, groups: Iterable[AnchorGroup], cache: Path, strict: bool, now: datetime) -> Self:
        """Read and verify files and cache; what cannot be read stands in :meth:`status`.

        :param cache: the daemon's directory, which need not be there.
        :param strict: whether the certificates of lists' signers must be as RFC 5280 has them.
        """
        groups, kept = tuple(groups), _ReadOnly(cache)
        listed = [own for own in groups if own.revocation is not None and "crl" in own.revocation.order]
        own = cls({group.name: _lists(group, kept.below("crl"), strict, now) for group in listed})
        own.answers = _answers(groups, kept, own.crls, now)
        return own

    def note(self, group: str, path: CertificatePath) -> None:
        """Take the CAs of a verified path as possible signers, as a daemon does when it meets one."""
        if group in self.lists:
            self.lists[group].note(path)

    def crls(self, group: str, /) -> CrlTable:
        return self.lists[group].table if group in self.lists else _NO_LISTS

    def ocsp(self, group: str, certificate: Certificate, issuer: Certificate, /) -> Answer | None:
        return self.answers.get(group, certificate, issuer)

    def why_no_list(self, group: str) -> str:
        """Why the group's lists, as they were read, may not tell; empty where nothing is wrong with them."""
        return (self.lists[group].why() or "") if group in self.lists else ""

    def status(self) -> tuple[SourceStatus | ResponderStatus, ...]:
        """Every source, as far as it can be known here."""
        lists = (status for own in self.lists.values() for status in own.status())
        return (*lists, *self.answers.status())


class _ReadOnly(CacheDirectory):
    """A daemon's cache, which is no business of a command but to be read."""

    def write(self, name: str, data: bytes) -> None:
        return

    def remove(self, name: str) -> None:
        return


@attrs.frozen
class _NoFetcher:
    """Fetches nothing."""

    rules: AddressRules = attrs.field(factory=AddressRules)

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        max_bytes: int,
        deadline_seconds: float,
        rules: AddressRules | None = None,
    ) -> Deferred[Fetched]:
        return fail(FetchRefused("closed", "nothing is fetched offline"))

    def post(self, url: str, **_: object) -> Deferred[Fetched]:
        return fail(FetchRefused("closed", "nobody is asked offline"))


def _answers(
    groups: Iterable[AnchorGroup], cache: CacheDirectory, lists: Callable[[str], CrlTable], now: datetime
) -> OcspAnswers:
    made = OcspAnswers.make(
        fetcher=cast(Fetcher, _NoFetcher()),
        cache=cache,
        clock=Clock(),
        now=lambda: now,
        in_thread=_at_once,
        random=lambda: 0.5,
        nonce=lambda: bytes(NONCE_OCTETS),
        lists=lists,
        report=_ignore,
        changed=lambda: None,
    )
    made.configure(groups)
    _done(Deferred.fromCoroutine(made.start()))
    return made


def _lists(group: AnchorGroup, cache: CacheDirectory, strict: bool, now: datetime) -> CrlSources:
    made = CrlSources.make(
        group,
        strict=strict,
        fetcher=_NoFetcher(),
        cache=cache,
        clock=Clock(),
        now=lambda: now,
        in_thread=_at_once,
        random=lambda: 0.5,
        report=_ignore,
        changed=lambda: None,
    )
    _done(Deferred.fromCoroutine(made.start()))
    return made


def _at_once(work: Callable[[], T], /) -> Deferred[T]:
    try:
        return succeed(work())
    except Exception:
        return fail(Failure())


def _ignore(event: str, facts: Mapping[str, Fact], /) -> None:
    """Whoever reads offline looks at the status."""


def _done(running: Deferred[None]) -> None:
    """:raises Exception: what it failed with."""
    failures: list[Failure] = []
    running.addErrback(failures.append)
    for failure in failures:
        failure.raiseException()
