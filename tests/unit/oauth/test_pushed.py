"""Pushed authorization requests (R64)."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from mtlsd import reasons
from mtlsd.errors import Reason, Refusal
from mtlsd.oauth.authorization import AuthorizationPolicy, UserAuthenticated
from mtlsd.oauth.authorization_request import AuthorizationRequest, SentBack
from mtlsd.oauth.public_pushes import PublicPushes
from mtlsd.oauth.pushed import Pushed, PushedAuthorizationEndpoint
from tests.pki import NOW
from tests.unit.oauth.grants_world import (
    ALICE,
    API,
    CALLBACK,
    ISSUER,
    AuthorizationWorld,
    came,
    form,
    now_of,
    public_client,
    reason_of,
    web_client,
)

WEB, REST, PUBLIC = web_client("web"), web_client("rest"), public_client("public")
CLIENTS = {own.client_id: own for own in (WEB, REST, PUBLIC)}


@pytest.fixture
def world() -> AuthorizationWorld:
    return AuthorizationWorld((WEB, REST, PUBLIC), AuthorizationPolicy(ISSUER, require_pushed=True))


def push(world: AuthorizationWorld, client_id: str = "web", **changes: Any) -> Pushed:
    asked = world.asking(client_id, **changes)
    pushing = PushedAuthorizationEndpoint(world.endpoint, PublicPushes())
    return now_of(pushing.answer(came(CLIENTS[client_id]), asked, NOW))


def refused(world: AuthorizationWorld, **changes: Any) -> Reason:
    pushing = PushedAuthorizationEndpoint(world.endpoint, PublicPushes())
    return reason_of(pushing.answer(came(WEB), world.asking(**changes), NOW))


def use(
    world: AuthorizationWorld, pushed: Pushed, client_id: str = "web", seconds: int = 0, **others: str
) -> AuthorizationRequest | SentBack:
    query = form(client_id=client_id, request_uri=pushed.request_uri, **others)
    return now_of(world.endpoint.read(query, NOW + timedelta(seconds=seconds)))


def test_the_answer(world: AuthorizationWorld) -> None:
    world.endpoint = AuthorizationWorld((WEB,), AuthorizationPolicy(ISSUER)).endpoint
    pushed = push(world)
    answer = json.loads(pushed.to_json())
    assert re.fullmatch(r"urn:ietf:params:oauth:request_uri:[A-Za-z0-9_-]+", answer["request_uri"])
    assert answer["expires_in"] == 60
    assert pushed.request_uri not in repr(pushed)


def test_it_is_used_as_it_was_pushed(world: AuthorizationWorld) -> None:
    """RFC 9126 section 4: what the query says besides is nobody's word."""
    pushed = push(world, scope="read", resource=API, state="pushed")
    request = use(world, pushed, scope="admin", state="changed", redirect_uri="https://evil.example/")
    assert isinstance(request, AuthorizationRequest)
    assert request == pushed.request
    assert (request.scope, request.redirection.state, request.redirection.uri) == (
        ("read",),
        "pushed",
        CALLBACK,
    )
    assert now_of(world.endpoint.issue_code(request, ALICE, ("read",), NOW)).startswith(CALLBACK)


class TestOnce:
    def test_looking_at_it_uses_nothing_up(self, world: AuthorizationWorld) -> None:
        """FAPI 2.0 section 5.3.2.2: pages are loaded twice, and by others than the user."""
        pushed = push(world)
        for _ in range(3):
            assert isinstance(use(world, pushed), AuthorizationRequest)

    @pytest.mark.parametrize("answer", ["code", "error"])
    def test_it_is_used_up(self, world: AuthorizationWorld, answer: str) -> None:
        """By the answer, whichever it is: of two who are at the page, one gets something."""
        pushed = push(world)
        requests = [use(world, pushed) for _ in range(2)]
        self.answer(world, requests[0], answer)
        query = form(client_id="web", request_uri=pushed.request_uri)
        assert reason_of(world.endpoint.read(query, NOW)) is reasons.REQUEST_URI_USED
        assert reason_of(world.endpoint.read(query, NOW, opened=True)) is reasons.REQUEST_URI_USED
        for again in ("code", "error"):
            with pytest.raises(Refusal, match=r"request_uri\.used"):
                self.answer(world, requests[1], again)

    def answer(
        self, world: AuthorizationWorld, request: AuthorizationRequest | SentBack, answer: str
    ) -> None:
        assert isinstance(request, AuthorizationRequest)
        if answer == "code":
            now_of(world.endpoint.issue_code(request, ALICE, request.scope, NOW))
        else:
            now_of(world.endpoint.tell(request.refused(Refusal(reasons.USER_DENIED)), NOW))

    def test_a_refused_code_uses_nothing_up(self, world: AuthorizationWorld) -> None:
        pushed = push(world)
        request = use(world, pushed)
        assert isinstance(request, AuthorizationRequest)
        of_a_client = UserAuthenticated("web", NOW)
        refused = world.endpoint.issue_code(request, of_a_client, request.scope, NOW)
        assert reason_of(refused) is reasons.USER_CONFUSABLE
        self.answer(world, use(world, pushed), "code")

    @pytest.mark.parametrize("client_id", ["rest", "public"])
    def test_another_client_cannot_use_it_up(self, world: AuthorizationWorld, client_id: str) -> None:
        pushed = push(world)
        query = form(client_id=client_id, request_uri=pushed.request_uri)
        assert reason_of(world.endpoint.read(query, NOW)) is reasons.REQUEST_URI_INVALID
        assert isinstance(use(world, pushed), AuthorizationRequest)

    def test_it_ends(self, world: AuthorizationWorld) -> None:
        pushed = push(world)
        query = form(client_id="web", request_uri=pushed.request_uri)
        assert isinstance(use(world, pushed, seconds=59), AuthorizationRequest)
        late = world.endpoint.read(query, NOW + timedelta(seconds=60))
        assert reason_of(late) is reasons.REQUEST_URI_EXPIRED

    def test_who_has_opened_it_has_time_to_answer(self, world: AuthorizationWorld) -> None:
        query = form(client_id="web", request_uri=push(world).request_uri)
        at_last, end = NOW + timedelta(minutes=30), NOW + timedelta(minutes=31)
        request = now_of(world.endpoint.read(query, at_last, opened=True))
        assert isinstance(request, AuthorizationRequest)
        assert reason_of(world.endpoint.read(query, end, opened=True)) is reasons.REQUEST_URI_INVALID
        too_late = world.endpoint.issue_code(request, ALICE, request.scope, end)
        assert reason_of(too_late) is reasons.REQUEST_URI_EXPIRED


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, reasons.REQUEST_URI_PUSHED),
        ({"request": "x.y.z"}, reasons.REQUEST_OBJECT_UNSUPPORTED),
        ({"redirect_uri": "https://evil.example/"}, reasons.REDIRECT_URI_UNKNOWN),
        ({"response_type": "token"}, reasons.RESPONSE_TYPE_UNSUPPORTED),
        ({"scope": "delete"}, reasons.SCOPE_INVALID),
        ({"resource": "https://evil.example/"}, reasons.RESOURCE_INVALID),
        ({"code_challenge": None, "code_challenge_method": None}, reasons.PKCE_ABSENT),
        ({"code_challenge_method": "plain"}, reasons.PKCE_METHOD),
        ({"state": "x" * 33_000}, reasons.REQUEST_TOO_LARGE),
    ],
)
def test_refused_at_once(world: AuthorizationWorld, changes: dict[str, Any], reason: Reason) -> None:
    assert refused(world, **changes) is reason


def test_the_redirect_uri_may_have_to_be_named() -> None:
    """R81: FAPI 2.0 wants it in the pushed request, even where there is but one."""
    strict = AuthorizationWorld((WEB,), AuthorizationPolicy(ISSUER, require_redirect_uri=True))
    assert refused(strict, redirect_uri=None) is reasons.REDIRECT_URI_ABSENT
    assert push(strict).expires_in == 60


def test_the_client_has_changed_meanwhile(world: AuthorizationWorld) -> None:
    """It is read again when the browser comes."""
    pushed = push(world, scope="admin")
    later = AuthorizationWorld((web_client("web", scope="read"),), artifacts=world.artifacts)
    back = use(later, pushed)
    assert isinstance(back, SentBack)
    assert back.refusal.reason is reasons.SCOPE_INVALID


def test_a_public_client_may_push(world: AuthorizationWorld) -> None:
    assert isinstance(use(world, push(world, "public"), "public"), AuthorizationRequest)


def test_what_authenticates_the_client_is_not_kept(world: AuthorizationWorld) -> None:
    pushed = push(world, client_assertion="secret.secret.secret", unknown="x")
    assert isinstance(use(world, pushed), AuthorizationRequest)
    assert "secret.secret" not in str(world.artifacts)
