"""What is kept of registrations beside the clients: tokens by their hashes, and changes that wait."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

import attrs

from mtlsd import reasons
from mtlsd.clients.client import Client
from mtlsd.errors import Refusal
from mtlsd.oauth.artifacts import Artifact, ContentTooLarge

REGISTRATION_TOKEN_LIVES: Final = timedelta(days=36_525)
"""A registration access token lives as long as its client: it has no end of its own (RFC 7592 section 5)."""
CHANGE_WAITS: Final = timedelta(days=30)


@attrs.frozen
class InitialToken:
    """An initial access token (RFC 7591 section 3), as the store has it.

    :ivar label: for the operator.
    :ivar once: whether it registers one client alone.
    """

    label: str
    once: bool
    issued_at: datetime

    def artifact(self, secret: str, expires_at: datetime) -> Artifact:
        content = {"label": self.label, "once": self.once, "issued_at": int(self.issued_at.timestamp())}
        return Artifact("initial_token", Artifact.key_of(secret), None, None, content, expires_at)

    @classmethod
    def from_artifact(cls, artifact: Artifact) -> Self:
        content = artifact.content
        issued_at = datetime.fromtimestamp(content["issued_at"], UTC)
        return cls(str(content["label"]), bool(content["once"]), issued_at)


def token_id(artifact: Artifact) -> str:
    """What an initial access token is called where the token itself must not stand."""
    return artifact.key.hex()[:12]


@attrs.frozen
class Management:
    """What a registration access token (RFC 7592 section 3) stands for.

    :ivar registered_at: when its client registered.
    """

    client_id: str
    registered_at: datetime

    def artifact(self, secret: str, now: datetime) -> Artifact:
        content = {"registered_at": int(self.registered_at.timestamp())}
        key, expires_at = Artifact.key_of(secret), now + REGISTRATION_TOKEN_LIVES
        return Artifact("registration_token", key, self.client_id, None, content, expires_at)

    @classmethod
    def from_artifact(cls, artifact: Artifact) -> Self:
        registered_at = datetime.fromtimestamp(artifact.content["registered_at"], UTC)
        return cls(str(artifact.client_id), registered_at)


@attrs.frozen
class Change:
    """A change of a client that waits for an operator.

    :ivar before: what was registered when it was asked for.
    """

    before: Client
    after: Client
    asked_at: datetime

    def artifact(self) -> Artifact:
        """:raises Refusal: where the metadata is too large to be kept."""
        content = {
            "before": self.before.to_metadata(),
            "after": self.after.to_metadata(),
            "asked_at": int(self.asked_at.timestamp()),
        }
        client_id, expires_at = self.before.client_id, self.asked_at + CHANGE_WAITS
        try:
            return Artifact(
                "registration_change", change_key(client_id), client_id, None, content, expires_at
            )
        except ContentTooLarge:
            raise Refusal(reasons.REGISTRATION_METADATA, {"detail": "it is too large"}) from None

    @classmethod
    def from_artifact(cls, artifact: Artifact) -> Self:
        """:raises ConfigError: where this mtlsd cannot read it."""
        content: Mapping[str, Any] = artifact.content
        before, after = (
            Client.from_metadata(content[name], place=f"change of {artifact.client_id}")
            for name in ("before", "after")
        )
        return cls(before, after, datetime.fromtimestamp(content["asked_at"], UTC))


def change_key(client_id: str) -> bytes:
    """One change a client waits; a later one takes its place."""
    return Artifact.key_of("registration_change", client_id)
