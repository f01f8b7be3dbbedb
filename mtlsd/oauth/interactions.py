"""Requests that wait for a user's answer.

A request whose parameters are in the URL waits there: nothing is kept, so strangers fill no store with them.
A pushed one is used up by the first look (RFC 9126 section 4), and is kept until the user has answered.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import attrs

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.oauth.artifacts import Artifact, Artifacts
from mtlsd.oauth.authorization_request import AuthorizationRequest
from mtlsd.oauth.seals import LIFETIME


@attrs.frozen
class Interactions:
    """Keeps pushed requests for the browser that began with them, and sees that each is answered once."""

    artifacts: Artifacts
    random_secret: Callable[[], str]

    async def keep(self, request: AuthorizationRequest, browser: str, now: datetime) -> str:
        """Keep a request until it is answered.

        :param browser: the secret that only this browser has.
        :return: what the request is found by.
        """
        secret = self.random_secret()
        content = {"request": request.to_content(), "browser": Artifact.key_of(browser).hex()}
        key = Artifact.key_of(secret)
        kept = Artifact("interaction", key, request.client_id, None, content, now + LIFETIME)
        await self.artifacts.save(kept, now=now)
        return secret

    async def find(self, secret: str, browser: str | None, now: datetime) -> AuthorizationRequest:
        """
        :raises Refusal: `interaction.expired`, `interaction.replayed`, or `interaction.cookie` in another
            browser.
        """
        found = await self.artifacts.find("interaction", Artifact.key_of(secret), now)
        if found is None or "request" not in found.artifact.content:
            raise Refusal(reasons.INTERACTION_EXPIRED)
        content = found.artifact.content
        if browser is None or Artifact.key_of(browser).hex() != content["browser"]:
            raise Refusal(reasons.INTERACTION_COOKIE)
        if found.consumed_at is not None:
            raise Refusal(reasons.INTERACTION_REPLAYED)
        return AuthorizationRequest.from_content(content["request"])

    async def answer(self, secret: str | None, nonce: str, now: datetime) -> None:
        """Use up a request.

        :param secret: that of a request that is kept; None for one that waits in the URL.
        :param nonce: of the page's seal.
        :raises Refusal: `interaction.replayed` for everybody but the first.
        """
        if secret is None:
            first = await self.artifacts.claim(
                "interaction", Artifact.key_of("answered", nonce), now + LIFETIME, now
            )
        else:
            found = await self.artifacts.consume("interaction", Artifact.key_of(secret), now)
            first = found is not None and found.consumed_at is None
        if not first:
            raise Refusal(reasons.INTERACTION_REPLAYED)
