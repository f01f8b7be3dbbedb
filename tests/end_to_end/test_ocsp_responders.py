"""Answers of real responders and of hostile ones, over real sockets."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path as FilePath
from random import random
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from twisted.internet import reactor as installed
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool
from twisted.trial.unittest import TestCase

from mtlsd.cache.files import CacheDirectory
from mtlsd.errors import Fact
from mtlsd.fetch.addresses import AddressRules
from mtlsd.fetch.fetcher import Fetcher
from mtlsd.fetch.lookups import SystemResolver
from mtlsd.fetch.trust import Trust
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.crl_table import CrlTable
from mtlsd.pki.ocsp_request import CertId, OcspRequest
from mtlsd.pki.path import AnchorGroup, Path
from mtlsd.pki.revocation import Answer, RevocationPolicy
from mtlsd.revocation.ocsp_answers import OcspAnswers
from mtlsd.revocation.ocsp_limits import OcspLimits
from tests.end_to_end.cfssl import Cfssl
from tests.end_to_end.hostile_responder import BEHAVIOURS, HostileResponder
from tests.end_to_end.openssl_ocsp import OpenSsl
from tests.end_to_end.tools import needs
from tests.ocsp_responses import Responder
from tests.pki import Pki

reactor: Any = installed
NO_LISTS = CrlTable.build(())
PATIENT = 10.0
HASTY = 0.4
_T = TypeVar("_T")


class Answering(TestCase):
    """Trial fails these where a socket, a timer or a thread's work is left behind."""

    timeout = 60

    def setUp(self) -> None:
        self.pki = Pki(datetime.now(UTC))
        self.responder = Responder(self.pki)
        self.events: list[tuple[str, Mapping[str, Fact]]] = []
        self.jumped = timedelta()
        self.stack = ExitStack()
        self.addCleanup(self.stack.close)
        self.directory = FilePath(self.stack.enter_context(TemporaryDirectory()))
        rules = AddressRules.allowing(["127.0.0.0/8"])
        resolver = SystemResolver(reactor.nameResolver)
        self.fetcher = Fetcher(reactor, reactor, resolver, rules, Trust.system())

    def tearDown(self) -> None:
        self.fetcher.close()

    def use(self, port: int, limits: OcspLimits | None = None, **policy: Any) -> None:
        """Ask that responder from now on."""
        policy.setdefault("ocsp_url", f"http://127.0.0.1:{port}")
        revocation = RevocationPolicy(order=("ocsp",), **policy)
        root = Certificate.from_der(self.pki.root.der)
        self.group = AnchorGroup("partners", (root,), revocation=revocation)
        self.answers = OcspAnswers.make(
            fetcher=self.fetcher,
            cache=CacheDirectory(self.directory / "cache"),
            clock=reactor,
            now=lambda: datetime.now(UTC) + self.jumped,
            in_thread=lambda work: deferToThreadPool(reactor, reactor.getThreadPool(), work),
            random=random,
            nonce=lambda: os.urandom(32),
            lists=lambda group: NO_LISTS,
            report=lambda event, facts: self.events.append((event, facts)),
            changed=lambda: None,
            limits=limits,
        )
        self.answers.configure([self.group])
        self.addCleanup(self.answers.stop)

    def hostile(self) -> HostileResponder:
        return self.stack.enter_context(HostileResponder(self.responder))

    def path(self, certificate: bytes | None = None) -> Path:
        """Of that certificate (DER), or a new one's."""
        leaf = self.pki.leaf().leaf if certificate is None else certificate
        issuer = self.responder.issuer.der
        return Path(tuple(map(Certificate.from_der, (leaf, issuer, self.pki.root.der))))

    async def why(self, path: Path, seconds: float = PATIENT) -> str | None:
        """What asking comes to, without its sentence, and never late."""
        before = time.monotonic()
        why = await self.answers.ask(self.group, path, 0, deadline_seconds=seconds)
        assert time.monotonic() - before < seconds + 0.5
        return None if why is None else why.partition(":")[0]

    def get(self, path: Path) -> Answer | None:
        return self.answers.get("partners", *path.certificates[:2])

    def status(self, path: Path) -> str | None:
        answer = self.get(path)
        return None if answer is None else answer.status


def _until(what: Callable[[], bool], seconds: float = 10.0) -> Deferred[None]:
    async def wait() -> None:
        until = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < until, "it does not happen"
            await deferLater(reactor, 0.02, lambda: None)

    return Deferred.fromCoroutine(wait())


# -- responders that others wrote ------------------------------------------------------------------------


@needs("openssl")
class Openssl(Answering):
    """``openssl ocsp``, which gives nonces back."""

    def setUp(self) -> None:
        super().setUp()
        self.openssl = OpenSsl(self.directory)
        self.responder = self.openssl.responder
        self.pki = self.responder.pki
        self.asked = self.path(self.openssl.certificate.der)

    def index(self, status: str) -> None:
        """Change the index; the responder looks at the time of its file."""
        self.openssl.index(status)
        index = self.directory / "index.txt"
        later = index.stat().st_mtime + random() * 1000
        os.utime(index, (later, later))

    async def test_every_status(self) -> None:
        for status, expected in (("V", "good"), ("R", "revoked"), ("", "unknown")):
            self.index(status)
            with self.openssl.serving("-nmin", "60") as port:
                self.use(port, require_nonce=True)
                assert await self.why(self.asked) is None
                answer = self.get(self.asked)
                assert answer is not None
                assert (answer.status, answer.facts["nonce"]) == (expected, "matches")

    async def test_revoked_within_the_life_of_an_answer(self) -> None:
        """It is found at half of its life, by nobody's asking."""
        self.index("V")
        with self.openssl.serving("-nmin", "60") as port:
            self.use(port, limits=OcspLimits(tick_seconds=0.05))
            await self.answers.start()
            assert await self.why(self.asked) is None
            assert self.status(self.asked) == "good"
            self.index("R")
            await self.why(self.path())  # it looks at its index after each answer
            self.jumped = timedelta(minutes=40)
            await _until(lambda: self.status(self.asked) == "revoked")
        assert [event for event, _ in self.events] == ["ocsp.revoked"]

    async def test_down_and_up_again(self) -> None:
        self.index("V")
        with self.openssl.serving("-nmin", "60") as port:
            self.use(port)
            assert await self.why(self.path(), PATIENT) is None
        for _ in range(6):
            why = await self.why(self.path())
        assert why == "ocsp.breaker_open"
        assert [event for event, _ in self.events] == ["source.failed"]
        with self.openssl.serving("-nmin", "60", port=port):
            await _until(lambda: self.answers.status()[0].breaker == "open")
            while await self.why(self.asked) == "ocsp.breaker_open":
                await deferLater(reactor, 0.1, lambda: None)
            assert self.status(self.asked) == "good"
        assert [event for event, _ in self.events] == ["source.failed", "source.recovered"]


@needs("cfssl")
class CfsslServes(Answering):
    """``cfssl ocspserve``, which answers from signed files."""

    async def test_every_status(self) -> None:
        """Asked with a nonce first, and then without. This release understands no GET at its root."""
        cfssl = Cfssl(self.directory, self.responder)
        good, revoked, unknown = (self.path() for _ in range(3))
        cfssl.sign(good.certificates[0].der, "good")
        cfssl.sign(revoked.certificates[0].der, "revoked")
        with cfssl.serving() as port:
            self.use(port)
            assert [await self.why(path) for path in (good, revoked)] == [None, None]
            assert [self.status(path) for path in (good, revoked)] == ["good", "revoked"]
            answer, later = self.get(good), self.get(revoked)
            assert answer is not None
            assert later is not None
            assert (answer.facts["signer"], answer.facts["nonce"]) == ("delegate", "absent")
            assert (later.facts["nonce"], later.reason) == ("not sent", "keyCompromise")
            assert await self.why(unknown) == "ocsp.status.unauthorized"
            assert self.get(unknown) is None

    async def test_a_nonce_may_be_required(self) -> None:
        cfssl = Cfssl(self.directory, self.responder)
        path = self.path()
        cfssl.sign(path.certificates[0].der, "good")
        with cfssl.serving() as port:
            self.use(port, require_nonce=True)
            assert await self.why(path) == "ocsp.nonce"
            assert self.get(path) is None


# -- hostile ones ----------------------------------------------------------------------------------------


class Hostile(Answering):
    """Each behaviour has a test of its own; see below."""

    async def check(self, name: str) -> None:
        """It ends in time with the right reason, leaves nothing, and harms nobody else."""
        behaviour = BEHAVIOURS[name]
        hostile, path = self.hostile(), self.path()
        hostile.behave(name, path.certificates[0].serial_number)
        self.use(hostile.port)
        why = await self.why(path, HASTY if behaviour.slow else PATIENT)
        if behaviour.why:
            assert why in behaviour.why, why
            assert self.get(path) is None
        else:
            assert (why, self.status(path)) == (None, behaviour.status)
        assert await self.why(self.path()) is None, "others are served"
        await _until(lambda: hostile.open == 0)

    async def test_many_at_first_contact(self) -> None:
        """500 wait for one that hangs: within its bounds, and nobody else notices."""
        hanging, good = self.hostile(), self.hostile()
        hanging.behave("hang")
        self.use(good.port)
        known = self.path()
        assert await self.why(known) is None
        others = AnchorGroup(
            "others", self.group.anchors, revocation=RevocationPolicy(order=("ocsp",), ocsp_url=hanging.url)
        )
        self.answers.configure([self.group, others])
        leaves = [self.path() for _ in range(50)]
        waiting = [
            Deferred.fromCoroutine(self.answers.ask(others, leaves[number % 50], 0, deadline_seconds=1.5))
            for number in range(500)
        ]
        assert sum(own.called for own in waiting) == 250, "too many for one responder"
        for _ in range(20):
            before = time.monotonic()
            assert self.status(known) == "good"
            assert await self.why(self.path(), 1.0) is None
            assert time.monotonic() - before < 0.5
        honest = OcspRequest.make(CertId.of(known.certificates[0], known.certificates[1]))
        hanging.behave("issuer_by_name", known.certificates[0].serial_number)
        fetched = await self.fetcher.post(hanging.url, body=honest.der, max_bytes=9999, deadline_seconds=1)
        assert fetched.status == 200, "its host has room for others, such as for lists"
        for own in waiting[100:250]:
            own.addErrback(lambda failure: failure.trap(CancelledError))
            own.cancel()
        whys = await gatherResults(waiting[:100])
        assert {str(why).partition(":")[0] for why in whys} <= {
            "fetch.deadline",
            "ocsp.busy",
            "ocsp.breaker_open",
        }
        assert hanging.most_open <= 9, "eight, and that one"
        await _until(lambda: hanging.open == 0)
        status = {own.source: own for own in self.answers.status()}[f"http://127.0.0.1:{hanging.port}"]
        assert (status.waiting, status.breaker) == (0, "open")

    async def test_a_restart(self) -> None:
        """What was kept is there again, though the responder is not."""
        hostile = self.hostile()
        self.use(hostile.port)
        path = self.path()
        assert await self.why(path) is None
        before = self.get(path)
        await self.answers.stop()
        hostile.behave("close")
        self.use(hostile.port)
        await self.answers.start()
        assert self.get(path) == before
        assert len(hostile.requests) == 1


def _named(name: str) -> Callable[[Hostile], Any]:
    def test(own: Hostile) -> Any:
        return Deferred.fromCoroutine(own.check(name))

    test.__name__ = f"test_{name}"
    return test


assert sum(bool(own.why) for own in BEHAVIOURS.values()) >= 60
for _name in BEHAVIOURS:
    setattr(Hostile, f"test_{_name}", _named(_name))
del _name
