"""Clients that act for users, and what is kept of that, without a store, a browser or a connection."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import timedelta
from itertools import count
from typing import Any, TypeVar

import attrs
from twisted.internet.defer import Deferred

from mtlsd.clients.client import Client
from mtlsd.clients.index import ClientIndex, Registration
from mtlsd.oauth.artifacts import Artifacts
from mtlsd.oauth.authorization import AuthorizationEndpoint, AuthorizationPolicy, UserAuthenticated
from mtlsd.oauth.authorization_request import AuthorizationRequest
from mtlsd.oauth.forms import Form
from mtlsd.oauth.pkce import challenge_of
from tests.pki import NOW
from tests.unit.stores.artifacts_memory import MemoryArtifacts
from tests.unit.world import client

T = TypeVar("T")

ISSUER = "https://as.example.com"
CALLBACK = "https://client.example/cb"
API, OTHER = "https://api.example.com/", "https://other.example/"
VERIFIER = "v" * 43
ALICE = UserAuthenticated("user-alice", NOW - timedelta(minutes=5))
CODE = ("authorization_code", "refresh_token")


def now_of(awaitable: Awaitable[T]) -> T:
    """What it comes to, without waiting: where nothing behind it takes time.

    :raises: what it raises.
    """

    async def wait() -> T:
        return await awaitable

    found: list[Any] = []
    Deferred.fromCoroutine(wait()).addBoth(found.append)
    assert found, "it waits"
    if hasattr(found[0], "raiseException"):
        found[0].raiseException()
    result: T = found[0]
    return result


def web_client(client_id: str, **metadata: Any) -> Client:
    """A confidential client that asks users."""
    given: dict[str, Any] = {
        "tls_client_auth_san_dns": f"{client_id}.example",
        "grant_types": list(CODE),
        "redirect_uris": [CALLBACK],
        "scope": "read write admin",
        "resources": [API, OTHER],
        **metadata,
    }
    return client(client_id, **given)


def form(**parameters: str | tuple[str, ...] | None) -> Form:
    """Parameters; None and "" are absent ones."""
    return Form(
        {name: (value,) if isinstance(value, str) else value for name, value in parameters.items() if value}
    )


@attrs.define
class AuthorizationWorld:
    """The authorization endpoint before some clients."""

    clients: tuple[Client, ...]
    policy: AuthorizationPolicy = attrs.field(factory=lambda: AuthorizationPolicy(ISSUER))
    artifacts: Artifacts = attrs.field(factory=MemoryArtifacts)
    endpoint: AuthorizationEndpoint = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        index = ClientIndex.build(Registration(own, "test") for own in self.clients)
        secrets = count()
        self.endpoint = AuthorizationEndpoint(
            index, self.artifacts, self.policy, lambda: f"secret-{next(secrets)}"
        )

    def asking(self, client_id: str = "web", **changes: str | tuple[str, ...] | None) -> Form:
        """A request as it should be, but for the changes."""
        usual: dict[str, str | tuple[str, ...] | None] = {
            "client_id": client_id,
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "state": "of the client",
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
        }
        return form(**{**usual, **changes})

    def read(self, **changes: str | tuple[str, ...] | None) -> AuthorizationRequest:
        """A request that is right."""
        request = now_of(self.endpoint.read(self.asking(**changes), NOW))  # type: ignore[arg-type]  # client_id
        assert isinstance(request, AuthorizationRequest), request
        return request
