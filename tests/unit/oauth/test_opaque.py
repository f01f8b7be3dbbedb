"""Opaque access tokens at the token endpoint: nobody is told one that is not kept."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import pytest

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.oauth.artifacts import Artifact, Artifacts
from mtlsd.oauth.forms import Form
from mtlsd.oauth.token_endpoint import TokenEndpoint, TokenIssued
from mtlsd.oauth.tokens import AccessTokenIssuer
from mtlsd.stores.refusing import NoArtifacts
from tests.pki import NOW
from tests.unit.oauth.signing import World as Clients
from tests.unit.oauth.tokens_world import ISSUER, World, done, thumbprint


def ask(world: World, client_id: str, artifacts: Artifacts) -> TokenIssued | Awaitable[TokenIssued]:
    issuing = AccessTokenIssuer(ISSUER, ISSUER, timedelta(minutes=5), world.signer, lambda: next(IDS))
    endpoint = TokenEndpoint(Clients(world.snapshot.clients).authenticator, issuing, artifacts=artifacts)
    form = Form({"grant_type": ("client_credentials",), "client_id": (client_id,)})
    return endpoint.answer(form, None, world.authenticated(client_id).identity, NOW)


IDS = (f"id-{number}" for number in range(10_000))


async def wait(answer: TokenIssued | Awaitable[TokenIssued]) -> TokenIssued:
    return answer if isinstance(answer, TokenIssued) else await answer


def test_it_is_kept_before_it_is_told() -> None:
    world = World()
    answer = ask(world, "opaque", world.artifacts)
    assert not isinstance(answer, TokenIssued)
    issued = done(wait(answer))
    told: dict[str, Any] = json.loads(issued.to_json())
    found = world.artifacts.rows["access_token", Artifact.key_of(told["access_token"])].artifact
    assert (found.client_id, found.grant_id) == ("opaque", None)
    assert found.expires_at == NOW + timedelta(minutes=5)
    assert found.content["cnf"] == {"x5t#S256": thumbprint("opaque")}
    assert told["expires_in"] == 300
    assert world.ended(told["access_token"]) is None


def test_a_store_that_fails() -> None:
    with pytest.raises(Refusal) as caught:
        done(wait(ask(World(), "opaque", NoArtifacts())))
    assert caught.value.reason is reasons.STORE_UNAVAILABLE


def test_a_jwt_needs_no_store() -> None:
    """At once, and nothing is written for it."""
    assert isinstance(ask(World(), "jwt", NoArtifacts()), TokenIssued)
