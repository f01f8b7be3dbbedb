"""Refresh tokens: made, and kept alive as long as they are in use."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import attrs

from mtlsd.clients.client import Client
from mtlsd.oauth.artifacts import Artifact
from mtlsd.oauth.granted import Granted

THUMBPRINT: Final = "x5t#S256"
UNTIL: Final = "until"

_WORTH_A_WRITE = (
    16  # a token that is used often moves its end only now and then: by this part of the idle span
)


@attrs.frozen
class RefreshToken:
    """A refresh token as it was made.

    :ivar value: never to be logged.
    :ivar artifact: what has to be saved before anybody is told the token.
    """

    value: str = attrs.field(repr=False)
    artifact: Artifact


@attrs.frozen
class RefreshTokens:
    """Makes refresh tokens.

    :ivar lifetime: how long one lives, and everything that replaces it, if the client has no span of its own.
    :ivar idle: how long it lives unused (R74).
    :ivar random_secret: makes a string of 128 unguessable bits at least.
    """

    lifetime: timedelta
    idle: timedelta
    random_secret: Callable[[], str]

    def make(self, client: Client, granted: Granted, x5t_s256: str | None, now: datetime) -> RefreshToken:
        """The first one of a grant.

        A confidential client's is bound to the client, which may come with another certificate every day
        (R28); a public client's to the one certificate that it came with (R20).

        :param x5t_s256: the certificate that the access token beside it is bound to.
        """
        seconds = client.refresh_token_seconds
        until = now + (self.lifetime if seconds is None else timedelta(seconds=seconds))
        content = {
            **granted.to_content(),
            THUMBPRINT: x5t_s256 if client.is_public else None,
            UNTIL: int(until.timestamp()),
        }
        value = self.random_secret()
        expires_at = self._end(int(until.timestamp()), now)
        key = Artifact.key_of(value)
        return RefreshToken(
            value, Artifact("refresh_token", key, client.client_id, granted.grant_id, content, expires_at)
        )

    def replacement(self, artifact: Artifact, now: datetime) -> RefreshToken:
        """The one that takes the place of another. It ends when that one would have ended."""
        value = self.random_secret()
        return RefreshToken(
            value,
            attrs.evolve(
                artifact, key=Artifact.key_of(value), expires_at=self._end(artifact.content[UNTIL], now)
            ),
        )

    def used(self, artifact: Artifact, now: datetime) -> Artifact | None:
        """The same one with a later end, since it was used; None where that is not worth a write."""
        end = self._end(artifact.content[UNTIL], now)
        if end - artifact.expires_at < self.idle / _WORTH_A_WRITE:
            return None
        return attrs.evolve(artifact, expires_at=end)

    def _end(self, until: int, now: datetime) -> datetime:
        return min(now + self.idle, datetime.fromtimestamp(until, UTC))
