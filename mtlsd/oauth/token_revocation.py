"""The revocation endpoint (RFC 7009): a client ends a token of its own.

Whoever verifies a JWT by itself knows nothing of this. Who introspects it does.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import attrs

from mtlsd import reasons
from mtlsd.clients.client import Client
from mtlsd.errors import Fact, Refusal
from mtlsd.jose.jwt import AT_JWT
from mtlsd.oauth.artifacts import Artifact
from mtlsd.oauth.authentication import AuthenticatedClient
from mtlsd.oauth.forms import Form
from mtlsd.oauth.live import AccessTokens, FoundToken

Outcome = Literal["revoked", "unknown", "foreign"]
"""`unknown` is also what has ended already; `foreign` is another client's, and lives on."""


@attrs.frozen
class Revocation:
    """What became of a request. The client is told the same in each case.

    :ivar facts: for the audit log: the token is named by its jti or its grant, never told.
    """

    outcome: Outcome
    facts: dict[str, Fact] = attrs.field(factory=dict)


UNKNOWN = Revocation("unknown")


@attrs.frozen
class RevocationEndpoint:
    """Answers revocation requests by one snapshot of the clients."""

    tokens: AccessTokens

    async def answer(self, authenticated: AuthenticatedClient, form: Form, now: datetime) -> Revocation:
        """The hint is not needed: what a token is can be told from the token.

        :raises Refusal: with the OAuth error that the caller may see.
        """
        client, token = authenticated.client, form.get("token")
        if token is None:
            raise Refusal(reasons.TOKEN_ABSENT)
        found = await self.tokens.find(token, now)
        if found is not None:
            return await self._access_token(found, client, now)
        await self._check_type(token, now)
        return await self._refresh_token(token, client, now)

    async def _access_token(self, found: FoundToken, client: Client, now: datetime) -> Revocation:
        facts: dict[str, Fact] = {"kind": "access_token", "jti": found.jti, "issued_to": found.client_id}
        if found.client_id != client.client_id:
            return Revocation("foreign", facts)
        if found.expires_at <= now.timestamp():
            return UNKNOWN
        if found.opaque_key is not None:
            await self.tokens.artifacts.remove("access_token", found.opaque_key)
        else:
            await self.tokens.artifacts.save(_mark(found), now=now)
        return Revocation("revoked", facts)

    async def _refresh_token(self, token: str, client: Client, now: datetime) -> Revocation:
        """The grant goes, and with it the access tokens that came from it (RFC 7009 section 2.1, R57)."""
        artifacts, key = self.tokens.artifacts, Artifact.key_of(token)
        found = await artifacts.find("refresh_token", key, now)
        if found is None:
            return UNKNOWN
        owner, grant_id = found.artifact.client_id, found.artifact.grant_id
        facts: dict[str, Fact] = {"kind": "refresh_token", "grant_id": grant_id, "issued_to": owner}
        if owner != client.client_id:
            return Revocation("foreign", facts)
        if grant_id is not None:
            await artifacts.remove_grant(grant_id, now)
        await artifacts.remove("refresh_token", key)
        return Revocation("revoked", facts)

    async def _check_type(self, token: str, now: datetime) -> None:
        """Refuse what is ours and can be revoked in another way, or not at all (RFC 7009 section 2.2.1)."""
        read = self.tokens.own.read(token)
        if read is not None and read.typ != AT_JWT:
            raise Refusal(reasons.TOKEN_TYPE_UNSUPPORTED, {"seen": read.typ})
        key = Artifact.key_of(token)
        if await self.tokens.artifacts.find("registration_token", key, now) is not None:
            raise Refusal(reasons.TOKEN_TYPE_UNSUPPORTED, {"seen": "registration access token"})


def _mark(found: FoundToken) -> Artifact:
    """What says that a JWT was revoked, until it would have ended.

    It belongs to no client: a client that is disabled and enabled again must not bring the token to life.
    """
    expires_at = datetime.fromtimestamp(found.expires_at, UTC)
    return Artifact("revoked", found.revoked_key, None, None, {}, expires_at)
