"""A group's revocation lists in a world of memory: servers, clocks, an audit log; the cache is real."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import attrs
from cryptography import x509
from twisted.internet.defer import Deferred, ensureDeferred, execute, fail, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from mtlsd.cache.files import CacheDirectory
from mtlsd.errors import Fact
from mtlsd.fetch.addresses import AddressRules
from mtlsd.fetch.exchange import Fetched
from mtlsd.fetch.refused import FetchRefused
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.crl_check import check_crls
from mtlsd.pki.path import AnchorGroup
from mtlsd.pki.path import Path as CertificatePath
from mtlsd.pki.revocation import RevocationPolicy
from mtlsd.revocation.crl_book import CrlLimits
from mtlsd.revocation.crl_pace import Pace
from mtlsd.revocation.crl_sources import CrlSources
from mtlsd.revocation.status import SourceStatus
from tests.pki import NOW, Pki
from tests.pki.crls import Crl, crl_of, path_of

_T = TypeVar("_T")
SERIAL = 4711
URL = "http://crl.example/ca.crl"
DAY = timedelta(days=1)


@attrs.define
class Asked:
    """A request: where to, with what, and by which rules."""

    url: str
    headers: Mapping[str, str]
    rules: AddressRules


class Server:
    """Every server there is, in place of a fetcher.

    :ivar bodies: what is served, with an ETag for each unless `etags` is off; what is not there fails.
    :ivar hanging: URLs whose answers wait for :meth:`answer`.
    """

    rules = AddressRules()

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.headers: dict[str, str] = {}
        self.hanging: set[str] = set()
        self.etags = True
        self.asked: list[Asked] = []
        self.cancelled: list[str] = []
        self._waiting: dict[str, list[Deferred[Fetched]]] = {}

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        max_bytes: int,
        deadline_seconds: float,
        rules: AddressRules | None = None,
    ) -> Deferred[Fetched]:
        self.asked.append(Asked(url, headers or {}, rules or self.rules))
        if url in self.hanging:
            waiting: Deferred[Fetched] = Deferred(lambda _: self.cancelled.append(url))
            self._waiting.setdefault(url, []).append(waiting)
            return waiting
        return self._answer(url, headers or {})

    def answer(self, url: str) -> None:
        self.hanging.discard(url)
        for waiting in self._waiting.pop(url):
            self._answer(url, {}).chainDeferred(waiting)

    def urls(self) -> list[str]:
        """What was asked since the last time."""
        found = [own.url for own in self.asked]
        self.asked.clear()
        return found

    def _answer(self, url: str, headers: Mapping[str, str]) -> Deferred[Fetched]:
        if url not in self.bodies:
            return fail(FetchRefused("status", "404"))
        body = self.bodies[url]
        etag = f'"{hash(body)}"'
        if headers.get("If-None-Match") == etag:
            return succeed(Fetched(304, {"etag": etag}, b""))
        found = {"etag": etag} if self.etags else {}
        return succeed(Fetched(200, {**found, **self.headers}, body))


def at_once(work: Callable[[], _T], /) -> Deferred[_T]:
    return execute(work)


class World(Pki):
    """A PKI, a server, clocks, and the sources of one group."""

    def __init__(self, directory: Path, **policy: Any) -> None:
        super().__init__()
        self.server = Server()
        self.clock = Clock()
        self.wall = NOW
        self.events: list[tuple[str, Mapping[str, Fact]]] = []
        self.changes = 0
        self.chance = 0.5
        self.random: Callable[[], float] = lambda: self.chance
        self.directory = CacheDirectory(directory / "cache")
        self.intermediates: tuple[bytes, ...] = (self.intermediate.der,)
        self.policy = policy
        self.in_thread: Any = at_once
        self.limits: CrlLimits | None = None
        self.pace: Pace | None = None
        self.sources: CrlSources

    @property
    def group(self) -> AnchorGroup:
        return AnchorGroup(
            "partners",
            (Certificate.from_der(self.root.der),),
            tuple(map(Certificate.from_der, self.intermediates)),
            RevocationPolicy(order=("crl",), **self.policy),
        )

    def start(self) -> CrlSources:
        """A new process: everything that is not on the disk is lost."""
        self.sources = CrlSources.make(
            self.group,
            strict=True,
            fetcher=self.server,
            cache=self.directory,
            clock=self.clock,
            now=lambda: self.wall,
            in_thread=self.in_thread,
            random=lambda: self.random(),
            report=lambda event, facts: self.events.append((event, facts)),
            changed=self._changed,
            limits=self.limits,
            pace=self.pace,
        )
        failures: list[Failure] = []
        ensureDeferred(self.sources.start()).addErrback(failures.append)
        for failure in failures:
            failure.raiseException()
        self.go(0)
        return self.sources

    def restart(self) -> CrlSources:
        self.sources.stop()
        self.events.clear()
        self.server.asked.clear()
        return self.start()

    def go(self, seconds: float) -> None:
        """Let time pass, by both clocks, no more than a second at once."""
        while True:
            step = min(seconds, 1.0)
            self.wall += timedelta(seconds=step)
            self.clock.advance(step)
            seconds -= step
            if seconds <= 0:
                break

    def jump(self, span: timedelta) -> None:
        """Set the wall clock."""
        self.wall += span

    @property
    def above(self) -> tuple[bytes, bytes]:
        """What stands above a leaf, up to its anchor."""
        return self.intermediate.der, self.root.der

    def crl(self, *entries: bytes, **how: Any) -> Crl:
        """A list of the CA that issued the leaf."""
        return crl_of(self.intermediate, *entries, **how)

    def serve(self, *entries: bytes, url: str = URL, **how: Any) -> None:
        self.server.bodies[url] = self.crl(*entries, **how).der()

    def path(self, *urls: str, serial: int = SERIAL, more: Any = ()) -> CertificatePath:
        """The path of a client's certificate, which names these URLs."""
        points = [
            x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None) for url in urls
        ]
        more = [*more, (x509.CRLDistributionPoints(points), False)] if urls else list(more)
        leaf = self.leaf(serial=serial, more=more).leaf
        return path_of(leaf, *self.above)

    def told(self, path: CertificatePath | None = None) -> str:
        """What the lists say about the leaf."""
        grace = self.policy.get("grace", timedelta())
        answer = check_crls(path or self.path(), 0, self.sources.table, self.wall, grace)
        return answer.why or answer.status

    def ensure(self, path: CertificatePath, position: int = 0) -> Deferred[str | None]:
        return ensureDeferred(self.sources.ensure(path, position))

    def status(self, source: str = URL) -> SourceStatus:
        return next(own for own in self.sources.status() if own.source == source)

    def names(self) -> list[str]:
        """The events since the last time."""
        found = [event for event, _ in self.events]
        self.events.clear()
        return found

    def age(self, until: datetime) -> None:
        """Let time pass in coarse steps, as a reactor that is busy would."""
        while self.wall < until:
            step = min((until - self.wall).total_seconds(), 20.0)
            self.wall += timedelta(seconds=step)
            self.clock.advance(step)

    def _changed(self) -> None:
        self.changes += 1
