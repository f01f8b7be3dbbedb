"""What outlives a request and is no client: codes, tokens, sessions, what may be used once or for a while.

A store keeps these behind :class:`Artifacts`. Coroutines here await its operations and know nothing of what
stands behind them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal, Protocol, get_args

import attrs

Kind = Literal[
    "code",
    "refresh_token",
    "access_token",
    "request_uri",
    "replay",
    "session",
    "interaction",
    "registration_token",
    "initial_token",
    "registration_change",
    "revoked",
    "certificate",
]
KINDS: tuple[Kind, ...] = get_args(Kind)

MOST_CONTENT = 32_768
"""How many bytes the JSON of one artifact's content may have."""

GRANT_STAYS_REMOVED = timedelta(days=2)
"""A removed grant is remembered for so long at least: longer than any JWT of it lives."""


class ContentTooLarge(ValueError):
    """The content has more than :data:`MOST_CONTENT` bytes. What a client sent is the client's mistake."""


def _sha256(instance: object, attribute: attrs.Attribute[bytes], value: bytes) -> None:
    if len(value) != hashlib.sha256().digest_size:
        raise ValueError("the key of an artifact is a SHA-256: make it with Artifact.key_of")


def _aware(instance: object, attribute: attrs.Attribute[datetime], value: datetime) -> None:
    if value.tzinfo is None:
        raise ValueError("expires_at has no time zone")


@attrs.frozen
class Artifact:
    """Something that was issued, and what it stands for.

    :ivar key: what it is found by, from :meth:`key_of`; never the secret itself.
    :ivar client_id: whose it is: with the client it goes. None where it belongs to none.
    :ivar grant_id: ties together all that came from one authorization: with the grant it goes.
    :ivar content: JSON. What comes back from a store has lists where tuples went in. Holds no secret.
    :ivar expires_at: aware; from this instant on it is not there any more.
    :ivar encoded: the content as text.
    :raises ContentTooLarge: for more than :data:`MOST_CONTENT`.
    :raises ValueError: where the content is not JSON, or a member is not what is said above.
    """

    kind: Kind = attrs.field(validator=attrs.validators.in_(KINDS))
    key: bytes = attrs.field(validator=_sha256)
    client_id: str | None
    grant_id: str | None
    content: Mapping[str, Any] = attrs.field(repr=False, eq=False)
    expires_at: datetime = attrs.field(validator=_aware)
    encoded: str = attrs.field(init=False, repr=False)

    @encoded.default
    def _encode(self) -> str:
        try:
            encoded = json.dumps(dict(self.content), separators=(",", ":"), sort_keys=True, allow_nan=False)
        except (TypeError, RecursionError) as error:
            raise ValueError(f"the content is not JSON: {error}") from error
        if len(encoded) > MOST_CONTENT:
            raise ContentTooLarge(f"the content has {len(encoded)} bytes, more than {MOST_CONTENT}")
        return encoded

    @staticmethod
    def key_of(secret: str, *more: str) -> bytes:
        """The key of what `secret` is, a token or a code; or of several strings together.

        A jti is unique for one client only: its key is `key_of(client_id, jti)`. Takes any string.
        """
        digest = hashlib.sha256(_octets(secret))
        if more:  # with their lengths, or ("ab", "c") would have the key of ("a", "bc")
            digest = hashlib.sha256()
            for octets in map(_octets, (secret, *more)):
                digest.update(len(octets).to_bytes(8, "big") + octets)
        return digest.digest()


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@attrs.frozen
class Found:
    """An artifact as it stands in the store.

    :ivar consumed_at: when it was consumed, by another caller; None where it was not, and for the one
        caller whose `consume` did it.
    """

    artifact: Artifact
    consumed_at: datetime | None


@attrs.frozen
class Bounds:
    """How many artifacts others can make a store keep. Where there are more, the oldest go.

    Other kinds have their bounds elsewhere: they take a user's consent or an operator, or end soon.

    :ivar a_client: how many of a kind there are for each client, consumed ones included.
    :ivar a_grant: how many of a kind there are for each grant. A refresh token that rotates leaves consumed
        ones behind; of these, the oldest are worth nothing to anybody.
    :ivar altogether: how many of a kind there are at all. Without one, something is not known any more.
    """

    a_client: Mapping[Kind, int] = MappingProxyType({"code": 10_000, "request_uri": 5_000})
    a_grant: Mapping[Kind, int] = MappingProxyType({"refresh_token": 100})
    altogether: Mapping[Kind, int] = MappingProxyType({"certificate": 20_000})

    def of(self, artifact: Artifact) -> tuple[str, int] | None:
        """:return: what counts together with this artifact, and how many; None where nothing bounds it."""
        most = self.altogether.get(artifact.kind)
        if most is not None:
            return artifact.kind, most
        most = self.a_client.get(artifact.kind)
        if most is not None and artifact.client_id is not None:
            return f"{artifact.kind} client {artifact.client_id}", most
        most = self.a_grant.get(artifact.kind)
        if most is not None and artifact.grant_id is not None:
            return f"{artifact.kind} grant {artifact.grant_id}", most
        return None


class Artifacts(Protocol):
    """Keeps artifacts, for several processes at once.

    What was answered is durable. `now` is an aware instant: what expires at or before it is not there.
    A store that cannot do it now raises an exception of its own, and then nothing was changed.
    """

    def save(self, *artifacts: Artifact, now: datetime) -> Awaitable[None]:
        """Keep all of them, or none where it fails.

        One that is there already under its kind and key is replaced, unless it is consumed: that it stays.
        What belongs to a removed grant, or to a client that the store knows as disabled or removed, is not
        kept, silently: as if it had been removed a moment later.
        """

    def find(self, kind: Kind, key: bytes, now: datetime) -> Awaitable[Found | None]:
        """None where there is none: never was, expired, or gone with its grant or its client."""

    def consume(
        self, kind: Kind, key: bytes, now: datetime, then: tuple[Artifact, ...] = ()
    ) -> Awaitable[Found | None]:
        """Use up what may be used once. Of all callers, in all processes, one gets `consumed_at` None.

        :param then: saved in the same transaction as `save` does, for the one caller that wins alone.
        :return: as `find`. Everybody after the first learns when it was consumed.
        """

    def claim(self, kind: Kind, key: bytes, expires_at: datetime, now: datetime) -> Awaitable[bool]:
        """True for the first who comes with this key until `expires_at`, False for everybody after."""

    def remove(self, kind: Kind, key: bytes) -> Awaitable[None]:
        """Forget one artifact; none is right too."""

    def remove_grant(self, grant_id: str, now: datetime) -> Awaitable[None]:
        """Remove all that came from one authorization, and what a request still under way would add to it.

        It stays so until every artifact of it would have expired, and for :data:`GRANT_STAYS_REMOVED`.
        """

    def grant_removed(self, grant_id: str, now: datetime) -> Awaitable[bool]:
        """Whether the grant was removed: for tokens that name their grant and are not in the store."""

    def remove_client(self, client_id: str, now: datetime) -> Awaitable[None]:
        """Remove all that the client has now. What is saved later is kept.

        Clients that are in the store need no call of this: their artifacts go with them when they are
        disabled or removed.
        """

    def sweep(self, now: datetime, most: int) -> Awaitable[int]:
        """Let go of the room that expired and removed ones take, at most so many of them.

        :return: how many it were; fewer than `most` when there are no more.
        """
