"""What mtlsd asks of a store, whatever stands behind it, and how a store fails.

Every method answers with a Deferred, and a write whose Deferred has fired is on the disk. Several processes
may use one store at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import attrs
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from mtlsd.clients.client import Client
from mtlsd.clients.sightings import Sighting
from mtlsd.oauth.artifacts import Artifact, Found, Kind


@attrs.frozen
class StoreError(Exception):
    """A store could not do what it was asked. Never holds a secret: it is shown to operators and logged.

    :ivar place: the store, such as the path of its file.
    :ivar message: what is wrong, in one sentence.
    :ivar remedy: what to do about it.
    """

    place: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}\n    {self.remedy}"


@attrs.frozen
class StoreUnavailable(StoreError):
    """The store cannot be used now; where it was a write that failed, nothing of it was kept."""


@attrs.frozen
class StoreTooNew(StoreError):
    """A newer mtlsd has written this store, and this one could damage it."""


@attrs.frozen
class Conflict(StoreError):
    """What was to be registered belongs to another client, or has changed in between.

    :ivar client_id: the client that has it already.
    """

    client_id: str


@attrs.frozen
class UnknownClient(StoreError):
    """The store has no client with this client_id.

    :ivar client_id: the one that was asked for.
    """

    client_id: str


class ClientStore(Interface):
    """Clients that were registered by a command or over HTTP.

    Every method may fail with :class:`StoreUnavailable`. Instants are aware datetimes.
    """

    def open() -> Deferred[None]:
        """Make the store ready, and bring its schema up to date. After a failure it may be tried again.

        Fails with :class:`StoreTooNew` for a store that a newer mtlsd has written.
        """

    def close() -> Deferred[None]:
        """Finish what was begun and let go of everything. Closing twice does nothing."""

    def add_client(client: Client, now: datetime) -> Deferred[None]:
        """Register a client.

        Fails with :class:`Conflict` where another client has the client_id, the subject under one of the
        anchor groups, or a pinned certificate; and where the client_id was removed before (RFC 7591
        section 3.2.1 wants it unique, and mtlsd never gives one twice).
        """

    def update_client(client: Client, now: datetime, seen: Client | None = None) -> Deferred[None]:
        """Replace what is registered under this client's client_id.

        :param seen: what the caller read before it made the change; where the store has something else by
            now, this fails with :class:`Conflict`, so that of two changes at once none is lost.

        Fails with :class:`UnknownClient`, and with :class:`Conflict` as `add_client` does.
        """

    def get_client(client_id: str) -> Deferred[Client | None]:
        """The client with this client_id, disabled or not; None where there is none.

        Fails with :class:`mtlsd.errors.ConfigError` where this mtlsd cannot read what is stored.
        """

    def list_clients() -> Deferred[tuple[Client, ...]]:
        """Every client, in the order of their client_ids, as they are at one moment.

        Fails with :class:`mtlsd.errors.ConfigError`, with all mistakes, where this mtlsd cannot read what is
        stored.
        """

    def set_disabled(client_id: str, disabled: bool, now: datetime) -> Deferred[None]:
        """Disable a client or enable it again. It keeps its client_id, subject and pins.

        Fails with :class:`UnknownClient`.
        """

    def remove_client(client_id: str, now: datetime) -> Deferred[None]:
        """Forget a client. Its subject and pins are free then, its client_id is never given again.

        Fails with :class:`UnknownClient`.
        """

    def generation() -> Deferred[int]:
        """A number that changes whenever anybody, in any process, changed a client: cheap to ask for.

        Ask for it before `list_clients`, not after: then a change in between is seen the next time.
        """

    def record_sightings(sightings: Sequence[Sighting]) -> Deferred[None]:
        """Remember which certificates clients came with, also for clients that the store does not have.

        What is known of a certificate stays: the first time is the earliest that was told, the last time the
        latest. Of each client the certificates seen last are kept, at most
        :data:`mtlsd.clients.sightings.MOST_SIGHTINGS`; of a removed one, none. Changes no generation.
        """

    def sightings(client_id: str) -> Deferred[tuple[Sighting, ...]]:
        """The certificates that the client came with; the one that was seen last comes first."""


class ArtifactStore(Interface):
    """Codes, tokens, sessions and what else outlives a request: :class:`mtlsd.oauth.artifacts.Artifacts`,
    which says what each method means, with Deferreds.

    Every method may fail with :class:`StoreUnavailable`.
    """

    def save(*artifacts: Artifact, now: datetime) -> Deferred[None]:
        """Keep all of them, or none."""

    def find(kind: Kind, key: bytes, now: datetime) -> Deferred[Found | None]:
        """The one with this key that has not expired and was not removed."""

    def consume(
        kind: Kind, key: bytes, now: datetime, then: tuple[Artifact, ...] = ()
    ) -> Deferred[Found | None]:
        """Use it up; `consumed_at` is None for one caller alone, whose `then` are saved with it."""

    def claim(kind: Kind, key: bytes, expires_at: datetime, now: datetime) -> Deferred[bool]:
        """True for the first only."""

    def of_kind(kind: Kind, now: datetime) -> Deferred[tuple[Found, ...]]:
        """All of a kind that `find` would find. For kinds of which there are few, or as many as clients."""

    def remove(kind: Kind, key: bytes) -> Deferred[None]:
        """Forget one, if there is one."""

    def remove_grant(grant_id: str, now: datetime) -> Deferred[None]:
        """Remove all of a grant, now and later."""

    def grant_removed(grant_id: str, now: datetime) -> Deferred[bool]:
        """Whether that happened."""

    def client_ids() -> Deferred[tuple[str, ...]]:
        """The clients of which there are codes or tokens, perhaps expired or removed ones."""

    def remove_client(client_id: str, now: datetime) -> Deferred[None]:
        """Remove all that a client has now."""

    def sweep(now: datetime, most: int) -> Deferred[int]:
        """Delete what expired or was removed, at most so many rows."""


class Store(ClientStore):
    """Everything that mtlsd remembers."""

    artifacts: ArtifactStore = Attribute("What clients were issued. It opens and closes with the store.")
