"""Checking a user's password: throttled, through any checker of `twisted.cred`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import attrs
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword, UsernamePassword
from twisted.cred.error import LoginFailed
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.logger import Logger

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.users.guesses import Guesses
from mtlsd.users.names import LONGEST_NAME, LONGEST_PASSWORD, prepared_password

MOST_AT_ONCE = 32
"""How many logins may be under way; a checker may take its time."""


@attrs.define(eq=False)
class Login:
    """The one way in for users.

    :ivar checker: says whose name and password these are.
    :ivar seconds: of a clock that nobody sets.
    """

    _log = Logger()

    checker: ICredentialsChecker
    guesses: Guesses = attrs.field(repr=False)
    seconds: Callable[[], float]
    most_at_once: int = MOST_AT_ONCE
    _under_way: int = attrs.field(default=0, init=False)

    async def authenticate(self, name: str, password: str, address: str) -> str:
        """The user's identifier, which becomes `sub`.

        :param address: where the guess comes from.
        :raises Refusal: `user.credentials`, `user.throttled` with the fact `retry_after_seconds`, or
            `user.unavailable`. None of them depends on whether there is such a user.
        """
        self._admit(name, address)
        self._under_way += 1
        try:
            avatar_id = await self._checked(name, prepared_password(password))
        finally:
            self._under_way -= 1
        user = _identifier(avatar_id)
        if user is None:
            raise Refusal(reasons.USER_CREDENTIALS)
        self.guesses.right(name, address)
        return user

    def standing_of(self, user: str) -> str | None:
        """What the user's sessions stand on: they end when it changes, and with None.

        Checkers that know nothing of it, as most do, let sessions run to their end.
        """
        standing_of = getattr(self.checker, "standing_of", None)
        if standing_of is None:
            return ""
        found: str | None = standing_of(user)
        return found

    def _admit(self, name: str, address: str) -> None:
        """Every guess counts, a malformed one too."""
        now = self.seconds()
        wait = self.guesses.wait_seconds(name[:LONGEST_NAME], address, now)
        if wait > 0:
            raise Refusal(reasons.USER_THROTTLED, {"retry_after_seconds": math.ceil(wait)})
        if self._under_way >= self.most_at_once:
            raise Refusal(reasons.USER_UNAVAILABLE, {"detail": f"{self._under_way} logins are under way"})
        self.guesses.began(name[:LONGEST_NAME], address, now)

    async def _checked(self, name: str, password: str) -> object:
        if len(name) > LONGEST_NAME or len(password) > LONGEST_PASSWORD or "\x00" in name + password:
            raise Refusal(reasons.USER_CREDENTIALS)
        credentials = UsernamePassword(name.encode("utf-8", "replace"), password.encode("utf-8", "replace"))
        asking: Deferred[Any] = maybeDeferred(self.checker.requestAvatarId, credentials)
        try:
            return await asking
        except (LoginFailed, NotImplementedError):  # UnhandledCredentials is none of ours to tell
            raise Refusal(reasons.USER_CREDENTIALS) from None
        except (Refusal, CancelledError):
            raise
        except Exception:
            self._log.failure("users.checker_failed")
            raise Refusal(reasons.USER_UNAVAILABLE, {"detail": "the checker failed"}) from None


def takes_passwords(checker: Any) -> bool:
    """Whether a checker takes what a login page asks for."""
    return ICredentialsChecker.providedBy(checker) and any(
        IUsernamePassword.isOrExtends(one) or one.isOrExtends(IUsernamePassword)
        for one in checker.credentialInterfaces
    )


def _identifier(avatar_id: object) -> str | None:
    """An avatar id as `sub`; None for the anonymous one, and for what cannot be told in a token."""
    if isinstance(avatar_id, bytes):
        avatar_id = avatar_id.decode("utf-8", "replace")
    if not isinstance(avatar_id, str) or not 0 < len(avatar_id) <= 255 or not avatar_id.isprintable():
        return None
    return avatar_id
