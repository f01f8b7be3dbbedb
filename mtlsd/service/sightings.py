"""Collecting which certificates clients come with, so that a token waits for no disk."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from mtlsd.clients.sightings import Sighting
from mtlsd.pki.certificate import Certificate
from mtlsd.stores.interfaces import ClientStore, StoreError

WRITE_SECONDS = 30.0
MOST_WAITING = 10_000
_BATCH = 500


@attrs.define
class _Waiting:
    certificate: Certificate
    first_seen_at: datetime
    last_seen_at: datetime


@attrs.define(eq=False)
class SightingLog:
    """Sightings on their way to the store. What is lost when the machine dies is half a minute of them.

    :ivar store: the present store.
    """

    _log = Logger()

    store: Callable[[], ClientStore]
    _waiting: dict[tuple[str, str], _Waiting] = attrs.field(factory=dict, init=False)
    _loop: LoopingCall = attrs.field(init=False)
    _complaint: str = attrs.field(default="", init=False)

    @_loop.default
    def _make_loop(self) -> LoopingCall:
        return LoopingCall(lambda: Deferred.fromCoroutine(self.write()))

    def start(self, reactor: Any) -> None:
        """Write now and then."""
        self._loop.clock = reactor
        self._loop.start(WRITE_SECONDS, now=False)

    async def stop(self) -> None:
        """Write what waits, and write no more."""
        if self._loop.running:
            self._loop.stop()
        await self.write()

    def seen(self, client_id: str, certificate: Certificate, now: datetime) -> bool:
        """A client got a token with this certificate. Where too many wait already, it is not remembered.

        :return: whether it is the first time since it was last written.
        """
        waiting = self._waiting.get((client_id, certificate.x5t_s256))
        if waiting is not None:
            waiting.last_seen_at = now
            return False
        if len(self._waiting) < MOST_WAITING:
            self._waiting[client_id, certificate.x5t_s256] = _Waiting(certificate, now, now)
        return True

    async def write(self) -> None:
        """Bring what waits to the store. What the store does not take is gone: nothing rests on it."""
        waiting, self._waiting = self._waiting, {}
        sightings = [_sighting(client_id, own) for (client_id, _), own in waiting.items()]
        try:
            for start in range(0, len(sightings), _BATCH):
                await self.store().record_sightings(sightings[start : start + _BATCH])
            self._complaint = ""
        except StoreError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                self._log.error("sightings.not_written {error}", error=error)
        except Exception:  # or the loop would end
            self._log.failure("sightings.not_written")


def _sighting(client_id: str, waiting: _Waiting) -> Sighting:
    certificate = waiting.certificate
    return Sighting(
        client_id=client_id,
        x5t_s256=certificate.x5t_s256,
        subject=certificate.subject.to_string(),
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        first_seen_at=waiting.first_seen_at,
        last_seen_at=waiting.last_seen_at,
    )
