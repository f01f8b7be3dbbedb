"""The loop that lets go of expired artifacts."""

from __future__ import annotations

from datetime import datetime, timedelta
from unittest import TestCase
from unittest.mock import patch

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from mtlsd.oauth.artifacts import Artifact
from mtlsd.service import sweeping
from mtlsd.service.sweeping import BATCH, CLOCK_STEP, MOST_BATCHES, SWEEP_SECONDS, SweepLoop
from mtlsd.stores.interfaces import StoreUnavailable
from tests.unit.stores.artifacts_memory import MemoryArtifacts
from tests.unit.stores.values import NOW, result_of


class Counted(MemoryArtifacts):
    """Notes what it was asked, and does as many as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[datetime, int]] = []
        self.left = 0
        self.answers: list[Deferred[int]] = []

    def sweep(self, now: datetime, most: int) -> Deferred[int]:
        self.asked.append((now, most))
        if self.answers:
            return self.answers.pop(0)
        done = min(self.left, most)
        self.left -= done
        return succeed(done)


class SweepLoopTests(TestCase):
    def setUp(self) -> None:
        self.artifacts, self.clock = Counted(), Clock()
        self.loop = SweepLoop(lambda: self.artifacts, lambda: NOW + timedelta(seconds=self.clock.seconds()))
        self.loop.start(self.clock)
        self.addCleanup(self.loop.stop)

    def turn(self) -> int:
        """How many batches the next turn has."""
        self.artifacts.asked.clear()
        self.clock.advance(SWEEP_SECONDS)
        return len(self.artifacts.asked)

    def test_it_sweeps_now_and_then(self) -> None:
        self.assertEqual([], self.artifacts.asked)
        for turn in (1, 2, 3):
            self.assertEqual(1, self.turn())
            now = NOW + turn * timedelta(seconds=SWEEP_SECONDS) - CLOCK_STEP
            self.assertEqual([(now, BATCH)], self.artifacts.asked)

    def test_it_goes_on_until_nothing_is_left(self) -> None:
        self.artifacts.left = 3 * BATCH + 1
        self.assertEqual(4, self.turn())
        self.assertEqual(0, self.artifacts.left)

    def test_a_turn_is_bounded(self) -> None:
        self.artifacts.left = (MOST_BATCHES + 2) * BATCH
        self.assertEqual([MOST_BATCHES, 3], [self.turn(), self.turn()])

    def test_what_expired_just_now_stays_a_little(self) -> None:
        """The clock may be set back, and then a jti would be worth something again."""
        artifacts = MemoryArtifacts()
        loop = SweepLoop(lambda: artifacts, lambda: NOW)
        for secret, end in (("1", NOW), ("2", NOW - CLOCK_STEP)):
            own = Artifact("replay", Artifact.key_of(secret), None, None, {}, end)
            result_of(artifacts.save(own, now=NOW))
        result_of(Deferred.fromCoroutine(loop.sweep()))
        self.assertEqual([("replay", Artifact.key_of("1"))], list(artifacts.rows))

    def test_a_failing_store_is_said_once_and_tried_again(self) -> None:
        error = StoreUnavailable("store", "the disk is full", "Make room.")
        with patch.object(SweepLoop, "_log") as log:
            for failing in (True, True, False, True):
                self.artifacts.answers = [fail(error)] if failing else []
                self.assertEqual(1, self.turn())
            self.assertEqual(2, log.error.call_count)

    def test_a_fault_does_not_end_the_loop(self) -> None:
        with patch.object(SweepLoop, "_log") as log:
            self.artifacts.answers = [fail(KeyError("a fault"))]
            self.assertEqual(1, self.turn())
            self.assertEqual(1, log.failure.call_count)
        self.assertEqual(1, self.turn())

    def test_a_slow_turn_is_not_overtaken(self) -> None:
        slow: Deferred[int] = Deferred()
        self.artifacts.answers = [slow]
        self.assertEqual([1, 0, 0], [self.turn(), self.turn(), self.turn()])
        slow.callback(0)
        self.assertEqual(1, self.turn())

    def test_stopped_it_begins_nothing(self) -> None:
        slow: Deferred[int] = Deferred()
        self.artifacts.left, self.artifacts.answers = 10 * BATCH, [slow]
        self.turn()
        self.loop.stop()
        slow.callback(BATCH)
        self.assertEqual(1, len(self.artifacts.asked))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_who_departed_loses_everything(self) -> None:
        """At once; or, where the store cannot do it now, as soon as it can."""
        own = [Artifact("code", Artifact.key_of(name), name, None, {}, NOW + CLOCK_STEP) for name in "abc"]
        result_of(self.artifacts.save(*own, now=NOW))
        result_of(Deferred.fromCoroutine(self.loop.clients_departed("a")))
        self.assertEqual(["b", "c"], [own.artifact.client_id for own in self.artifacts.rows.values()])
        failing = fail(StoreUnavailable("store", "the disk is full", "Make room."))
        with (
            patch.object(self.artifacts, "remove_client", lambda *_: failing),
            patch.object(SweepLoop, "_log") as log,
        ):
            result_of(Deferred.fromCoroutine(self.loop.clients_departed("b")))
            self.assertEqual(1, log.error.call_count)
        self.turn()
        self.assertEqual(["c"], [own.artifact.client_id for own in self.artifacts.rows.values()])

    def test_the_numbers_fit(self) -> None:
        """More is swept in a second than a store takes."""
        self.assertGreaterEqual(sweeping.BATCH * sweeping.MOST_BATCHES / sweeping.SWEEP_SECONDS, 2000)
