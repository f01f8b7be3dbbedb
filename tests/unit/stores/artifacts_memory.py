"""Artifacts without a disk, for tests of whoever uses them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import attrs
from twisted.internet.defer import Deferred, execute
from zope.interface import implementer

from mtlsd.oauth.artifacts import GRANT_STAYS_REMOVED, Artifact, Bounds, Found, Kind
from mtlsd.stores.interfaces import ArtifactStore

T = TypeVar("T")


@implementer(ArtifactStore)
@attrs.define(eq=False)
class MemoryArtifacts:
    """Every Deferred has fired when it is returned.

    :ivar rows: by kind and key, the oldest first.
    :ivar grants: until when each removed grant is remembered.
    :ivar refused_clients: those that are disabled or removed.
    """

    bounds: Bounds = attrs.field(factory=Bounds)
    rows: dict[tuple[Kind, bytes], Found] = attrs.field(factory=dict)
    grants: dict[str, datetime] = attrs.field(factory=dict)
    refused_clients: set[str] = attrs.field(factory=set)

    def save(self, *artifacts: Artifact, now: datetime) -> Deferred[None]:
        return self._do(lambda: self._save(artifacts, now))

    def find(self, kind: Kind, key: bytes, now: datetime) -> Deferred[Found | None]:
        return self._do(lambda: self._find(kind, key, now))

    def consume(
        self, kind: Kind, key: bytes, now: datetime, then: tuple[Artifact, ...] = ()
    ) -> Deferred[Found | None]:
        def consume() -> Found | None:
            found = self._find(kind, key, now)
            if found is not None and found.consumed_at is None:
                self.rows[kind, key] = attrs.evolve(found, consumed_at=now)
                self._save(then, now)
            return found

        return self._do(consume)

    def claim(self, kind: Kind, key: bytes, expires_at: datetime, now: datetime) -> Deferred[bool]:
        def claim() -> bool:
            if self._find(kind, key, now) is not None:
                return False
            self.rows[kind, key] = Found(Artifact(kind, key, None, None, {}, expires_at), None)
            return True

        return self._do(claim)

    def of_kind(self, kind: Kind, now: datetime) -> Deferred[tuple[Found, ...]]:
        def of_kind() -> tuple[Found, ...]:
            found = (self._find(*place, now) for place in sorted(self.rows) if place[0] == kind)
            return tuple(own for own in found if own is not None)

        return self._do(of_kind)

    def remove(self, kind: Kind, key: bytes) -> Deferred[None]:
        return self._do(lambda: self._drop(kind, key))

    def remove_grant(self, grant_id: str, now: datetime) -> Deferred[None]:
        def remove_grant() -> None:
            gone = [own.artifact for own in self.rows.values() if own.artifact.grant_id == grant_id]
            ends = [artifact.expires_at for artifact in gone]
            self.grants[grant_id] = max(now + GRANT_STAYS_REMOVED, self.grants.get(grant_id, now), *ends)
            for artifact in gone:
                self._drop(artifact.kind, artifact.key)

        return self._do(remove_grant)

    def grant_removed(self, grant_id: str, now: datetime) -> Deferred[bool]:
        return self._do(lambda: self._grant_removed(grant_id, now))

    def client_ids(self) -> Deferred[tuple[str, ...]]:
        def client_ids() -> tuple[str, ...]:
            kinds = ("code", "refresh_token", "access_token")
            found = {own.artifact.client_id for (kind, _), own in self.rows.items() if kind in kinds}
            return tuple(sorted(own for own in found if own is not None))

        return self._do(client_ids)

    def remove_client(self, client_id: str, now: datetime) -> Deferred[None]:
        def remove_client() -> None:
            for kind, key in list(self.rows):
                if self.rows[kind, key].artifact.client_id == client_id:
                    self._drop(kind, key)

        return self._do(remove_client)

    def sweep(self, now: datetime, most: int) -> Deferred[int]:
        def sweep() -> int:
            gone = [place for place, own in self.rows.items() if own.artifact.expires_at <= now][:most]
            for place in gone:
                self._drop(*place)
            return len(gone)

        return self._do(sweep)

    def _do(self, work: Callable[[], T]) -> Deferred[T]:
        return execute(work)

    def _grant_removed(self, grant_id: str | None, now: datetime) -> bool:
        return grant_id is not None and grant_id in self.grants and now < self.grants[grant_id]

    def _drop(self, kind: Kind, key: bytes) -> None:
        self.rows.pop((kind, key), None)

    def _find(self, kind: Kind, key: bytes, now: datetime) -> Found | None:
        found = self.rows.get((kind, key))
        return None if found is None or found.artifact.expires_at <= now else found

    def _save(self, artifacts: tuple[Artifact, ...], now: datetime) -> None:
        for artifact in artifacts:
            before = self._find(artifact.kind, artifact.key, now)
            consumed = before is not None and before.consumed_at is not None
            refused = artifact.client_id in self.refused_clients or self._grant_removed(
                artifact.grant_id, now
            )
            if not consumed and not refused:
                self._drop(artifact.kind, artifact.key)  # it becomes the newest
                self.rows[artifact.kind, artifact.key] = Found(artifact, None)
                self._bound(artifact)

    def _bound(self, artifact: Artifact) -> None:
        bound = self.bounds.of(artifact)
        if bound is not None:
            alike = [place for place, own in self.rows.items() if self.bounds.of(own.artifact) == bound]
            for place in alike[: -bound[1]]:
                self._drop(*place)
