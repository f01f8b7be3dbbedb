"""OCSP answers in a world of memory: responders, a clock that can jump, and threads that are none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import urlsplit

import attrs
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
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
from mtlsd.pki.ocsp_request import CertId, OcspRequest
from mtlsd.pki.path import AnchorGroup, Path
from mtlsd.pki.revocation import Answer, RevocationPolicy
from mtlsd.revocation.ocsp_answers import OcspAnswers
from mtlsd.revocation.ocsp_limits import OcspLimits
from tests.ocsp_responses import HONEST, Asked, Responder, request_in_url
from tests.pki import Pki

A, B = "http://a.example", "http://b.example"
NO_LISTS = CrlTable.build(())
WAITING = object()
TYPE = "application/ocsp-response"

Reaction = bytes | FetchRefused | Fetched | None
"""A response; a failure; a whole answer; or nothing, for ever."""


@attrs.frozen
class Asking:
    """One request that went out."""

    method: str
    origin: str
    request: bytes = attrs.field(repr=False)
    max_bytes: int
    rules: AddressRules | None

    @property
    def asked(self) -> Asked:
        return Asked.of(self.request)

    @property
    def has_nonce(self) -> bool:
        return self.asked.nonce is not None


class FakeFetcher:
    """Answers as the world says, and bounds every fetch by its deadline as the real one does."""

    def __init__(self, world: World) -> None:
        self.rules = AddressRules()
        self._world = world

    def get(self, url: str, **how: Any) -> Deferred[Fetched]:
        return self._fetch("GET", url, request_in_url(url), **how)

    def post(self, url: str, *, body: bytes, **how: Any) -> Deferred[Fetched]:
        return self._fetch("POST", url, body, **how)

    def _fetch(
        self,
        method: str,
        url: str,
        request: bytes,
        *,
        headers: Mapping[str, str],
        max_bytes: int,
        deadline_seconds: float,
        rules: AddressRules | None,
    ) -> Deferred[Fetched]:
        world, parts = self._world, urlsplit(url)
        asking = Asking(method, f"{parts.scheme}://{parts.netloc}", request, max_bytes, rules)
        world.askings.append(asking)
        world.running[asking.origin] += 1
        world.most_running = max(world.most_running, world.running.total())

        def ended(result: Any) -> Any:
            world.running[asking.origin] -= 1
            return result

        reaction = world.react(asking)
        if isinstance(reaction, FetchRefused):
            return fail(reaction).addBoth(ended)
        if reaction is None:
            hanging: Deferred[Fetched] = Deferred()
            hanging.addTimeout(deadline_seconds, world.clock, _too_late)
            return hanging.addBoth(ended)
        if isinstance(reaction, bytes):
            reaction = Fetched(200, MappingProxyType({"content-type": TYPE}), reaction)
        return succeed(reaction).addBoth(ended)


class World:
    """A group of anchors with a responder, and everything that its answers touch.

    :ivar react: what the responders do.
    """

    def __init__(
        self, directory: FilePath | None = None, *, limits: OcspLimits | None = None, **policy: Any
    ) -> None:
        self.pki = Pki(datetime(2026, 3, 1, 12, tzinfo=UTC))
        self.responder = _responder(self.pki)
        self.clock = Clock()
        self.jumped = timedelta()
        self.react: Callable[[Asking], Reaction] = self.honest()
        self.askings: list[Asking] = []
        self.running: Counter[str] = Counter()
        self.most_running = 0
        self.events: list[tuple[str, Mapping[str, Fact]]] = []
        self.changes = 0
        self.threads_hang = False
        self.hanging: list[Deferred[Any]] = []
        self.lists = NO_LISTS
        self.limits = limits
        self.random = 0.5
        self.issuer = Certificate.from_der(self.responder.issuer.der)
        self.root = Certificate.from_der(self.pki.root.der)
        self.client = Certificate.from_der(self.responder.certificate)
        policy.setdefault("ocsp_url", f"{A}/ocsp")
        self.group = AnchorGroup(
            "partners", (self.root,), revocation=RevocationPolicy(order=("ocsp",), **policy)
        )
        self.path = self.path_of(self.client)
        self.directory = None if directory is None else CacheDirectory(directory / "cache")
        self.answers = self.make()
        self.answers.configure([self.group])

    def make(self) -> OcspAnswers:
        """Another one on the same directory, as after a restart."""
        return OcspAnswers.make(
            fetcher=cast(Fetcher, FakeFetcher(self)),
            cache=self.directory,
            clock=self.clock,
            now=self.now,
            in_thread=self.in_thread,
            random=lambda: self.random,
            nonce=self.nonce,
            lists=lambda group: self.lists,
            report=lambda event, facts: self.events.append((event, facts)),
            changed=self.changed,
            limits=self.limits,
        )

    def restart(self) -> None:
        """Stop, and start anew with what is on the disk."""
        assert settled(self.answers.stop()) is None
        assert self.clock.getDelayedCalls() == []
        self.answers = self.make()
        self.answers.configure([self.group])
        self.start()

    def start(self) -> None:
        assert settled(Deferred.fromCoroutine(self.answers.start())) is None

    # -- effects

    def now(self) -> datetime:
        return self.pki.now + timedelta(seconds=self.clock.seconds()) + self.jumped

    def nonce(self) -> bytes:
        return bytes(31) + bytes((len(self.askings) % 256,))

    def changed(self) -> None:
        self.changes += 1

    def in_thread(self, work: Callable[[], Any]) -> Deferred[Any]:
        if not self.threads_hang:
            return maybeDeferred(work)
        self.hanging.append(Deferred())
        return self.hanging[-1].addCallback(lambda _: work())

    def wait(self, seconds: float, step: float = 10.0) -> None:
        """Let time pass, for everybody."""
        while seconds > 0:
            self.clock.advance(min(step, seconds))
            seconds -= step

    # -- responders

    def honest(self, kind: str = "issuer_by_name", **changes: Any) -> Callable[[Asking], Reaction]:
        """Answers in one of the honest ways, at the time it is then."""

        def react(asking: Asking) -> Reaction:
            self.responder.now = self.now() if "now" not in changes else changes["now"]
            return HONEST[kind].make(self.responder, asking.request)

        return react

    # -- asking

    def another(self, *urls: str) -> Path:
        """The path of another client, whose certificate names these responders."""
        methods = [
            x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url))
            for url in urls
        ]
        more = ((x509.AuthorityInformationAccess(methods), False),) if urls else ()
        path = self.path_of(Certificate.from_der(self.pki.leaf(more=more).leaf))
        cert_id = CertId.of(path.certificates[0], path.certificates[1])
        return path if _fits_into_a_url(cert_id) else self.another(*urls)

    def path_of(self, client: Certificate) -> Path:
        return Path((client, self.issuer, self.root))

    def ask(self, path: Path | None = None, **how: Any) -> Deferred[str | None]:
        coroutine = self.answers.ask(self.group, path or self.path, 0, **how)
        return Deferred.fromCoroutine(coroutine)

    def why(self, path: Path | None = None, **how: Any) -> str | None:
        """What asking comes to at once: None, or the code."""
        why: str | None = code(settled(self.ask(path, **how)))
        return why

    def get(self, path: Path | None = None) -> Answer | None:
        client, issuer = (path or self.path).certificates[:2]
        return self.answers.get("partners", client, issuer)

    def status(self, path: Path | None = None) -> str | None:
        answer = self.get(path)
        return None if answer is None else answer.status

    def names(self) -> Sequence[str]:
        """The audit events so far."""
        return [event for event, _ in self.events]


def _responder(pki: Pki) -> Responder:
    """For an issuer whose key does not keep requests out of URLs: tests should not depend on chance."""
    for number in count():
        responder = Responder(pki, pki.ca("Intermediate", pki.root, f"issuer {number}"))
        issuer = Certificate.from_der(responder.issuer.der)
        cert_id = CertId.of(Certificate.from_der(responder.certificate), issuer)
        if _fits_into_a_url(attrs.evolve(cert_id, serial_number=1)):
            return responder
    raise AssertionError


def _fits_into_a_url(cert_id: CertId) -> bool:
    """Not all do, see :meth:`OcspRequest.to_http`."""
    return OcspRequest.make(cert_id).to_http(A).method == "GET"


def settled(deferred: Deferred[Any]) -> Any:
    """What has become of it by now; :data:`WAITING` where nothing has."""
    results: list[Any] = []

    def look(result: Any) -> Any:
        results.append(result)
        return None if isinstance(result, Failure) else result

    deferred.addBoth(look)
    if not results:
        return WAITING
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]


def code(why: Any) -> Any:
    """Without its sentence."""
    return why.partition(":")[0] if isinstance(why, str) else why


def _too_late(_: object, seconds: float) -> Failure:
    return Failure(FetchRefused("deadline", f"not done within {seconds:g} seconds"))
