"""A token request that waits until it is known whether the certificate is revoked."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from io import BytesIO
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import attrs
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL.SSL import Connection
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.test.requesthelper import DummyRequest

from mtlsd.errors import Fact
from mtlsd.jose.own import OwnTokens
from mtlsd.jose.signer import Signer
from mtlsd.judge import Identity, Provisional
from mtlsd.oauth.authorization import AuthorizationEndpoint, AuthorizationPolicy
from mtlsd.oauth.bound import BoundCertificates
from mtlsd.oauth.introspection import IntrospectionEndpoint
from mtlsd.oauth.live import AccessTokens
from mtlsd.oauth.public_pushes import PublicPushes
from mtlsd.oauth.pushed import PushedAuthorizationEndpoint
from mtlsd.oauth.token_endpoint import TokenEndpoint
from mtlsd.oauth.token_revocation import RevocationEndpoint
from mtlsd.oauth.tokens import AccessTokenIssuer
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.path import AnchorGroup, Path
from mtlsd.pki.revocation import Answer, RevocationPolicy, Status
from mtlsd.revocation.knowledge import Knowledge, Version
from mtlsd.tls.peer import Peer
from mtlsd.verdicts import Judge
from mtlsd.web.resources import Token
from mtlsd.web.serving import Current, Serving
from tests.pki import DNS, NOW, Pki
from tests.unit.oauth.signing import World as Authenticating
from tests.unit.stores.artifacts_memory import MemoryArtifacts
from tests.unit.world import LISTENER, PARTNERS, client, group, offline, snapshot

HOUR = timedelta(hours=1)
REAL = Pki(NOW)
PRESENTED = REAL.leaf(REAL.root)
URL = "http://ocsp.example/"
POLICY = RevocationPolicy(("ocsp",), ocsp_url=URL)
FORM = b"grant_type=client_credentials&client_id=billing"


@attrs.define(eq=False)
class Responder:
    """Answers when the test says so."""

    version: Version
    known: Answer | None = None
    asked: list[Deferred[str | None]] = attrs.field(factory=list)

    def get(self, group_name: str, certificate: Certificate, issuer: Certificate, /) -> Answer | None:
        return self.known

    async def ask(self, group: AnchorGroup, path: Path, position: int, /) -> str | None:
        waiting: Deferred[str | None] = Deferred()
        self.asked.append(waiting)
        return await waiting

    def answer(self, status: Status) -> None:
        self.known = Answer(status, f"ocsp {URL}", NOW - HOUR, NOW + HOUR)
        self.version.changed()
        self.asked.pop().callback(None)


@attrs.define(eq=False)
class World:
    """One token endpoint, and a connection that has proven possession of a certificate nobody knows yet."""

    policy: RevocationPolicy = POLICY
    clock: Clock = attrs.field(factory=Clock)
    events: list[tuple[str, dict[str, Fact]]] = attrs.field(factory=list)
    responder: Responder = attrs.field(init=False)
    knowledge: Knowledge = attrs.field(init=False)
    peer: Peer = attrs.field(init=False)
    token: Token = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        version = Version()
        self.responder = Responder(version)
        partners = attrs.evolve(group(PARTNERS, [REAL.root.der]), revocation=self.policy)
        self.knowledge = Knowledge({PARTNERS: partners}, {}, self.responder, 5, self.clock, self.now, version)
        billing = client("billing", tls_client_auth_san_dns=DNS)
        whole = attrs.evolve(snapshot([billing], partners), revocation=self.knowledge)
        signer = Signer.from_private_key(ec.generate_private_key(ec.SECP256R1()), "ES256")
        tokens = AccessTokenIssuer("https://as", "https://as", timedelta(minutes=5), signer, lambda: "id")
        judge = Judge(whole)
        kept = MemoryArtifacts()
        authenticator = Authenticating(whole.clients).authenticator
        issued = AccessTokens("https://as", whole.clients, judge, OwnTokens(), kept, BoundCertificates())
        authorization = AuthorizationEndpoint(
            whole.clients, kept, AuthorizationPolicy("https://as"), lambda: "secret"
        )
        serving = Serving(
            judge,
            authenticator,
            TokenEndpoint(authenticator, tokens, artifacts=kept),
            b"",
            b"",
            self.knowledge.resolve,
            IntrospectionEndpoint(issued, signer),
            RevocationEndpoint(issued),
            authorization,
            PushedAuthorizationEndpoint(authorization, PublicPushes()),
        )
        self.token = Token(Current(serving, lambda *event: self.events.append(event), self.now, lambda: "id"))
        self.peer = Peer(LISTENER, "192.0.2.1", 1, judge)
        found = judge.judge(offline(PRESENTED), NOW)
        assert isinstance(found, Provisional)
        self.peer.propose(found)
        self.peer.complete(create_autospec(Connection, instance=True))

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.clock.seconds())

    def post(self) -> Any:
        request: Any = DummyRequest([b"token"])
        request.method, request.content, request.clientproto = b"POST", BytesIO(FORM), b"HTTP/1.1"
        request.uri, request.path = b"/token", b"/token"
        request.transport = SimpleNamespace(getHandle=lambda: SimpleNamespace(peer=self.peer))
        for name, value in ((b"content-type", b"application/x-www-form-urlencoded"), (b"host", b"as")):
            request.requestHeaders.setRawHeaders(name, [value])
        answer = self.token.render(request)
        if isinstance(answer, bytes):
            request.write(answer)
            request.finish()
        return request

    def reasons(self) -> list[Fact]:
        return [facts.get("reason", name) for name, facts in self.events]


def answered(request: Any) -> tuple[int | None, dict[str, Any]]:
    return request.responseCode, json.loads(b"".join(request.written))


def test_good() -> None:
    world = World()
    request = world.post()
    assert (request.written, world.events) == ([], [])
    world.responder.answer("good")
    status, body = answered(request)
    assert (status, request.finished) == (200, 1)
    assert body["access_token"]
    assert answered(world.post())[0] == 200  # nobody is asked again
    assert world.responder.asked == []


def test_revoked() -> None:
    """R38: at first contact 401 `invalid_client`; the operator reads why."""
    world = World()
    request = world.post()
    world.responder.answer("revoked")
    assert (answered(request)[0], answered(request)[1]["error"]) == (401, "invalid_client")
    assert world.reasons() == ["revocation.revoked"]


def test_nobody_answers_in_time() -> None:
    world = World()
    request = world.post()
    world.clock.advance(4.9)
    assert request.written == []
    world.clock.advance(0.2)
    assert answered(request)[0] == 401
    assert world.reasons() == ["revocation.unknown"]
    assert world.events[0][1]["seen"] == ["revocation.deadline: no answer within 5 seconds"]
    # the connection is not lost for it
    again = world.post()
    world.responder.answer("good")
    assert answered(again)[0] == 200
    assert world.knowledge.waiting == 0


def test_nobody_answers_and_that_is_allowed() -> None:
    world = World(attrs.evolve(POLICY, on_unknown="allow"))
    request = world.post()
    world.clock.advance(5)
    assert answered(request)[0] == 200
    assert world.events[0][1]["revocation_unchecked"] == (PARTNERS,)


def test_a_client_that_gives_up() -> None:
    """It gets no answer, and leaves nothing behind."""
    world = World()
    request = world.post()
    request.processingFailed(Failure(ConnectionDone()))
    assert (request.written, request.finished, world.events, world.knowledge.waiting) == ([], 0, [], 0)
    assert world.clock.getDelayedCalls() == []


def test_turned_revoked_while_the_connection_is_kept_alive() -> None:
    world = World()
    first = world.post()
    world.responder.answer("good")
    assert answered(first)[0] == 200
    assert isinstance(world.peer.judgement, Identity)
    world.responder.known = Answer("revoked", f"ocsp {URL}", NOW, NOW + HOUR, reason="keyCompromise")
    world.knowledge._version.changed()
    assert answered(world.post())[0] == 401
    assert world.reasons()[-1] == "revocation.revoked"


def test_too_many_wait() -> None:
    world = World()
    world.knowledge.max_waiting = 1
    first, second = world.post(), world.post()
    assert answered(second)[0] == 401
    assert world.events[0][1]["seen"] == ["revocation.busy: too many requests wait"]
    world.responder.answer("good")
    assert answered(first)[0] == 200


@pytest.mark.parametrize("failing", [ValueError("a fault of ours")])
def test_a_fault_of_ours_is_an_answer_too(failing: Exception) -> None:
    world = World()
    request = world.post()
    world.responder.asked.pop().errback(failing)
    assert answered(request)[0] == 401
    assert world.events[0][1]["seen"] == ["revocation.failed: see the log"]
