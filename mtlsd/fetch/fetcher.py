"""The one way out of mtlsd: everything that it fetches goes through here.

    fetcher = Fetcher(reactor, reactor, SystemResolver(reactor.nameResolver), AddressRules(), Trust.system())
    fetched = await fetcher.get("http://crl.example/ca.crl", max_bytes=10_000_000, deadline_seconds=30)

Each fetch ends within its deadline, which is over everything: waiting in the queue, looking up the name,
connecting, TLS and the whole answer. The name is looked up once, and the connection goes to an address that
was checked. Who asks for the same at the same time shares one fetch, and what has just failed fails again for
a short while without being tried. Nothing from the environment changes where it goes: there are no proxies.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import attrs
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred, fail
from twisted.internet.interfaces import IReactorTCP, IReactorTime
from twisted.python.failure import Failure

from mtlsd.fetch.addresses import AddressRules
from mtlsd.fetch.connection import CheckedEndpoint
from mtlsd.fetch.exchange import Fetched, Request, exchange
from mtlsd.fetch.flights import Flights, RecentFailures
from mtlsd.fetch.lookups import Lookups, Resolve
from mtlsd.fetch.refused import FetchRefused
from mtlsd.fetch.slots import Slots
from mtlsd.fetch.trust import Trust
from mtlsd.fetch.url import Address, Url

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
_SAYS_NOTHING_OF_THE_SERVER: Final = frozenset({"busy", "closed"})


@attrs.frozen
class Limits:
    """How much of everything.

    :ivar total: fetches at once; so many sockets.
    :ivar per_host: of these to one host and port.
    :ivar queue: fetches that wait for one of these slots.
    :ivar queue_per_host: of these for one host and port.
    :ivar lookups: names that are looked up at once. Fewer than the threads of the reactor's pool.
    :ivar addresses: how many addresses of a host are tried.
    :ivar connect_seconds: for each of them.
    :ivar header_bytes: how long the header section of an answer may be.
    :ivar failure_seconds: how long a failure answers whoever asks for the same.
    :ivar failures: how many failures are remembered.
    """

    total: int = 64
    per_host: int = 10
    queue: int = 256
    queue_per_host: int = 64
    lookups: int = 6
    addresses: int = 3
    connect_seconds: float = 3.0
    header_bytes: int = 32_768
    failure_seconds: float = 5.0
    failures: int = 256


@attrs.define(eq=False)
class _Job:
    """One fetch, and whether it has left the queue."""

    request: Request
    rules: AddressRules
    has_slot: bool = False


@attrs.define(eq=False)
class Fetcher:
    """Fetches, within bounds.

    :ivar rules: where it may connect to, unless a call says otherwise.
    """

    reactor: IReactorTCP
    clock: IReactorTime
    resolve: Resolve
    rules: AddressRules
    trust: Trust
    limits: Limits = attrs.field(factory=Limits)
    _closed: bool = attrs.field(default=False, init=False)
    _flights: Flights[Fetched] = attrs.field(factory=Flights, init=False)
    _slots: Slots = attrs.field(init=False)
    _lookups: Lookups = attrs.field(init=False)
    _failures: RecentFailures = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        limits = self.limits
        self._slots = Slots(limits.total, limits.per_host, limits.queue, limits.queue_per_host)
        self._lookups = Lookups(self.resolve, limits.lookups)
        self._failures = RecentFailures(self.clock, limits.failure_seconds, limits.failures)

    def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        max_bytes: int,
        deadline_seconds: float,
        schemes: frozenset[str] = frozenset({"http", "https"}),
        rules: AddressRules | None = None,
    ) -> Deferred[Fetched]:
        """Fetch a URL.

        :param headers: more headers, such as those of :meth:`mtlsd.fetch.freshness.Validators.headers`.
        :param schemes: leave http out where what is fetched is not signed.
        :param rules: instead of the fetcher's own.
        :returns: fires within the deadline. Cancel it to give up; the fetch ends when nobody wants it.
        :raises FetchRefused: through the Deferred, as does everything that can go wrong
        """
        return self._fetch("GET", url, headers, b"", max_bytes, deadline_seconds, schemes, rules)

    def post(
        self,
        url: str,
        *,
        body: bytes,
        headers: Mapping[str, str] = _NO_HEADERS,
        max_bytes: int,
        deadline_seconds: float,
        rules: AddressRules | None = None,
    ) -> Deferred[Fetched]:
        """Post to a URL, like :meth:`get`. Nothing is posted that matters if it arrives twice."""
        schemes = frozenset({"http", "https"})
        return self._fetch("POST", url, headers, body, max_bytes, deadline_seconds, schemes, rules)

    def close(self) -> None:
        """End all fetches, and start no more."""
        self._closed = True
        self._flights.cancel_all()

    def _fetch(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        max_bytes: int,
        deadline_seconds: float,
        schemes: frozenset[str],
        rules: AddressRules | None,
    ) -> Deferred[Fetched]:
        try:
            parsed = Url.from_string(url)
        except FetchRefused as refused:
            return fail(refused)
        if parsed.scheme not in schemes:
            return fail(FetchRefused("scheme", f"{parsed.scheme} is not enough here"))
        job = _Job(Request(method, parsed, headers, body, max_bytes), rules or self.rules)
        key = (method, parsed, tuple(headers.items()), body, max_bytes, job.rules)
        failed = FetchRefused("closed", "mtlsd is ending") if self._closed else self._failures.get(key)
        if failed is not None:
            return fail(failed)
        joined = self._flights.join(key, lambda: self._start(key, job, deadline_seconds))
        # Who joins later may have less time than the one who started it.
        return joined.addTimeout(deadline_seconds, self.clock, _too_late)

    def _start(self, key: Hashable, job: _Job, deadline_seconds: float) -> Deferred[Fetched]:
        running = ensureDeferred(self._run(job))
        running.addTimeout(deadline_seconds, self.clock, _too_late)
        return running.addErrback(self._failed, key, job)

    async def _run(self, job: _Job) -> Fetched:
        # By host and port: two servers of one machine do not wait for each other.
        server = job.request.url.authority
        await self._slots.acquire(server)
        try:
            if self._closed:  # the slot is free because another fetch was ended
                raise FetchRefused("closed", "mtlsd is ending")
            job.has_slot = True
            addresses = job.rules.usable(job.request.url.host, await self._addresses(job.request.url))
            endpoint = self._endpoint(job.request.url, addresses[: self.limits.addresses])
            return await exchange(self.reactor, endpoint, job.request)
        finally:
            self._slots.release(server)

    async def _addresses(self, url: Url) -> Sequence[Address]:
        own = url.address
        return await self._lookups.of(url.host) if own is None else (own,)

    def _endpoint(self, url: Url, addresses: Sequence[Address]) -> CheckedEndpoint:
        return CheckedEndpoint(
            reactor=self.reactor,
            addresses=addresses,
            port=url.port,
            tls=self.trust.creator(url.host) if url.scheme == "https" else None,
            timeout_seconds=self.limits.connect_seconds,
            header_bytes=self.limits.header_bytes,
        )

    def _failed(self, failure: Failure, key: Hashable, job: _Job) -> Failure:
        """Make every failure a FetchRefused, and remember those that are the server's."""
        refused = failure.value
        if isinstance(refused, CancelledError):
            return Failure(FetchRefused("closed", "it was given up"))
        if not isinstance(refused, FetchRefused):
            refused = FetchRefused("failed", f"{type(refused).__name__}: {refused}")
        if job.has_slot and refused.code not in _SAYS_NOTHING_OF_THE_SERVER:
            self._failures.add(key, refused)
        return Failure(refused)


def _too_late(_: object, seconds: float) -> Failure:
    return Failure(FetchRefused("deadline", f"not done within {seconds:g} seconds"))
