"""Responders that hang: who waits, for how long, how many, and who is spared."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from mtlsd.fetch.refused import FetchRefused
from mtlsd.revocation.breaker import BreakerLimits
from mtlsd.revocation.ocsp_limits import OcspLimits
from mtlsd.revocation.responders import ResponderLimits
from tests.ocsp_responses import HOSTILE
from tests.unit.revocation.ocsp_world import WAITING, A, Asking, B, Reaction, World, code, settled


def hang(asking: Asking) -> Reaction:
    return None


def refuse(asking: Asking) -> Reaction:
    return FetchRefused("connection", "refused")


def codes(asked: list[Deferred[Any]]) -> list[Any]:
    return [code(settled(own)) for own in asked]


def cancel(asked: Deferred[Any]) -> None:
    asked.addErrback(lambda failure: failure.trap(CancelledError) and "gave up")
    asked.cancel()


# -- one for all -----------------------------------------------------------------------------------------


def test_single_flight() -> None:
    world = World()
    world.react = hang
    asked = [world.ask() for _ in range(50)]
    assert len(world.askings) == 1
    world.clock.advance(5)
    assert codes(asked) == ["fetch.deadline"] * 50


def test_deadline() -> None:
    """Its length is the caller's to say; who joins later may wait as long as those before, no longer."""
    world = World()
    world.react = hang
    asked = world.ask(deadline_seconds=3)
    world.clock.advance(2)
    joined = world.ask()
    assert codes([asked, joined]) == [WAITING, WAITING]
    hasty = world.ask(deadline_seconds=0.5)
    world.clock.advance(0.5)
    assert codes([hasty]) == ["ocsp.deadline"]
    world.clock.advance(0.5)
    assert codes([asked, joined]) == ["fetch.deadline"] * 2


def test_all_responders_within_one_deadline() -> None:
    world = World(ocsp_url=None)
    honest = world.honest()
    world.react = lambda asking: None if asking.origin == A else honest(asking)
    path = world.another(f"{A}/", f"{B}/")
    asked = world.ask(path)
    world.clock.advance(2.5)
    assert codes([asked]) == [None]
    world.react = hang
    asked = world.ask(world.another(f"{A}/", f"{B}/", "http://c.example/"))
    for _ in range(50):
        world.clock.advance(0.1)
    world.clock.advance(0.001)
    assert codes([asked]) == ["fetch.deadline"]
    assert len(world.askings) == 5


def test_giving_up() -> None:
    """P14: it keeps nobody else from an answer, and the answer still comes when nobody is left."""
    world = World()
    world.react = hang
    asked = [world.ask() for _ in range(3)]
    cancel(asked[0])
    assert codes(asked) == ["gave up", WAITING, WAITING]
    cancel(asked[1])
    cancel(asked[2])
    later = world.ask()
    assert len(world.askings) == 1
    world.clock.advance(5)
    assert codes([later]) == ["fetch.deadline"]
    assert world.clock.getDelayedCalls() == []
    assert world.answers.status()[0].waiting == 0


def test_nothing_is_left_behind() -> None:
    world = World()
    world.react = hang
    for asked in [world.ask(world.another()) for _ in range(20)]:
        cancel(asked)
    world.clock.advance(5)
    assert world.clock.getDelayedCalls() == []
    assert world.running.total() == 0
    assert list(world.answers._flights) == []


# -- how many --------------------------------------------------------------------------------------------


def test_a_cap_for_each_responder_and_one_for_all() -> None:
    limits = OcspLimits(waiting=5, waiting_per_responder=3)
    world = World(limits=limits, ocsp_url=None)
    world.react = hang
    waiting = [world.ask(world.another(f"{A}/")) for _ in range(3)]
    assert world.why(world.another(f"{A}/")) == "ocsp.busy"
    waiting += [world.ask(world.another(f"{B}/")) for _ in range(2)]
    assert world.why(world.another(f"{B}/")) == "ocsp.busy", "all are taken"
    assert codes(waiting) == [WAITING] * 5
    cancel(waiting[0])
    assert world.why(world.another(f"{B}/")) == "ocsp.busy", "an asking that goes on still counts"
    world.clock.advance(5)
    world.react = world.honest()
    assert world.why(world.another(f"{B}/")) is None


def test_the_cap_counts_who_waits_for_the_same() -> None:
    world = World(limits=OcspLimits(waiting_per_responder=3))
    world.react = hang
    waiting = [world.ask() for _ in range(3)]
    assert world.why() == "ocsp.busy"
    cancel(waiting[0])
    assert world.why() is WAITING


def test_who_is_too_many_for_one_is_answered_by_the_next() -> None:
    world = World(limits=OcspLimits(waiting_per_responder=1), ocsp_url=None)
    honest = world.honest()
    world.react = lambda asking: None if asking.origin == A else honest(asking)
    world.ask(world.another(f"{A}/"))
    assert world.why(world.another(f"{A}/", f"{B}/")) is None


def test_fetches_at_once() -> None:
    """A responder that hangs holds its own few slots, and the others find theirs."""
    limits = OcspLimits(responders=ResponderLimits(fetches=5, fetches_per_responder=2))
    world = World(limits=limits, ocsp_url=None)
    honest = world.honest()
    world.react = lambda asking: None if asking.origin == A else honest(asking)
    hanging = [world.ask(world.another(f"{A}/")) for _ in range(20)]
    assert world.running[A] == 2
    assert world.why(world.another(f"{B}/")) is None
    world.clock.advance(5)
    assert set(codes(hanging)) == {"fetch.deadline", "ocsp.busy"}
    assert world.most_running == 3
    assert world.running.total() == 0


# -- the breaker -----------------------------------------------------------------------------------------


def broken(world: World, *urls: str, count: int = 5) -> list[str | None]:
    return [world.why(world.another(*urls)) for _ in range(count)]


def test_breaker_opens() -> None:
    world = World()
    world.react = refuse
    assert broken(world) == ["fetch.connection"] * 5
    assert world.why() == "ocsp.breaker_open"
    assert len(world.askings) == 5
    assert world.answers.status()[0].breaker == "open"
    assert world.names() == ["source.failed"]
    assert world.events[0][1]["error"] == "fetch.connection: refused"


def test_those_who_wait_for_a_slot_are_told_at_once() -> None:
    limits = ResponderLimits(fetches_per_responder=5, breaker=BreakerLimits(failures=1))
    world = World(limits=OcspLimits(responders=limits))
    world.react = hang
    first = [world.ask(world.another(), deadline_seconds=1) for _ in range(5)]
    later = [world.ask(world.another()) for _ in range(5)]
    world.clock.advance(1)
    assert codes(first) == ["fetch.deadline"] * 5
    assert codes(later) == ["ocsp.breaker_open"] * 5
    assert len(world.askings) == 5


def test_trial() -> None:
    """One only; another failure makes the pause longer, and an answer ends it."""
    world = World()
    world.random = 0.0
    world.react = refuse
    broken(world)
    world.clock.advance(2.4)
    assert world.why() == "ocsp.breaker_open"
    world.clock.advance(0.2)
    world.react = hang
    trial = world.ask()
    assert world.answers.status()[0].breaker == "half_open"
    assert world.why(world.another()) == "ocsp.breaker_open"
    world.clock.advance(5)
    assert codes([trial]) == ["fetch.deadline"]
    world.react = world.honest()
    world.clock.advance(4.9)
    assert world.why() == "ocsp.breaker_open"
    world.clock.advance(0.2)
    assert [world.why(), *broken(world, count=3)] == [None] * 4
    assert world.answers.status()[0].breaker == "closed"
    assert world.names() == ["source.failed", "source.recovered"]


def test_pauses_grow_up_to_a_bound() -> None:
    breaker = BreakerLimits(failures=1, first_pause_seconds=4, longest_pause_seconds=10)
    world = World(limits=OcspLimits(responders=ResponderLimits(breaker=breaker)))
    world.random = 1.0
    world.react = refuse
    assert world.why() == "fetch.connection"
    pauses = []
    for _ in range(4):
        since = world.clock.seconds()
        while world.why(world.another()) == "ocsp.breaker_open":
            world.clock.advance(1)
        pauses.append(world.clock.seconds() - since)
    assert pauses == [4.0, 8.0, 10.0, 10.0]


def test_the_next_responder_serves_while_one_is_left_alone() -> None:
    world = World(ocsp_url=None)
    honest = world.honest()
    world.react = lambda asking: FetchRefused("deadline", "") if asking.origin == A else honest(asking)
    broken(world, f"{A}/")
    before = len(world.askings)
    assert world.why(world.another(f"{A}/", f"{B}/")) is None
    assert [own.origin for own in world.askings[before:]] == [B]
    assert world.why(world.another(f"{B}/")) is None


@pytest.mark.parametrize("kind", ["another_serial", "unauthorized", "a_year_old", "broken_signature"])
def test_one_certificates_trouble_is_not_the_responders(kind: str) -> None:
    """Somebody with a strange certificate must not have the responder left alone for all."""
    world = World()
    world.react = lambda asking: HOSTILE[kind].make(world.responder, asking.request)
    broken(world, count=20)
    assert world.answers.status()[0].breaker == "closed"
    assert world.names() == ["source.failed"], "but the operator hears of it"


def test_source_is_reported_once_per_change() -> None:
    world = World()
    for reaction in (refuse, world.honest()) * 2:
        world.react = reaction
        broken(world, count=3)
    assert world.names() == ["source.failed", "source.recovered"] * 2


def test_a_refusal_or_two_is_not_reported() -> None:
    world = World()
    honest = world.honest()
    for _ in range(10):
        world.react = lambda asking: HOSTILE["unauthorized"].make(world.responder, asking.request)
        broken(world, count=2)
        world.react = honest
        broken(world, count=1)
    assert world.events == []


def test_responders_are_bounded() -> None:
    world = World(limits=OcspLimits(responders=ResponderLimits(responders=4)), ocsp_url=None)
    world.react = refuse
    for number in range(20):
        assert world.why(world.another(f"http://r{number}.example/")) == "fetch.connection"
    assert len(world.answers.status()) == 4


# -- the end, and a reload -------------------------------------------------------------------------------


def test_stop() -> None:
    world = World()
    world.start()
    world.react = hang
    waiting = [world.ask(), world.ask(world.another())]
    settled(world.answers.stop())
    assert codes(waiting) == ["ocsp.closed"] * 2
    assert world.clock.getDelayedCalls() == []
    assert world.why() == "ocsp.closed"
