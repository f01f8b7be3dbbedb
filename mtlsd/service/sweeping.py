"""Artifacts in the background, a few at a time: expired ones are deleted, and certificates are kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from mtlsd.clients.departed import unknown
from mtlsd.clients.index import Registration
from mtlsd.oauth.bound import BoundCertificates
from mtlsd.stores.interfaces import ArtifactStore, Store, StoreError

SWEEP_SECONDS = 5.0
BATCH = 200
"""As many rows in one transaction: some milliseconds, in which nobody else writes."""
MOST_BATCHES = 50
"""As many batches in one turn: what is left waits for the next."""
CLOCK_STEP = timedelta(minutes=1)
"""How far the clock may go back without anything coming to life that was swept: a jti that was used, say."""


@attrs.define(eq=False)
class SweepLoop:
    """Sweeps now and then. Several processes may do so on one store.

    :ivar artifacts: the present store's.
    :ivar now: the clock, aware.
    :ivar bound: the certificates that tokens are bound to.
    """

    _log = Logger()

    artifacts: Callable[[], ArtifactStore]
    now: Callable[[], datetime]
    bound: Callable[[], BoundCertificates] = BoundCertificates
    _loop: LoopingCall = attrs.field(init=False)
    _stopping: bool = attrs.field(default=False, init=False)
    _complaint: str = attrs.field(default="", init=False)
    _departed: set[str] = attrs.field(factory=set, init=False)

    @_loop.default
    def _make_loop(self) -> LoopingCall:
        return LoopingCall(lambda: Deferred.fromCoroutine(self.sweep()))

    def start(self, reactor: Any) -> None:
        """The next turn begins no sooner than the one before has ended."""
        self._loop.clock = reactor
        self._loop.start(SWEEP_SECONDS, now=False)

    def stop(self) -> None:
        """Begin no batch more. One that is under way is ended by the store when it closes."""
        self._stopping = True
        if self._loop.running:
            self._loop.stop()

    async def sweep(self) -> None:
        """One turn. What the store cannot do now is said once, and tried again with the next turn."""
        await self._attempt(self._turn)

    async def keep(self) -> None:
        """Bring to the store what is only in memory, at the latest when everything ends."""
        await self._attempt(self._keep)

    async def forget_unknown(self, store: Store, registrations: Iterable[Registration]) -> None:
        """Who is gone since the last time that mtlsd ran, such as a file that was removed, has departed, too.

        :param registrations: those that are served now.
        """

        async def forget() -> None:
            issued = await store.artifacts.client_ids()
            self._departed.update(unknown(issued, registrations, await store.list_clients()))
            await self._forget()

        await self._attempt(forget)

    async def clients_departed(self, client_ids: Iterable[str]) -> None:
        """These were removed or disabled: remove what they were issued, now or as soon as the store can."""
        self._departed.update(client_ids)
        await self._attempt(self._forget)

    async def _turn(self) -> None:
        await self._forget()
        await self._keep()
        for _ in range(MOST_BATCHES):
            if self._stopping or await self.artifacts().sweep(self.now() - CLOCK_STEP, BATCH) < BATCH:
                break

    async def _keep(self) -> None:
        for _ in range(MOST_BATCHES):
            if await self.bound().keep(self.artifacts(), self.now(), BATCH) < BATCH:
                break

    async def _forget(self) -> None:
        for client_id in sorted(self._departed):
            await self.artifacts().remove_client(client_id, self.now())
            self._departed.discard(client_id)

    async def _attempt(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
            self._complaint = ""
        except StoreError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                self._log.error("artifacts.not_swept {error}", error=error)
        except Exception:  # or the loop would end
            self._log.failure("artifacts.not_swept")
