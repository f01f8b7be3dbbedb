"""Clients that register themselves: written into the store, and served before anybody is told of them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

import attrs
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from mtlsd import reasons
from mtlsd.clients.client import Client
from mtlsd.clients.fetched import Published, with_published
from mtlsd.clients.index import ClientIndex, Registration
from mtlsd.clients.methods import CERTIFICATE_METHODS
from mtlsd.config.model import Config
from mtlsd.errors import ConfigError, Fact, Refusal
from mtlsd.oauth.artifacts import Artifacts
from mtlsd.oauth.pace import Pace
from mtlsd.oauth.registration import Registrations
from mtlsd.oauth.registration_artifacts import Management
from mtlsd.service.identifiers import random_id, random_secret
from mtlsd.stores.interfaces import Conflict, Store, StoreError, UnknownClient

_HOUR_SECONDS: Final = 3600.0
_STORE: Final = "store"


@attrs.frozen
class Present:
    """What a registration is checked against.

    :ivar registrations: all clients, those of files and those of the store.
    :ivar published: the certificates that clients publish, by `jwks_uri`.
    """

    config: Config
    registrations: tuple[Registration, ...]
    published: Mapping[str, Sequence[Published]]


@attrs.define(eq=False)
class StoreBook:
    """A :class:`mtlsd.oauth.registration.ClientBook` over the store.

    :ivar store: the present one.
    :ivar present: what is served now.
    :ivar take_over: serves what the store has by now.
    """

    _log = Logger()

    store: Callable[[], Store]
    present: Callable[[], Present]
    take_over: Callable[[], Coroutine[Any, Any, None]]
    _one_by_one: DeferredLock = attrs.field(factory=DeferredLock, init=False)

    def count(self) -> int:
        return len(self.present().registrations)

    def check(self, client: Client) -> None:
        """What another client has, as the whole index sees it: a store that contradicts the configuration
        would hold up every reload.
        """
        now = self.present()
        others = [own for own in now.registrations if own.client.client_id != client.client_id]
        anchor_keys = {own.name: [anchor.key_sha256 for anchor in own.anchors] for own in now.config.groups}
        merged = with_published([*others, Registration(client, _STORE)], now.published)
        try:
            ClientIndex.build(merged.registrations, anchor_keys)
        except ConfigError as error:
            facts: dict[str, Fact] = {"detail": [mistake.message for mistake in error.mistakes]}
            raise Refusal(reasons.REGISTRATION_TAKEN, facts) from None

    async def get(self, client_id: str) -> Client | None:
        with self._refusing():
            return await self.store().get_client(client_id)

    async def add(self, client: Client, now: datetime) -> None:
        await self._change(lambda: self.store().add_client(client, now), client)

    async def replace(self, client: Client, seen: Client, now: datetime) -> None:
        try:
            await self._change(lambda: self.store().update_client(client, now, seen), client)
        except Refusal as refusal:
            if (
                refusal.facts.get("holder") == client.client_id
            ):  # two updates at once: the other one came first
                raise Refusal(reasons.REGISTRATION_TOKEN) from refusal
            raise

    async def remove(self, client_id: str, now: datetime) -> None:
        try:
            await self._change(lambda: self.store().remove_client(client_id, now), None)
        except Refusal as refusal:
            if refusal.reason is not reasons.REGISTRATION_TOKEN:
                raise

    async def _change(self, write: Callable[[], Deferred[None]], client: Client | None) -> None:
        """One after the other: each is checked against what the one before has left."""
        await self._one_by_one.acquire()
        try:
            if client is not None:
                self.check(client)
            with self._refusing():
                await write()
            await _unhindered(self.take_over())
        finally:
            self._one_by_one.release()

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except UnknownClient as error:
            raise Refusal(reasons.REGISTRATION_TOKEN) from error
        except Conflict as error:
            raise Refusal(reasons.REGISTRATION_TAKEN, {"holder": error.client_id}) from error
        except StoreError as error:
            self._log.error("store.unavailable {error}", error=error)
            raise Refusal(reasons.STORE_UNAVAILABLE) from error


def _unhindered(work: Coroutine[Any, Any, None]) -> Deferred[None]:
    """Fires when the work is done. Whoever gives up waiting does not end it: it is not his alone."""
    waiting: Deferred[None] = Deferred()
    Deferred.fromCoroutine(work).addBoth(lambda _: None if waiting.called else waiting.callback(None))
    return waiting


@attrs.define(eq=False)
class Registering:
    """Registration in a daemon: what outlives reloads of it.

    :ivar report: takes audit events.
    """

    _log = Logger()

    book: StoreBook
    artifacts: Callable[[], Artifacts]
    now: Callable[[], datetime]
    report: Callable[[str, dict[str, Fact]], None]
    _pace: Pace = attrs.field(factory=Pace, init=False)
    _loop: LoopingCall = attrs.field(init=False)

    @_loop.default
    def _make_loop(self) -> LoopingCall:
        return LoopingCall(lambda: Deferred.fromCoroutine(self.forget_unused()))

    def of(self, config: Config) -> Registrations | None:
        """What registers clients by this configuration; None where nobody may."""
        policy = config.registration
        if not policy.modes:
            return None
        return Registrations(policy, self.book, self.artifacts(), random_secret, random_id, self._pace)

    def start(self, reactor: Any) -> None:
        """Look every hour for clients that nobody uses."""
        self._loop.clock = reactor
        self._loop.start(_HOUR_SECONDS, now=False)

    def stop(self) -> None:
        if self._loop.running:
            self._loop.stop()

    async def forget_unused(self) -> None:
        """Remove clients that registered themselves and were not seen for `unused_days`.

        Only a client that comes with a certificate is seen, so others stay.
        """
        days = self.book.present().config.registration.unused_days
        if not days:
            return
        try:
            await self._forget_unused(self.now() - timedelta(days=days))
        except (StoreError, Refusal) as error:
            self._log.error("registration.not_swept {error}", error=error)
        except Exception:  # or the loop would end
            self._log.failure("registration.not_swept")

    async def _forget_unused(self, since: datetime) -> None:
        store = self.book.store()
        for found in await store.artifacts.of_kind("registration_token", self.now()):
            own = Management.from_artifact(found.artifact)
            client = await store.get_client(own.client_id)
            if client is None or client.token_endpoint_auth_method not in CERTIFICATE_METHODS:
                continue
            seen = [sighting.last_seen_at for sighting in await store.sightings(own.client_id)]
            if max([own.registered_at, *seen]) < since:
                await self.book.remove(own.client_id, self.now())
                self.report("client.deleted", {"client_id": own.client_id, "detail": "it was not used"})
