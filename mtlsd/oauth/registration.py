"""Clients that register themselves (RFC 7591), and manage their registrations (RFC 7592)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol

import attrs

from mtlsd import reasons
from mtlsd.clients.client import Client
from mtlsd.errors import Refusal
from mtlsd.judge import Identity
from mtlsd.oauth.artifacts import Artifact, Artifacts
from mtlsd.oauth.pace import Pace, place_of
from mtlsd.oauth.registration_artifacts import Change, InitialToken, Management
from mtlsd.oauth.registration_metadata import NOT_IN_AN_UPDATE, Proof, identity_of, read_client
from mtlsd.oauth.registration_policy import Mode, RegistrationPolicy

_EVERYBODY: Final = "everybody"


class ClientBook(Protocol):
    """Where clients that register are written down. What it has answered is durable, and is served.

    Each method raises the refusal `store.unavailable` where the store cannot do it now.
    """

    def count(self) -> int:
        """How many clients there are, those of files among them."""

    def check(self, client: Client) -> None:
        """:raises Refusal: `registration.taken` where another client has what this one is known by."""

    def get(self, client_id: str) -> Awaitable[Client | None]:
        """A client of the store."""

    def add(self, client: Client, now: datetime) -> Awaitable[None]:
        """:raises Refusal: as :meth:`check`."""

    def replace(self, client: Client, seen: Client, now: datetime) -> Awaitable[None]:
        """:raises Refusal: as :meth:`check`; `registration.token` where it is not as it was seen any more."""

    def remove(self, client_id: str, now: datetime) -> Awaitable[None]:
        """Remove it, with all that it was issued; none is right too."""


@attrs.frozen
class Caller:
    """Who asks, as far as the connection and the request prove it.

    :ivar address: where from.
    :ivar bearer: the token of the Authorization header (RFC 6750 section 2.1).
    :ivar proof: what its certificate proves, with all groups that vouch for it.
    :ivar identity: whose certificate it is, where it is a client's.
    """

    address: str
    bearer: str | None = attrs.field(default=None, repr=False)
    proof: Proof = attrs.field(factory=Proof)
    identity: Identity | None = None

    def is_known_as(self, client: Client) -> bool:
        """Whether the certificate of the connection is the one that the client is known by."""
        return (
            self.identity is not None
            and self.identity.clients.get(client.client_id) == client.token_endpoint_auth_method
        )


@attrs.frozen
class Registered:
    """A registration as its owner is told of it.

    :ivar token: the registration access token.
    """

    client: Client
    token: str = attrs.field(repr=False)
    registered_at: datetime
    mode: Mode | None = None
    changed: tuple[str, ...] = ()


@attrs.frozen
class Registrations:
    """The endpoints' work, without HTTP.

    :ivar new_secret: makes what nobody can guess: tokens, and the part of a client_id that is random.
    :ivar pace: how often anybody came; it outlives a reload.
    """

    policy: RegistrationPolicy
    book: ClientBook
    artifacts: Artifacts
    new_secret: Callable[[], str]
    random_id: Callable[[], str]
    pace: Pace = attrs.field(factory=Pace)

    def check_pace(self, caller: Caller, now: datetime) -> None:
        """Count one request that would change something.

        :raises Refusal: `registration.throttled`
        """
        wait = self.pace.wait_seconds(place_of(caller.address), self.policy.per_address_per_hour, now)
        if wait:
            raise Refusal(reasons.REGISTRATION_THROTTLED, {"retry_after_seconds": wait})

    async def register(self, metadata: Mapping[str, Any], caller: Caller, now: datetime) -> Registered:
        """RFC 7591 section 3

        :raises Refusal: where the caller may not, or the metadata cannot be registered. Nothing is kept then.
        """
        proof = self._allowed_proof(caller)
        mode, initial = await self._admitted(caller, proof, now)
        client = read_client(metadata, f"c_{self.random_id()}", self.policy, proof)
        trusted = self.policy.unproven_names and mode != "open"
        if not trusted and not proof.covers(client):
            raise Refusal(reasons.REGISTRATION_UNPROVEN, {"detail": _unproven(client)})
        if self.book.count() >= self.policy.most_clients:
            raise Refusal(reasons.REGISTRATION_FULL)
        self.book.check(client)
        await self._use(mode, initial, now)
        token, management = self.new_secret(), Management(client.client_id, now)
        own = management.artifact(token, now)
        await self.artifacts.save(own, now=now)  # first, or a crash would leave a client that nobody manages
        try:
            await self.book.add(client, now)
        except Exception:  # refused; or the caller has gone away, and will never know that it was registered
            await self.artifacts.remove(own.kind, own.key)
            await self.book.remove(client.client_id, now)
            raise
        return Registered(client, token, now, mode)

    async def read(self, client_id: str, caller: Caller, now: datetime) -> Registered:
        """RFC 7592 section 2.1

        :raises Refusal: `registration.token`, also where there is no such client.
        """
        management, client = await self._managed(client_id, caller, now)
        assert caller.bearer is not None
        return Registered(client, caller.bearer, management.registered_at)

    async def update(
        self, client_id: str, metadata: Mapping[str, Any], caller: Caller, now: datetime
    ) -> Registered:
        """RFC 7592 section 2.2: replace all that the client has a say in. The token is another one then.

        :raises Refusal: where it may not be so; `registration.approval` where an operator has to say so.
        """
        management, before = await self._managed(client_id, caller, now)
        _check_update(metadata, client_id)
        proof = self._allowed_proof(caller)
        client = read_client(metadata, client_id, self.policy, proof, before)
        is_known_by_other = identity_of(client) != identity_of(before)
        if is_known_by_other or _unbinds(before, client):
            proven = not is_known_by_other or self.policy.unproven_names or proof.covers(client)
            if not (proven and caller.is_known_as(before)):
                await self.artifacts.save(Change(before, client, now).artifact(), now=now)
                raise Refusal(reasons.REGISTRATION_APPROVAL)
        await self.book.replace(client, before, now)
        token = await self._rotated(management, caller, now)
        return Registered(client, token, management.registered_at, changed=_changed(before, client))

    async def delete(self, client_id: str, caller: Caller, now: datetime) -> None:
        """RFC 7592 section 2.3: the client is gone, and all that it was issued."""
        await self._managed(client_id, caller, now)
        await self.book.remove(client_id, now)

    def _allowed_proof(self, caller: Caller) -> Proof:
        """Of the groups that vouch for the caller those that may vouch for clients that register."""
        groups = tuple(name for name in caller.proof.groups if name in self.policy.trust_anchors)
        return attrs.evolve(caller.proof, groups=groups)

    async def _admitted(self, caller: Caller, proof: Proof, now: datetime) -> tuple[Mode, Artifact | None]:
        """By what the caller may register; an initial access token that is used up by that with it."""
        modes = self.policy.modes
        if caller.bearer is not None:
            found = await self.artifacts.find("initial_token", Artifact.key_of(caller.bearer), now)
            if "initial_access_token" not in modes or found is None or found.consumed_at is not None:
                raise Refusal(reasons.REGISTRATION_TOKEN)
            once = InitialToken.from_artifact(found.artifact).once
            return "initial_access_token", found.artifact if once else None
        if "certificate" in modes and proof.groups:
            return "certificate", None
        if "open" not in modes:
            raise Refusal(reasons.REGISTRATION_CREDENTIALS)
        return "open", None

    async def _use(self, mode: Mode, initial: Artifact | None, now: datetime) -> None:
        """Not before all else is right: what cannot be registered uses nothing up."""
        if mode == "open":
            wait = self.pace.wait_seconds(_EVERYBODY, self.policy.open_per_hour, now)
            if wait:
                raise Refusal(reasons.REGISTRATION_THROTTLED, {"retry_after_seconds": wait})
        if initial is not None:
            used = await self.artifacts.consume(initial.kind, initial.key, now)
            if used is None or used.consumed_at is not None:
                raise Refusal(reasons.REGISTRATION_TOKEN)

    async def _managed(self, client_id: str, caller: Caller, now: datetime) -> tuple[Management, Client]:
        """The client that the token is for. An unknown client and another one's token look alike."""
        if caller.bearer is None:
            raise Refusal(reasons.REGISTRATION_TOKEN)
        found = await self.artifacts.find("registration_token", Artifact.key_of(caller.bearer), now)
        if found is None or found.consumed_at is not None or found.artifact.client_id != client_id:
            raise Refusal(reasons.REGISTRATION_TOKEN)
        client = await self.book.get(client_id)
        if client is None or client.disabled:
            raise Refusal(reasons.REGISTRATION_TOKEN)
        return Management.from_artifact(found.artifact), client

    async def _rotated(self, management: Management, caller: Caller, now: datetime) -> str:
        """Another token in the place of this one; of several requests at once, one gets it."""
        assert caller.bearer is not None
        token, old = self.new_secret(), Artifact.key_of(caller.bearer)
        won = await self.artifacts.consume("registration_token", old, now, (management.artifact(token, now),))
        if won is None or won.consumed_at is not None:
            raise Refusal(reasons.REGISTRATION_TOKEN)
        await self.artifacts.remove("registration_token", old)
        return token


def _unbinds(before: Client, client: Client) -> bool:
    """Whether tokens would be worth something to whoever steals them: that is not a stranger's to choose."""
    bound = client.tls_client_certificate_bound_access_tokens
    return before.tls_client_certificate_bound_access_tokens and not bound


def _check_update(metadata: Mapping[str, Any], client_id: str) -> None:
    """What RFC 7592 section 2.2 demands of the request."""
    for name in NOT_IN_AN_UPDATE:
        if name in metadata:
            raise Refusal(reasons.REGISTRATION_METADATA, {"detail": f"{name}: must not be in an update"})
    if metadata.get("client_id") != client_id:
        raise Refusal(reasons.REGISTRATION_METADATA, {"detail": "client_id: is not that of the registration"})


def _unproven(client: Client) -> str:
    """Which member the connection does not prove."""
    return client.subject.member if client.subject is not None else "jwks"


def _changed(before: Client, after: Client) -> tuple[str, ...]:
    """The members in which they differ."""
    old, new = before.to_metadata(), after.to_metadata()
    return tuple(sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name)))
