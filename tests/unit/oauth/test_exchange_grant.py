"""Token exchange for services that act for whom they were called by (R68)."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import attrs
import jwt
import pytest

from mtlsd import reasons
from mtlsd.clients.client import Client
from mtlsd.clients.grant_types import TOKEN_EXCHANGE
from mtlsd.clients.index import ClientIndex, Registration
from mtlsd.errors import Reason
from mtlsd.oauth.exchange_grant import ACCESS_TOKEN, MOST_ACTORS, ExchangeGrant
from mtlsd.oauth.grants import Grant
from mtlsd.oauth.live import Ended, LiveToken
from mtlsd.oauth.token_endpoint import TokenIssued
from mtlsd.oauth.tokens import GRANT_ID
from mtlsd.pki.certificate import Certificate
from tests.pki import NOW
from tests.unit.oauth.grants_world import (
    ALICE,
    API,
    ISSUER,
    KEY,
    ONE,
    OTHER,
    TWO,
    access_tokens,
    came,
    claims,
    form,
    now_of,
    public_client,
    reason_of,
    web_client,
)
from tests.unit.stores.artifacts_memory import MemoryArtifacts
from tests.unit.world import client

LAST = "https://last.example/"
WEB = web_client("web", grant_types=["authorization_code", "client_credentials", TOKEN_EXCHANGE])


def service(client_id: str, audience: str, **metadata: Any) -> Client:
    given: dict[str, Any] = {
        "tls_client_auth_san_dns": f"{client_id}.example",
        "grant_types": [TOKEN_EXCHANGE],
        "scope": "read write",
        "resources": [OTHER, LAST],
        "exchanges_for": [audience],
        **metadata,
    }
    return client(client_id, **given)


FIRST, SECOND = service("first", API), service("second", OTHER)
STRANGER = service("stranger", "https://stranger.example/")


@attrs.define
class World:
    """Some clients, and tokens of ours."""

    artifacts: MemoryArtifacts = attrs.field(factory=MemoryArtifacts)
    clients: ClientIndex = attrs.field(
        factory=lambda: ClientIndex.build(Registration(own, "test") for own in (WEB, FIRST, SECOND, STRANGER))
    )
    lifetime: timedelta = timedelta(minutes=5)

    async def live(self, token: str, now: datetime, /) -> LiveToken | Ended:
        options: Any = {"verify_exp": False, "verify_iat": False, "verify_aud": False}
        try:
            read = jwt.decode(token, KEY.public_key(), algorithms=["ES256"], options=options)
        except jwt.InvalidTokenError:
            return "unknown"
        if read["exp"] <= now.timestamp():
            return "expired"
        owner = self.clients.by_id(read["client_id"])
        return "client" if owner is None else LiveToken(read, None, owner)

    def of_alice(self, *audience: str, scope: tuple[str, ...] = ("read", "admin")) -> str:
        """What the client `web` sends to the first service."""
        more = {"sub": ALICE.sub, "auth_time": 1, GRANT_ID: "the grant"}
        return access_tokens().issue(came(WEB), Grant(scope, audience or (API,)), NOW, more).value

    def exchange(
        self,
        token: str | None,
        by: Client = FIRST,
        certificate: Certificate | None = TWO,
        now: datetime = NOW,
        **changes: str | tuple[str, ...] | None,
    ) -> TokenIssued:
        return now_of(self.grant(token, by, certificate, now, **changes))

    async def grant(
        self,
        token: str | None,
        by: Client = FIRST,
        certificate: Certificate | None = TWO,
        now: datetime = NOW,
        **changes: str | tuple[str, ...] | None,
    ) -> TokenIssued:
        usual = {"subject_token": token, "subject_token_type": ACCESS_TOKEN, "resource": OTHER}
        handler = ExchangeGrant(self, self.artifacts, access_tokens(self.lifetime))
        return await handler(came(by, certificate), form(**{**usual, **changes}), now)


@pytest.fixture
def world() -> World:
    return World()


def test_a_service_acts_for_a_user(world: World) -> None:
    """The token is bound to the service's certificate, and has no more than the user's had."""
    issued = world.exchange(world.of_alice())
    read = claims(issued)
    at = int(NOW.timestamp())
    assert read.pop("jti")
    assert read == {
        "iss": ISSUER,
        "sub": ALICE.sub,
        "auth_time": 1,
        "grant_id": "the grant",
        "client_id": "first",
        "act": {"sub": "first"},
        "aud": OTHER,
        "scope": "read",
        "cnf": {"x5t#S256": TWO.x5t_s256},
        "iat": at,
        "exp": at + 300,
    }
    answer = json.loads(issued.to_json())
    assert answer["issued_token_type"] == ACCESS_TOKEN
    assert "refresh_token" not in answer


def test_a_chain_of_services(world: World) -> None:
    """RFC 8693 section 4.1: the present one stands outside."""
    first = world.exchange(world.of_alice()).token.value
    second = world.exchange(first, SECOND, ONE, resource=None, audience=LAST)
    assert claims(second)["act"] == {"sub": "second", "act": {"sub": "first"}}
    assert (claims(second)["sub"], claims(second)["aud"]) == (ALICE.sub, LAST)


def test_it_has_an_end(world: World) -> None:
    around = service("around", API, resources=[API], exchanges_for=[API])
    world.clients = ClientIndex.build(Registration(own, "test") for own in (WEB, around))
    token = world.of_alice()
    for _ in range(MOST_ACTORS):
        more = {"sub": ALICE.sub, "act": claims(world.exchange(token, around, resource=API))["act"]}
        token = access_tokens().issue(came(WEB), Grant(("read",), (API,)), NOW, more).value
    assert reason_of(world.grant(token, around, resource=API)) is reasons.EXCHANGE_DEPTH


def test_never_longer_than_what_it_was_made_of(world: World) -> None:
    world.lifetime = timedelta(hours=1)
    issued = world.exchange(world.of_alice(), now=NOW + timedelta(minutes=1))
    assert (issued.token.expires_at, issued.token.expires_in) == (int(NOW.timestamp()) + 300, 240)


def test_a_client_without_a_user(world: World) -> None:
    plain = access_tokens().issue(came(WEB), Grant(("read",), (API,)), NOW).value
    read = claims(world.exchange(plain))
    assert (read["sub"], read["act"], read["client_id"]) == ("web", {"sub": "first"}, "first")
    assert "grant_id" not in read


class TestOwn:
    """A client may have a token of its own made narrower."""

    def test_over_its_own_certificate(self, world: World) -> None:
        read = claims(world.exchange(world.of_alice(API, OTHER), WEB, ONE, scope="read"))
        assert (read["scope"], read["aud"], read["client_id"]) == ("read", OTHER, "web")
        assert "act" not in read

    def test_it_leads_nowhere_else(self, world: World) -> None:
        """The user agreed to one service, and the client may have another one: that makes no token for it."""
        assert reason_of(world.grant(world.of_alice(API), WEB, ONE)) is reasons.EXCHANGE_TARGET

    def test_not_over_another(self, world: World) -> None:
        refused = world.grant(world.of_alice(), WEB, TWO)
        assert reason_of(refused) is reasons.EXCHANGE_NOT_ALLOWED


@pytest.mark.parametrize(
    ("changes", "reason", "error"),
    [
        ({"token": None}, reasons.EXCHANGE_TOKEN_ABSENT, "invalid_request"),
        ({"subject_token_type": None}, reasons.EXCHANGE_TOKEN_ABSENT, "invalid_request"),
        ({"subject_token_type": "urn:other"}, reasons.EXCHANGE_TOKEN_TYPE, "invalid_request"),
        ({"requested_token_type": "urn:other"}, reasons.EXCHANGE_TOKEN_TYPE, "invalid_request"),
        ({"actor_token": "x"}, reasons.EXCHANGE_TOKEN_TYPE, "invalid_request"),
        ({"token": "nonsense"}, reasons.EXCHANGE_TOKEN_INVALID, "invalid_request"),
        ({"now": NOW + timedelta(minutes=5)}, reasons.EXCHANGE_TOKEN_INVALID, "invalid_request"),
        ({"by": STRANGER}, reasons.EXCHANGE_NOT_ALLOWED, "invalid_request"),
        ({"by": SECOND}, reasons.EXCHANGE_NOT_ALLOWED, "invalid_request"),
        ({"resource": None}, reasons.EXCHANGE_TARGET, "invalid_target"),
        ({"resource": "https://evil.example/"}, reasons.EXCHANGE_TARGET, "invalid_target"),
        ({"audience": "https://evil.example/"}, reasons.EXCHANGE_TARGET, "invalid_target"),
        ({"scope": "read write"}, reasons.SCOPE_INVALID, "invalid_scope"),
        ({"scope": "admin"}, reasons.SCOPE_INVALID, "invalid_scope"),
        ({"certificate": None}, reasons.BINDING_ABSENT, "invalid_request"),
        ({"by": web_client("web")}, reasons.GRANT_UNAUTHORIZED, "unauthorized_client"),
    ],
)
def test_refused(world: World, changes: dict[str, Any], reason: Reason, error: str) -> None:
    assert reason_of(world.grant(**{"token": world.of_alice(), **changes})) is reason
    assert reason.error == error


def test_no_public_client(world: World) -> None:
    """Even where somebody registered it so."""
    opened = attrs.evolve(public_client("public"), grant_types=(TOKEN_EXCHANGE,), exchanges_for=(API,))
    assert reason_of(world.grant(world.of_alice(), opened)) is reasons.GRANT_UNAUTHORIZED


def test_an_opaque_one_is_kept(world: World) -> None:
    opaque = attrs.evolve(FIRST, access_token_format="opaque")
    issued = world.exchange(world.of_alice(), opaque)
    assert issued.token.artifact is not None
    assert issued.token.artifact.grant_id == "the grant"
    assert ("access_token", issued.token.artifact.key) in world.artifacts.rows


def test_a_user_who_is_none_any_more(world: World) -> None:
    """What was granted ends with the user; a client's own tokens rest on no user."""

    def nobody(sub: str) -> None:
        return None

    handler = ExchangeGrant(world, world.artifacts, access_tokens(), nobody)
    asked = form(subject_token=world.of_alice(), subject_token_type=ACCESS_TOKEN, resource=OTHER)
    assert reason_of(handler(came(FIRST, TWO), asked, NOW)) is reasons.EXCHANGE_TOKEN_INVALID
