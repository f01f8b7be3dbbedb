"""A store without a disk: it keeps the contract honest, and other tests fast."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime
from typing import TypeVar

import attrs
from twisted.internet.defer import Deferred, execute, fail
from zope.interface import implementer

from mtlsd.clients.client import Client
from mtlsd.clients.sightings import MOST_SIGHTINGS, Sighting
from mtlsd.stores.interfaces import ClientStore, Conflict, StoreUnavailable, UnknownClient

T = TypeVar("T")


@attrs.define
class Data:
    """What several stores share, as processes share a file."""

    clients: dict[str, Client] = attrs.field(factory=dict)
    removed: set[str] = attrs.field(factory=set)
    generation: int = 0
    sightings: dict[str, dict[str, Sighting]] = attrs.field(factory=dict)


def _identities(client: Client) -> set[Hashable]:
    if client.subject is None:
        return set(client.pins)
    return {(group, client.subject.member, client.subject.key) for group in client.trust_anchors}


def _last_first(sightings: Iterable[Sighting]) -> list[Sighting]:
    by_thumbprint = sorted(sightings, key=lambda own: own.x5t_s256)
    return sorted(by_thumbprint, key=lambda own: own.last_seen_at, reverse=True)


@implementer(ClientStore)
class MemoryStore:
    """Changes are lost with the process."""

    def __init__(self, data: Data | None = None) -> None:
        self._data = data or Data()
        self._open = False

    def open(self) -> Deferred[None]:
        self._open = True
        return execute(lambda: None)

    def close(self) -> Deferred[None]:
        self._open = False
        return execute(lambda: None)

    def add_client(self, client: Client, now: datetime) -> Deferred[None]:
        def add() -> None:
            if client.client_id in self._data.removed:
                raise Conflict("memory", "it was removed before", "", client.client_id)
            if client.client_id in self._data.clients:
                raise Conflict("memory", "it is there", "", client.client_id)
            self._put(client)

        return self._do(add)

    def update_client(self, client: Client, now: datetime, seen: Client | None = None) -> Deferred[None]:
        def update() -> None:
            if seen not in (None, self._known(client.client_id)):
                raise Conflict("memory", "it was changed", "", client.client_id)
            self._put(client)

        return self._do(update)

    def get_client(self, client_id: str) -> Deferred[Client | None]:
        return self._do(lambda: self._data.clients.get(client_id))

    def list_clients(self) -> Deferred[tuple[Client, ...]]:
        return self._do(lambda: tuple(client for _, client in sorted(self._data.clients.items())))

    def set_disabled(self, client_id: str, disabled: bool, now: datetime) -> Deferred[None]:
        return self._do(lambda: self._put(attrs.evolve(self._known(client_id), disabled=disabled)))

    def remove_client(self, client_id: str, now: datetime) -> Deferred[None]:
        def remove() -> None:
            del self._data.clients[self._known(client_id).client_id]
            self._data.removed.add(client_id)
            self._data.sightings.pop(client_id, None)
            self._data.generation += 1

        return self._do(remove)

    def generation(self) -> Deferred[int]:
        return self._do(lambda: self._data.generation)

    def record_sightings(self, sightings: Sequence[Sighting]) -> Deferred[None]:
        def record() -> None:
            for own in sightings:
                if own.client_id not in self._data.removed:
                    known = self._data.sightings.setdefault(own.client_id, {})
                    known[own.x5t_s256] = own.joined(known.get(own.x5t_s256, own))
            for client_id, known in self._data.sightings.items():
                kept = _last_first(known.values())[:MOST_SIGHTINGS]
                self._data.sightings[client_id] = {own.x5t_s256: own for own in kept}

        return self._do(record)

    def sightings(self, client_id: str) -> Deferred[tuple[Sighting, ...]]:
        return self._do(lambda: tuple(_last_first(self._data.sightings.get(client_id, {}).values())))

    def _do(self, work: Callable[[], T]) -> Deferred[T]:
        if not self._open:
            return fail(StoreUnavailable("memory", "it is closed", ""))
        return execute(work)

    def _known(self, client_id: str) -> Client:
        if client_id not in self._data.clients:
            raise UnknownClient("memory", "there is none", "", client_id)
        return self._data.clients[client_id]

    def _put(self, client: Client) -> None:
        for other in self._data.clients.values():
            common = _identities(other) & _identities(client)
            if common and other.client_id != client.client_id:
                raise Conflict("memory", f"{other.client_id!r} has {common}", "", other.client_id)
        self._data.clients[client.client_id] = client
        self._data.generation += 1
