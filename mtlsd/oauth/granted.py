"""What a user has granted to a client: what codes and refresh tokens stand for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import attrs

from mtlsd import reasons
from mtlsd.clients.client import Client
from mtlsd.errors import Refusal
from mtlsd.oauth.artifacts import Artifact
from mtlsd.oauth.grants import Grant
from mtlsd.oauth.tokens import GRANT_ID

StandingOf = Callable[[str], str | None]
"""What a user stands on at this moment; "" where nobody can tell, None for who is no user any more."""


def everybody(sub: str) -> str | None:
    """Where nobody knows who the users are."""
    return ""


@attrs.frozen
class Granted:
    """What a user has granted. Nothing that comes of it is ever wider.

    :ivar grant_id: names the authorization; what comes of it goes with it.
    :ivar auth_time: when the user logged in, in seconds since 1970.
    :ivar resources: the resource indicators (RFC 8707); empty for the server's default audience alone.
    :ivar standing: what the user stood on at the login, a password say; "" where nobody could tell.
    """

    grant_id: str
    sub: str
    auth_time: int
    scope: tuple[str, ...]
    resources: tuple[str, ...]
    standing: str = ""

    @classmethod
    def from_artifact(cls, artifact: Artifact) -> Self:
        """From a code or a refresh token."""
        content = artifact.content
        return cls(
            grant_id=artifact.grant_id or "",
            sub=content["sub"],
            auth_time=content["auth_time"],
            scope=tuple(content["scope"]),
            resources=tuple(content["resources"]),
            standing=content.get("standing", ""),
        )

    def stands(self, standing_of: StandingOf) -> bool:
        """Whether the user is still the one who has granted it: there, and with the same password. A checker
        that cannot tell ends nothing.
        """
        now = standing_of(self.sub)
        return now is not None and (not now or not self.standing or now == self.standing)

    def to_content(self) -> dict[str, Any]:
        """As :meth:`from_artifact` reads it; the artifact itself has the grant_id."""
        return attrs.asdict(self, filter=lambda attribute, _: attribute.name != "grant_id")

    def claims(self) -> dict[str, Any]:
        """The claims of an access token that tell of the user (RFC 9068 section 2.2)."""
        return {"sub": self.sub, "auth_time": self.auth_time, GRANT_ID: self.grant_id}

    def narrowed(self, client: Client, resources: tuple[str, ...], scope: str | None = None) -> Grant:
        """What a token request gets of it: what was granted and the client may still have (R55).

        :param resources: those that the request names; all where it names none (RFC 8707 section 2.2).
        :param scope: as the request has it; all where it has none.
        :raises Refusal: `scope.invalid` or `resource.invalid`.
        """
        return Grant(self._scope(client, scope), self._resources(client, resources))

    def _scope(self, client: Client, asked: str | None) -> tuple[str, ...]:
        today = tuple(token for token in self.scope if token in client.scope)
        if asked is None:
            return today
        tokens = frozenset(asked.split(" "))
        if not tokens <= frozenset(today):
            raise Refusal(reasons.SCOPE_INVALID, {"expected": today, "seen": asked[:256]})
        return tuple(token for token in today if token in tokens)

    def _resources(self, client: Client, asked: tuple[str, ...]) -> tuple[str, ...]:
        today = tuple(resource for resource in self.resources if resource in client.resources)
        wanted = tuple(dict.fromkeys(asked)) or self.resources
        for resource in wanted:
            if resource not in today:
                raise Refusal(reasons.RESOURCE_INVALID, {"expected": today, "seen": resource[:256]})
        return wanted
