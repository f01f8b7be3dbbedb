"""Collecting which certificates clients come with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast
from unittest import TestCase
from unittest.mock import patch

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock

from mtlsd.clients.sightings import Sighting
from mtlsd.pki.certificate import Certificate
from mtlsd.service import sightings
from mtlsd.service.sightings import SightingLog
from mtlsd.stores.interfaces import StoreUnavailable
from tests.unit.stores.memory import MemoryStore
from tests.unit.stores.values import NOW, certificate, result_of

ONE, TWO = (Certificate.from_der(certificate(role)) for role in ("one", "two"))


class Full(MemoryStore):
    """A store on a full disk."""

    def record_sightings(self, sightings: Sequence[Sighting]) -> Deferred[None]:
        return fail(StoreUnavailable("store", "the disk is full", "Make room."))


class SightingLogTests(TestCase):
    def setUp(self) -> None:
        self.store, self.clock = MemoryStore(), Clock()
        result_of(self.store.open())
        self.log = SightingLog(lambda: cast("Any", self.store))
        self.log.start(self.clock)

    def seen(self, client_id: str = "a") -> dict[str, tuple[float, float]]:
        """When each certificate was seen, in seconds after NOW."""
        return {
            own.x5t_s256: (
                (own.first_seen_at - NOW).total_seconds(),
                (own.last_seen_at - NOW).total_seconds(),
            )
            for own in result_of(self.store.sightings(client_id))
        }

    def see(self, certificate: Certificate, second: float, client_id: str = "a") -> None:
        self.log.seen(client_id, certificate, NOW + timedelta(seconds=second))

    def test_it_is_written_in_the_background(self) -> None:
        for second in range(20):
            self.see(ONE, second)
        self.see(TWO, 7)
        self.assertEqual({}, self.seen())
        self.clock.advance(sightings.WRITE_SECONDS)
        self.assertEqual({ONE.x5t_s256: (0, 19), TWO.x5t_s256: (7, 7)}, self.seen())
        self.see(ONE, 40)
        self.clock.advance(sightings.WRITE_SECONDS)
        self.assertEqual((0, 40), self.seen()[ONE.x5t_s256])

    def test_the_rest_is_written_at_the_end(self) -> None:
        self.see(ONE, 3)
        result_of(Deferred.fromCoroutine(self.log.stop()))
        self.assertEqual({ONE.x5t_s256: (3, 3)}, self.seen())
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_it_is_bounded(self) -> None:
        with patch.object(sightings, "MOST_WAITING", 2):
            for client_id in "abc":
                self.see(ONE, 1, client_id)
            self.see(ONE, 2, "a")
        self.clock.advance(sightings.WRITE_SECONDS)
        self.assertEqual([1, 1, 0], [len(self.seen(client_id)) for client_id in "abc"])
        self.assertEqual((1, 2), self.seen("a")[ONE.x5t_s256])

    def test_it_is_written_in_batches(self) -> None:
        with patch.object(sightings, "_BATCH", 2):
            for client_id in "abcde":
                self.see(ONE, 1, client_id)
            self.clock.advance(sightings.WRITE_SECONDS)
        self.assertEqual([1] * 5, [len(self.seen(client_id)) for client_id in "abcde"])

    def test_a_store_that_fails_hinders_nobody(self) -> None:
        """What it does not take is gone; later ones are written again."""
        good, self.store = self.store, Full()
        self.see(ONE, 1)
        self.clock.advance(sightings.WRITE_SECONDS)
        self.store = good
        self.see(TWO, 2)
        self.clock.advance(sightings.WRITE_SECONDS)
        self.assertEqual({TWO.x5t_s256: (2, 2)}, self.seen())
