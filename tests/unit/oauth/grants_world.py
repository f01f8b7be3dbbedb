"""Clients that act for users, and what is kept of that, without a store, a browser or a connection."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime, timedelta
from itertools import count
from secrets import token_urlsafe
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import attrs
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet.defer import Deferred

from mtlsd.clients.client import Client
from mtlsd.clients.index import ClientIndex, Registration
from mtlsd.errors import Reason, Refusal
from mtlsd.jose.signer import Signer
from mtlsd.oauth.artifacts import Artifacts
from mtlsd.oauth.authentication import AuthenticatedClient
from mtlsd.oauth.authorization import AuthorizationEndpoint, AuthorizationPolicy, UserAuthenticated
from mtlsd.oauth.authorization_request import AuthorizationRequest
from mtlsd.oauth.code_grant import CodeGrant
from mtlsd.oauth.forms import Form
from mtlsd.oauth.pkce import challenge_of
from mtlsd.oauth.possession import ProvenCertificate
from mtlsd.oauth.refresh_grant import RefreshGrant
from mtlsd.oauth.refresh_tokens import RefreshTokens
from mtlsd.oauth.token_endpoint import TokenIssued
from mtlsd.oauth.tokens import AccessTokenIssuer
from mtlsd.pki.certificate import Certificate
from tests.pki import NOW, Pki
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


def public_client(client_id: str, **metadata: Any) -> Client:
    """One of which nothing proves that it is the one."""
    given: dict[str, Any] = {
        "client_id": client_id,
        "token_endpoint_auth_method": "none",
        "grant_types": list(CODE),
        "redirect_uris": [CALLBACK],
        "scope": "read write admin",
        "resources": [API, OTHER],
        **metadata,
    }
    return Client.from_metadata(given, place="test")


def form(**parameters: str | tuple[str, ...] | None) -> Form:
    """Parameters; None and "" are absent ones."""
    return Form(
        {name: (value,) if isinstance(value, str) else value for name, value in parameters.items() if value}
    )


REAL = Pki(NOW)
ONE, TWO = (Certificate.from_der(REAL.leaf().leaf) for _ in range(2))
KEY = ec.generate_private_key(ec.SECP256R1())


def came(as_client: Client, certificate: Certificate | None = ONE) -> AuthenticatedClient:
    """The client on a connection with this certificate."""
    proven = None if certificate is None else ProvenCertificate(certificate, certificate.not_after)
    return AuthenticatedClient(as_client, None, proven)


@attrs.define
class AuthorizationWorld:
    """The authorization endpoint before some clients."""

    clients: tuple[Client, ...]
    policy: AuthorizationPolicy = attrs.field(factory=lambda: AuthorizationPolicy(ISSUER))
    artifacts: Artifacts = attrs.field(factory=MemoryArtifacts)
    endpoint: AuthorizationEndpoint = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        index = ClientIndex.build(Registration(own, "test") for own in self.clients)
        self.endpoint = AuthorizationEndpoint(index, self.artifacts, self.policy, token_urlsafe)

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

    def code(
        self,
        scope: tuple[str, ...] | None = None,
        user: UserAuthenticated = ALICE,
        **changes: str | tuple[str, ...] | None,
    ) -> str:
        """A code for what was asked for, or for the scope that the user grants of it."""
        request = self.read(**changes)
        granted = request.scope if scope is None else scope
        location = now_of(self.endpoint.issue_code(request, user, granted, NOW))
        return parse_qs(urlsplit(location).query)["code"][0]


def access_tokens(lifetime: timedelta = timedelta(minutes=5)) -> AccessTokenIssuer:
    """Signs with :data:`KEY`."""
    ids = count()
    signer = Signer.from_private_key(KEY, "ES256")
    return AccessTokenIssuer(ISSUER, ISSUER, lifetime, signer, lambda: f"id-{next(ids)}")


def claims(issued: TokenIssued) -> dict[str, Any]:
    """What the token says, by a library that is not ours."""
    options: Any = {"verify_exp": False, "verify_iat": False, "verify_aud": False}
    read: dict[str, Any] = jwt.decode(
        issued.token.value, KEY.public_key(), algorithms=["ES256"], options=options
    )
    return read


def reason_of(awaitable: Awaitable[object]) -> Reason:
    """Why it is refused."""
    with pytest.raises(Refusal) as refused:
        now_of(awaitable)
    return refused.value.reason


@attrs.define
class GrantWorld(AuthorizationWorld):
    """The token endpoint beside it."""

    lifetime: timedelta = timedelta(days=30)
    idle: timedelta = timedelta(days=7)
    codes: CodeGrant = attrs.field(init=False)
    refreshing: RefreshGrant = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        tokens = access_tokens()
        refresh_tokens = RefreshTokens(self.lifetime, self.idle, token_urlsafe)
        self.codes = CodeGrant(self.artifacts, tokens, refresh_tokens)
        self.refreshing = RefreshGrant(self.artifacts, tokens, refresh_tokens)

    def by_id(self, client_id: str) -> Client:
        found = self.endpoint.clients.by_id(client_id)
        assert found is not None
        return found

    def exchange(
        self,
        code: str,
        client_id: str = "web",
        certificate: Certificate | None = ONE,
        now: datetime = NOW,
        **changes: str | tuple[str, ...] | None,
    ) -> Awaitable[TokenIssued]:
        """The usual request with a code."""
        usual = {"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        return self.codes(came(self.by_id(client_id), certificate), form(**{**usual, **changes}), now)

    def refresh(
        self,
        token: str,
        client_id: str = "web",
        certificate: Certificate | None = ONE,
        now: datetime = NOW,
        **changes: str | tuple[str, ...] | None,
    ) -> Awaitable[TokenIssued]:
        """The usual request with a refresh token."""
        asked = form(**{"refresh_token": token, **changes})
        return self.refreshing(came(self.by_id(client_id), certificate), asked, now)

    def refresh_token(self, client_id: str = "web", **changes: Any) -> str:
        """The first one of a grant."""
        issued = now_of(self.exchange(self.code(client_id=client_id, **changes), client_id))
        assert issued.refresh_token is not None
        return issued.refresh_token
