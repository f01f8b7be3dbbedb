"""The refresh_token grant (RFC 6749 section 6, RFC 8705 sections 4 and 7.1)."""

from __future__ import annotations

from datetime import datetime

import attrs

from mtlsd import reasons
from mtlsd.clients.grant_types import REFRESH_TOKEN
from mtlsd.errors import Refusal
from mtlsd.oauth.artifacts import Artifact, Artifacts, Found
from mtlsd.oauth.authentication import AuthenticatedClient
from mtlsd.oauth.forms import Form
from mtlsd.oauth.granted import Granted, StandingOf, everybody
from mtlsd.oauth.grants import check_may_use
from mtlsd.oauth.refresh_tokens import THUMBPRINT, RefreshTokens
from mtlsd.oauth.token_endpoint import TokenIssued
from mtlsd.oauth.tokens import AccessToken, AccessTokenIssuer


@attrs.frozen
class RefreshGrant:
    """Takes refresh tokens.

    A confidential client keeps its refresh token: it is worth nothing without the client's credentials, and
    one that changes can get lost (R81). A public client gets another one each time, and a used one that comes
    again removes everything of the grant.
    """

    artifacts: Artifacts
    access_tokens: AccessTokenIssuer
    refresh_tokens: RefreshTokens
    standing_of: StandingOf = everybody

    async def __call__(self, authenticated: AuthenticatedClient, form: Form, now: datetime) -> TokenIssued:
        """:raises Refusal: among others `refresh_token.used` and `refresh_token.certificate`."""
        client = authenticated.client
        check_may_use(client, REFRESH_TOKEN)
        value = form.get("refresh_token")
        if value is None:
            raise Refusal(reasons.REFRESH_TOKEN_ABSENT)
        found = await self.artifacts.find("refresh_token", Artifact.key_of(value), now)
        if found is None or found.artifact.client_id != client.client_id:
            raise Refusal(reasons.REFRESH_TOKEN_UNKNOWN)
        await self._check_unused(found, now)
        granted = Granted.from_artifact(found.artifact)
        if not granted.stands(self.standing_of):
            await self.artifacts.remove_grant(granted.grant_id, now)
            raise Refusal(reasons.REFRESH_TOKEN_USER)
        grant = granted.narrowed(client, form.all("resource"), form.get("scope"))
        token = self.access_tokens.issue(authenticated, grant, now, granted.claims())
        replaced = None
        if client.is_public:
            replaced = await self._rotate(found.artifact, token, now)
        else:
            await self._keep(found.artifact, token, now)
        return TokenIssued(client, grant, token, replaced, on_behalf_of=granted.sub)

    async def _rotate(self, artifact: Artifact, token: AccessToken, now: datetime) -> str:
        """:return: the refresh token to use from now on."""
        if token.x5t_s256 is None or token.x5t_s256 != artifact.content[THUMBPRINT]:
            raise Refusal(reasons.REFRESH_TOKEN_CERTIFICATE)
        replacement = self.refresh_tokens.replacement(artifact, now)
        then = (replacement.artifact,) if token.artifact is None else (replacement.artifact, token.artifact)
        found = await self.artifacts.consume("refresh_token", artifact.key, now, then)
        await self._check_unused(found, now)
        return replacement.value

    async def _keep(self, artifact: Artifact, token: AccessToken, now: datetime) -> None:
        kept = (self.refresh_tokens.used(artifact, now), token.artifact)
        save = tuple(own for own in kept if own is not None)
        if save:
            await self.artifacts.save(*save, now=now)

    async def _check_unused(self, found: Found | None, now: datetime) -> None:
        if found is None:
            raise Refusal(reasons.REFRESH_TOKEN_UNKNOWN)
        grant_id = found.artifact.grant_id
        if found.consumed_at is not None and grant_id is not None:
            await self.artifacts.remove_grant(grant_id, now)
            raise Refusal(reasons.REFRESH_TOKEN_USED)
