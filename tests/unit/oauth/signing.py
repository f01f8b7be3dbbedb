"""Clients with keys and secrets, and assertions good and bad, for the tests of authentication."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import attrs
import jwt
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mtlsd.clients.client import Client
from mtlsd.clients.index import ClientIndex, Registration
from mtlsd.clients.secret import SecretHash
from mtlsd.jose import b64
from mtlsd.jose.jwk import public_members
from mtlsd.judge import Settled
from mtlsd.oauth.artifacts import Artifacts
from mtlsd.oauth.assertion import AssertionRules
from mtlsd.oauth.authentication import AuthenticatedClient, Authenticator
from mtlsd.oauth.credentials import JWT_BEARER
from mtlsd.oauth.forms import Form
from mtlsd.oauth.secrets import SecretChecker, in_place
from tests.pki import NOW
from tests.unit.jose.keys import private_key
from tests.unit.stores.artifacts_memory import MemoryArtifacts

ISSUER = "https://as.example.com"
TOKEN_ENDPOINT = "https://as.example.com:8443/token"
SECRET = "b3JkaW5hcnkgc2VjcmV0IG9mIDMyIGJ5dGVzIQ"
AT = int(NOW.timestamp())
NOTHING: Mapping[str, Any] = MappingProxyType({})
HASH = SecretHash.from_secret(SECRET, os.urandom)
KINDS = {"ES256": "P-256", "PS256": "RSA-2048", "RS256": "RSA-2048", "EdDSA": "Ed25519"}

T = TypeVar("T")


def jwk(kind: str, number: int = 0, **more: Any) -> dict[str, Any]:
    return {**public_members(private_key(kind, number).public_key()), **more}


def signing(client_id: str, *keys: Mapping[str, Any], **metadata: Any) -> Client:
    """A private_key_jwt client; with a key of each kind where none is given."""
    every = keys or [jwk(kind, kid=kind) for kind in sorted(set(KINDS.values()))]
    document = {
        "client_id": client_id,
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": list(every)},
    }
    return Client.from_metadata({**document, **metadata}, place="test")


def secretive(client_id: str, method: str = "client_secret_basic", **metadata: Any) -> Client:
    document = {
        "client_id": client_id,
        "token_endpoint_auth_method": method,
        "allow_client_secret": True,
        "client_secret_hash": HASH.to_string(),
    }
    return Client.from_metadata({**document, **metadata}, place="test")


def public(client_id: str, **metadata: Any) -> Client:
    document = {
        "client_id": client_id,
        "token_endpoint_auth_method": "none",
        "redirect_uris": ["http://127.0.0.1/cb"],
    }
    return Client.from_metadata({**document, **metadata}, place="test")


def claims(client_id: str, **change: Any) -> dict[str, Any]:
    """Good ones; a change to None leaves one out."""
    good = {
        "iss": client_id,
        "sub": client_id,
        "aud": ISSUER,
        "exp": AT + 60,
        "iat": AT,
        "jti": f"jti of {client_id}",
    }
    return {name: value for name, value in {**good, **change}.items() if value is not None}


def signed(client_id: str, alg: str = "ES256", *, header: Mapping[str, Any] = NOTHING, **change: Any) -> str:
    """An assertion, made by a library that is not ours."""
    key: Any = private_key(KINDS[alg])
    headers = {"kid": KINDS[alg], **header}
    return jwt.encode(claims(client_id, **change), key, algorithm=alg, headers=headers)


def raw(header: object, body: object, signature: bytes = b"x") -> str:
    """Any three parts, JSON or bytes."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, body)]
    return ".".join([*map(b64.encode_text, parts), b64.encode_text(signature)])


def form(**parameters: str) -> Form:
    return Form({name: (value,) for name, value in parameters.items() if value})


def with_assertion(assertion: str, **parameters: str) -> Form:
    return form(client_assertion=assertion, client_assertion_type=JWT_BEARER, **parameters)


def index(clients: Iterable[Client]) -> ClientIndex:
    return ClientIndex.build(Registration(own, "test") for own in clients)


@attrs.define
class World:
    """An authenticator over some clients."""

    clients: ClientIndex
    rules: AssertionRules = attrs.field(factory=lambda: AssertionRules.for_server(ISSUER, [TOKEN_ENDPOINT]))
    artifacts: Artifacts = attrs.field(factory=MemoryArtifacts)
    secrets: SecretChecker = attrs.field(factory=lambda: SecretChecker.make(in_place, os.urandom))

    @property
    def authenticator(self) -> Authenticator:
        return Authenticator(self.clients, self.rules, self.artifacts, self.secrets)

    def authenticate(
        self,
        form: Form,
        authorization: str | None = None,
        judgement: Settled | None = None,
        *,
        public: bool = False,
        now: Any = NOW,
    ) -> AuthenticatedClient:
        return finished(self.authenticator.authenticate(form, authorization, judgement, now, public=public))


def finished(found: T | Awaitable[T]) -> T:
    """What came of it; nothing here waits for anybody."""
    if not isinstance(found, Awaitable):
        return found
    results: list[Any] = []

    async def wait() -> T:
        return await found

    Deferred.fromCoroutine(wait()).addBoth(results.append)
    [result] = results
    if isinstance(result, Failure):
        result.raiseException()
    answer: T = result
    return answer
