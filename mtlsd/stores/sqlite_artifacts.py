"""Artifacts in an SQLite file."""

from __future__ import annotations

from datetime import datetime

from twisted.internet.defer import Deferred
from zope.interface import implementer

from mtlsd.oauth.artifacts import GRANT_STAYS_REMOVED, Artifact, Bounds, Found, Kind
from mtlsd.stores import artifact_rows as rows
from mtlsd.stores import artifact_sweep
from mtlsd.stores.artifact_rows import Row
from mtlsd.stores.instants import to_microseconds
from mtlsd.stores.interfaces import ArtifactStore
from mtlsd.stores.sqlite_database import SQLiteDatabase


@implementer(ArtifactStore)
class SQLiteArtifacts:
    """Its methods do what :class:`mtlsd.oauth.artifacts.Artifacts` says.

    :param database: opened and closed by the store that this belongs to.
    """

    def __init__(self, database: SQLiteDatabase, bounds: Bounds) -> None:
        self._database = database
        self._bounds = bounds

    def save(self, *artifacts: Artifact, now: datetime) -> Deferred[None]:
        """As :class:`ArtifactStore`."""
        at, saved = to_microseconds(now), self._rows(artifacts)
        return self._database.write(lambda connection: rows.save(connection, saved, at))

    def find(self, kind: Kind, key: bytes, now: datetime) -> Deferred[Found | None]:
        """As :class:`ArtifactStore`."""
        at = to_microseconds(now)
        return self._database.read(lambda connection: rows.find(connection, kind, key, at))

    def consume(
        self, kind: Kind, key: bytes, now: datetime, then: tuple[Artifact, ...] = ()
    ) -> Deferred[Found | None]:
        """As :class:`ArtifactStore`."""
        at, saved = to_microseconds(now), self._rows(then)
        return self._database.write(lambda connection: rows.consume(connection, kind, key, at, saved))

    def claim(self, kind: Kind, key: bytes, expires_at: datetime, now: datetime) -> Deferred[bool]:
        """As :class:`ArtifactStore`."""
        at, row = to_microseconds(now), self._row(Artifact(kind, key, None, None, {}, expires_at))
        return self._database.write(lambda connection: rows.claim(connection, row, at))

    def of_kind(self, kind: Kind, now: datetime) -> Deferred[tuple[Found, ...]]:
        """As :class:`ArtifactStore`."""
        at = to_microseconds(now)
        return self._database.read(lambda connection: rows.of_kind(connection, kind, at))

    def remove(self, kind: Kind, key: bytes) -> Deferred[None]:
        """As :class:`ArtifactStore`."""
        return self._database.write(lambda connection: rows.remove(connection, kind, key))

    def remove_grant(self, grant_id: str, now: datetime) -> Deferred[None]:
        """As :class:`ArtifactStore`."""
        until = to_microseconds(now + GRANT_STAYS_REMOVED)
        return self._database.write(lambda connection: rows.remove_grant(connection, grant_id, until))

    def grant_removed(self, grant_id: str, now: datetime) -> Deferred[bool]:
        """As :class:`ArtifactStore`."""
        at = to_microseconds(now)
        return self._database.read(lambda connection: rows.grant_removed(connection, grant_id, at))

    def client_ids(self) -> Deferred[tuple[str, ...]]:
        """As :class:`ArtifactStore`."""
        return self._database.read(rows.client_ids)

    def remove_client(self, client_id: str, now: datetime) -> Deferred[None]:
        """As :class:`ArtifactStore`."""
        return self._database.write(lambda connection: rows.remove_client(connection, client_id))

    def sweep(self, now: datetime, most: int) -> Deferred[int]:
        """As :class:`ArtifactStore`."""
        at = to_microseconds(now)
        return self._database.write(lambda connection: artifact_sweep.sweep(connection, at, most))

    def _rows(self, artifacts: tuple[Artifact, ...]) -> list[Row]:
        return [self._row(artifact) for artifact in artifacts]

    def _row(self, artifact: Artifact) -> Row:
        return Row(artifact, to_microseconds(artifact.expires_at), self._bounds.of(artifact))
