"""Artifacts for those who answer requests: what the store cannot do becomes a refusal."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime
from typing import NoReturn, TypeVar

import attrs
from twisted.logger import Logger

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.oauth.artifacts import Artifact, Artifacts, Found, Kind
from mtlsd.stores.interfaces import StoreError

T = TypeVar("T")


@attrs.define(eq=False)
class RefusingArtifacts:
    """Does what :class:`mtlsd.oauth.artifacts.Artifacts` says, by another one.

    Every method raises the refusal `store.unavailable` where the store fails, and the log says why: once, as
    long as it is the same.
    """

    _log = Logger()

    store: Artifacts
    _complaint: str = attrs.field(default="", init=False)

    async def save(self, *artifacts: Artifact, now: datetime) -> None:
        await self._done(self.store.save(*artifacts, now=now))

    async def find(self, kind: Kind, key: bytes, now: datetime) -> Found | None:
        return await self._done(self.store.find(kind, key, now))

    async def consume(
        self, kind: Kind, key: bytes, now: datetime, then: tuple[Artifact, ...] = ()
    ) -> Found | None:
        return await self._done(self.store.consume(kind, key, now, then))

    async def claim(self, kind: Kind, key: bytes, expires_at: datetime, now: datetime) -> bool:
        return await self._done(self.store.claim(kind, key, expires_at, now))

    async def remove(self, kind: Kind, key: bytes) -> None:
        await self._done(self.store.remove(kind, key))

    async def remove_grant(self, grant_id: str, now: datetime) -> None:
        await self._done(self.store.remove_grant(grant_id, now))

    async def grant_removed(self, grant_id: str, now: datetime) -> bool:
        return await self._done(self.store.grant_removed(grant_id, now))

    async def remove_client(self, client_id: str, now: datetime) -> None:
        await self._done(self.store.remove_client(client_id, now))

    async def sweep(self, now: datetime, most: int) -> int:
        return await self._done(self.store.sweep(now, most))

    async def _done(self, work: Awaitable[T]) -> T:
        try:
            done = await work
        except StoreError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                self._log.error("store.unavailable {error}", error=error)
            raise Refusal(reasons.STORE_UNAVAILABLE) from error
        self._complaint = ""
        return done


class NoArtifacts:
    """Where there is no store. It fails closed: what would have to be kept is not issued."""

    def save(self, *artifacts: Artifact, now: datetime) -> NoReturn:
        self._refuse()

    def find(self, kind: Kind, key: bytes, now: datetime) -> NoReturn:
        self._refuse()

    def consume(self, kind: Kind, key: bytes, now: datetime, then: tuple[Artifact, ...] = ()) -> NoReturn:
        self._refuse()

    def claim(self, kind: Kind, key: bytes, expires_at: datetime, now: datetime) -> NoReturn:
        self._refuse()

    def remove(self, kind: Kind, key: bytes) -> NoReturn:
        self._refuse()

    def remove_grant(self, grant_id: str, now: datetime) -> NoReturn:
        self._refuse()

    def grant_removed(self, grant_id: str, now: datetime) -> NoReturn:
        self._refuse()

    def remove_client(self, client_id: str, now: datetime) -> NoReturn:
        self._refuse()

    def sweep(self, now: datetime, most: int) -> NoReturn:
        self._refuse()

    @staticmethod
    def _refuse() -> NoReturn:
        raise Refusal(reasons.STORE_UNAVAILABLE)
