"""The authorization_code grant (RFC 6749 section 4.1.3): from a code to tokens, once."""

from __future__ import annotations

from datetime import datetime

import attrs

from mtlsd import reasons
from mtlsd.clients.grant_types import AUTHORIZATION_CODE, REFRESH_TOKEN
from mtlsd.errors import Refusal
from mtlsd.oauth.artifacts import Artifact, Artifacts, Found
from mtlsd.oauth.authentication import AuthenticatedClient
from mtlsd.oauth.forms import Form
from mtlsd.oauth.granted import Granted, StandingOf, everybody
from mtlsd.oauth.grants import check_may_use
from mtlsd.oauth.pkce import check_verifier
from mtlsd.oauth.refresh_tokens import RefreshTokens
from mtlsd.oauth.token_endpoint import TokenIssued
from mtlsd.oauth.tokens import AccessTokenIssuer


@attrs.frozen
class CodeGrant:
    """Exchanges codes for tokens.

    Everything is checked before the code is used up, so that whoever has seen a code takes it from nobody.
    That it is used up and what came of it is kept is one step.
    """

    artifacts: Artifacts
    access_tokens: AccessTokenIssuer
    refresh_tokens: RefreshTokens
    standing_of: StandingOf = everybody

    async def __call__(self, authenticated: AuthenticatedClient, form: Form, now: datetime) -> TokenIssued:
        """
        :raises Refusal: among others `code.used` where it was used before: then all that came of it is
            removed (R54).
        """
        client = authenticated.client
        check_may_use(client, AUTHORIZATION_CODE)
        code = form.get("code")
        if code is None:
            raise Refusal(reasons.CODE_ABSENT)
        key = Artifact.key_of(code)
        found = await self.artifacts.find("code", key, now)
        if found is None or found.artifact.client_id != client.client_id:
            raise Refusal(reasons.CODE_UNKNOWN)
        await self._check_unused(found, now)
        _check_request(found.artifact, form)
        granted = Granted.from_artifact(found.artifact)
        if not granted.stands(self.standing_of):
            await self.artifacts.remove_grant(granted.grant_id, now)
            raise Refusal(reasons.CODE_UNKNOWN, {"seen": "the user is gone, or has another password"})
        grant = granted.narrowed(client, form.all("resource"))
        token = self.access_tokens.issue(authenticated, grant, now, granted.claims())
        refresh = None
        if REFRESH_TOKEN in client.grant_types:
            refresh = self.refresh_tokens.make(client, granted, token.x5t_s256, now)
        kept = (token.artifact, None if refresh is None else refresh.artifact)
        then = tuple(artifact for artifact in kept if artifact is not None)
        await self._check_unused(await self.artifacts.consume("code", key, now, then), now)
        value = None if refresh is None else refresh.value
        return TokenIssued(client, grant, token, value, on_behalf_of=granted.sub)

    async def _check_unused(self, found: Found | None, now: datetime) -> None:
        if found is None:
            raise Refusal(reasons.CODE_UNKNOWN)
        grant_id = found.artifact.grant_id
        if found.consumed_at is not None and grant_id is not None:
            await self.artifacts.remove_grant(grant_id, now)
            raise Refusal(reasons.CODE_USED)


def _check_request(code: Artifact, form: Form) -> None:
    """The redirect URI (RFC 6749 section 4.1.3) and PKCE."""
    content, redirect_uri = code.content, form.get("redirect_uri")
    expected = content["redirect_uri"]
    if redirect_uri != expected and (redirect_uri is not None or content["redirect_uri_named"]):
        raise Refusal(
            reasons.CODE_REDIRECT_URI, {"expected": expected, "seen": redirect_uri and redirect_uri[:256]}
        )
    check_verifier(form.get("code_verifier"), content["code_challenge"])
