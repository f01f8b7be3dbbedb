"""A user's sessions at the authorization endpoint: begun by a login, ended by logging out or by time.

The browser holds a secret; the store knows its hash alone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

import attrs

from mtlsd.oauth.artifacts import Artifact, Artifacts
from mtlsd.oauth.authorization import UserAuthenticated

_TOUCHED_PER_IDLE: Final = 10
"""A session in use is written this often in one idle life at most, not at every request."""


@attrs.frozen
class Session:
    """A user who has logged in, in one browser.

    :ivar user: who, since when, and what the session stands on.
    :ivar login_for: the digest of the request that the user has logged in for.
    :ivar ends_at: however much the session is used.
    """

    user: UserAuthenticated
    login_for: str
    ends_at: datetime

    @classmethod
    def from_content(cls, content: Any) -> Self:
        return cls(
            UserAuthenticated(content["sub"], _instant(content["auth_time"]), content["standing"]),
            content["login_for"],
            _instant(content["ends_at"]),
        )

    def to_content(self) -> dict[str, Any]:
        return {
            "sub": self.user.sub,
            "auth_time": self.user.auth_time.timestamp(),
            "standing": self.user.standing,
            "login_for": self.login_for,
            "ends_at": self.ends_at.timestamp(),
        }


@attrs.frozen
class Sessions:
    """Begins, finds and ends sessions.

    :ivar absolute: how long a session lasts, however much it is used.
    :ivar idle: how long it lasts without being used.
    :ivar random_secret: 128 unguessable bits at least.
    :ivar standing_of: what a user's sessions stand on at this moment; None for nobody any more.
    """

    artifacts: Artifacts
    absolute: timedelta
    idle: timedelta
    random_secret: Callable[[], str]
    standing_of: Callable[[str], str | None]

    async def begin(self, sub: str, login_for: str, now: datetime) -> str | None:
        """A new session, never one that was there before (session fixation).

        :return: the secret for the browser; None where the user is gone by now.
        """
        standing = self.standing_of(sub)
        if standing is None:
            return None
        secret = self.random_secret()
        session = Session(UserAuthenticated(sub, now, standing), login_for, now + self.absolute)
        await self._save(secret, session, now)
        return secret

    async def find(self, secret: str | None, now: datetime) -> Session | None:
        """The session with this secret, as long as it lasts; its idle life begins anew."""
        if secret is None:
            return None
        found = await self.artifacts.find("session", Artifact.key_of(secret), now)
        if found is None or found.consumed_at is not None:
            return None
        session = Session.from_content(found.artifact.content)
        if self.standing_of(session.user.sub) != session.user.standing:
            await self.end(secret, now)
            return None
        if self._until(session, now) - found.artifact.expires_at > self.idle / _TOUCHED_PER_IDLE:
            await self._save(secret, session, now)
        return session

    async def end(self, secret: str | None, now: datetime) -> None:
        """Log out; no session is right too.

        It is consumed and not removed: a request under way that keeps the session alive brings nothing back.
        """
        if secret is not None:
            await self.artifacts.consume("session", Artifact.key_of(secret), now)

    async def _save(self, secret: str, session: Session, now: datetime) -> None:
        until = self._until(session, now)
        key = Artifact.key_of(secret)
        await self.artifacts.save(Artifact("session", key, None, None, session.to_content(), until), now=now)

    def _until(self, session: Session, now: datetime) -> datetime:
        return min(session.ends_at, now + self.idle)


def _instant(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
