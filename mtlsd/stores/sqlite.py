"""The store in an SQLite file: what `store.url = "sqlite:mtlsd.db"` names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from twisted.internet.defer import Deferred
from zope.interface import implementer

from mtlsd.clients.client import Client
from mtlsd.clients.sightings import Sighting
from mtlsd.oauth.artifacts import Bounds
from mtlsd.stores import sqlite_clients as clients
from mtlsd.stores import sqlite_sightings
from mtlsd.stores.instants import to_microseconds
from mtlsd.stores.interfaces import Store
from mtlsd.stores.sqlite_artifacts import SQLiteArtifacts
from mtlsd.stores.sqlite_database import SQLiteDatabase
from mtlsd.stores.workers import Worker


@implementer(Store)
class SQLiteStore:
    """Everything that mtlsd remembers, in one SQLite file.

    :param database: not open yet; the store opens and closes it.
    :param bounds: how many artifacts are kept.
    :ivar artifacts: codes, tokens, sessions and what else clients were issued.
    """

    def __init__(self, database: SQLiteDatabase, bounds: Bounds | None = None) -> None:
        self._database = database
        self._place = database.place
        self.artifacts = SQLiteArtifacts(database, bounds or Bounds())

    def open(self) -> Deferred[None]:
        """As :class:`ClientStore`; makes the file where it is missing, with mode 0600, but no directory."""
        return self._database.open()

    def close(self) -> Deferred[None]:
        """As :class:`ClientStore`."""
        return self._database.close()

    def add_client(self, client: Client, now: datetime) -> Deferred[None]:
        """As :class:`ClientStore`."""
        at = to_microseconds(now)
        return self._database.write(lambda connection: clients.add(connection, self._place, client, at))

    def update_client(self, client: Client, now: datetime, seen: Client | None = None) -> Deferred[None]:
        """As :class:`ClientStore`."""
        at = to_microseconds(now)
        return self._database.write(
            lambda connection: clients.update(connection, self._place, client, at, seen)
        )

    def get_client(self, client_id: str) -> Deferred[Client | None]:
        """As :class:`ClientStore`."""
        return self._database.read(lambda connection: clients.get(connection, self._place, client_id))

    def list_clients(self) -> Deferred[tuple[Client, ...]]:
        """As :class:`ClientStore`."""
        return self._database.read(lambda connection: clients.list_all(connection, self._place))

    def set_disabled(self, client_id: str, disabled: bool, now: datetime) -> Deferred[None]:
        """As :class:`ClientStore`."""
        at = to_microseconds(now)
        return self._database.write(
            lambda connection: clients.set_disabled(connection, self._place, client_id, disabled, at)
        )

    def remove_client(self, client_id: str, now: datetime) -> Deferred[None]:
        """As :class:`ClientStore`."""
        at = to_microseconds(now)
        return self._database.write(lambda connection: clients.remove(connection, self._place, client_id, at))

    def generation(self) -> Deferred[int]:
        """As :class:`ClientStore`; counts the changes."""
        return self._database.read(clients.generation)

    def record_sightings(self, sightings: Sequence[Sighting]) -> Deferred[None]:
        """As :class:`ClientStore`."""
        return self._database.write(lambda connection: sqlite_sightings.record(connection, sightings))

    def sightings(self, client_id: str) -> Deferred[tuple[Sighting, ...]]:
        """As :class:`ClientStore`."""
        return self._database.read(lambda connection: sqlite_sightings.of_client(connection, client_id))


def open_store(path: Path, writer: Worker, reader: Worker | None = None) -> SQLiteStore:
    """The store at `path`; its `open` is still to be called.

    :param writer: a ThreadWorker for a daemon, an InlineWorker for a command.
    :param reader: another worker, so that no read waits for the disk; without it the writer reads too.
    """
    return SQLiteStore(SQLiteDatabase(path, writer, reader or writer))
