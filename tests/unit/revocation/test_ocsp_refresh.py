"""Answers over time: renewed while they are used, forgotten when they are not, whatever the clock does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from mtlsd.fetch.refused import FetchRefused
from mtlsd.pki.path import AnchorGroup
from mtlsd.revocation.ocsp_limits import OcspLimits
from tests.ocsp_responses import HOSTILE
from tests.unit.revocation.ocsp_world import A, Asking, Reaction, World

DAY = 86_400.0


def started(**how: object) -> World:
    world = World(**how)  # type: ignore[arg-type]  # its own keywords, whatever they are
    world.start()
    return world


def test_renewed_at_half_of_its_life() -> None:
    world = started()
    assert world.why() is None
    assert world.status() == "good"
    world.wait(DAY / 2 - 60)
    assert len(world.askings) == 1
    world.wait(120)
    assert len(world.askings) == 2
    answer = world.get()
    assert answer is not None
    assert answer.fetched_at == world.now() - timedelta(seconds=60)
    assert world.changes == 2


def test_spread() -> None:
    """By a fifth of half of the life."""
    world = started()
    for random in (0.0, 1.0):
        world.random = random
        path = world.another()
        assert world.why(path) is None
        world.get(path)
    world.wait(DAY * 0.4 + 60, 60)
    assert len(world.askings) == 3
    world.wait(DAY * 0.2 - 180, 60)
    assert len(world.askings) == 3
    world.wait(180, 60)
    assert len(world.askings) == 4


def test_what_nobody_uses_is_forgotten() -> None:
    world = started()
    assert world.why() is None
    world.wait(DAY - 60, 60)
    assert world.answers.status()[0].answers == {"good": 1}
    world.wait(120, 60)
    assert world.answers.status()[0].answers == {}
    assert len(world.askings) == 1


def test_used_after_half_of_its_life() -> None:
    world = started()
    assert world.why() is None
    world.wait(DAY * 0.7, 60)
    assert world.status() == "good"
    world.wait(20)
    assert len(world.askings) == 2


def test_use_counts_since_it_was_fetched() -> None:
    """So a client that has left is asked for once more, and then no more."""
    world = started()
    assert world.why() is None
    world.get()
    world.wait(5 * DAY, 600)
    assert len(world.askings) == 2
    assert world.get() is None


def test_revoked_is_found_in_the_background() -> None:
    world = started()
    assert world.why() is None
    assert world.status() == "good"
    world.react = world.honest("revoked")
    world.wait(DAY / 2 + 10, 60)
    assert world.status() == "revoked"
    assert world.names() == ["ocsp.revoked"]
    assert world.changes == 2


def test_revoked_is_remembered_as_long_as_the_certificate() -> None:
    """Nobody asks any more, and its life is over: it is still revoked."""
    world = started()
    world.react = world.honest("revoked")
    assert world.why() is None
    world.wait(20 * DAY, 3600)
    assert world.status() == "revoked"
    world.react = lambda asking: FetchRefused("connection", "refused")
    world.wait(20 * DAY, 3600)
    assert world.get() is None


@pytest.mark.parametrize("bad", ["try_later", "unauthorized", "broken_signature"])
def test_a_refresh_that_fails_is_tried_again(bad: str) -> None:
    """R42: what was known stays until its life is over; the error is never kept."""
    world = started()
    honest = world.honest()
    assert world.why() is None
    assert world.status() == "good"
    world.react = lambda asking: HOSTILE[bad].make(world.responder, asking.request)
    world.wait(DAY / 2 + 300)
    assert 3 <= len(world.askings) <= 6
    assert world.status() == "good"
    world.react = honest
    world.wait(420)
    answer = world.get()
    assert answer is not None
    assert answer.fetched_at is not None
    assert answer.fetched_at > world.pki.now + timedelta(hours=12)
    world.react = lambda asking: FetchRefused("deadline", "")
    world.wait(1.1 * DAY, 60)
    assert world.get() is None


def test_bounded_concurrency() -> None:
    world = started(limits=OcspLimits(refreshing=3))
    paths = [world.another() for _ in range(20)]
    for path in paths:
        assert world.why(path) is None
        world.get(path)
    world.react = lambda asking: None
    world.most_running = 0
    world.wait(DAY / 2 + 20)
    assert world.most_running == 3
    world.react = world.honest()
    world.wait(1200)
    assert [world.status(path) for path in paths] == ["good"] * 20


def test_many_at_once_that_fail_at_once() -> None:
    """A breaker that is open answers at once, for a thousand answers too."""
    world = started()
    paths = [world.another() for _ in range(30)] * 40
    for path in paths:
        assert world.why(path) is None
        world.get(path)
    world.react = lambda asking: FetchRefused("connection", "refused")
    world.wait(DAY / 2 + 20)
    assert world.answers.status()[0].breaker == "open"
    assert world.status(paths[0]) == "good"


def test_short_lives() -> None:
    """A minute: renewed each half of one."""
    world = started()

    def react(asking: Asking) -> Reaction:
        reply = world.responder.reply(asking.asked)
        single = attrs.evolve(
            reply.singles[0], this_update=world.now(), next_update=world.now() + timedelta(minutes=1)
        )
        return attrs.evolve(reply, singles=(single,), produced_at=world.now()).to_der()

    world.react = react
    assert world.why() is None
    for _ in range(60):
        world.wait(10)
        answer = world.get()
        assert answer is not None
        assert answer.fresh_until is not None
        assert answer.fresh_until > world.now()
    assert 10 <= len(world.askings) <= 31


# -- the clock jumps -------------------------------------------------------------------------------------


def test_the_clock_jumps_ahead() -> None:
    """Everything is due at once, and what is used is renewed."""
    world = started()
    paths = [world.another() for _ in range(10)]
    for path in paths:
        assert world.why(path) is None
        world.get(path)
    world.jumped = timedelta(days=3)
    world.wait(20)
    now = world.now()
    for path in paths:
        answer = world.get(path)
        assert answer is not None
        assert answer.fresh_until is not None
        assert answer.fresh_until > now


def test_the_clock_jumps_back() -> None:
    """What was planned by a clock that was half a day ahead does not wait for that."""
    world = started()
    world.react = lambda asking: world.honest(now=world.now() - world.jumped)(asking)
    world.jumped = timedelta(hours=12)
    assert world.why() is None
    assert world.status() == "good"
    world.wait(20)
    world.jumped = timedelta()
    world.wait(20)
    assert len(world.askings) == 2
    answer = world.get()
    assert answer is not None
    assert answer.fetched_at is not None
    assert answer.fetched_at <= world.now()
    world.wait(DAY / 2 + 60, 60)
    assert len(world.askings) == 3


def test_an_answer_from_the_future_does_not_stay() -> None:
    """Our clock was ahead, and the responder's too."""
    world = started()
    world.jumped = timedelta(days=300)
    assert world.why() is None
    assert world.status() == "good"
    world.wait(20)
    world.jumped = timedelta()
    world.react = world.honest("revoked")
    world.wait(20)
    assert world.status() == "revoked"


# -- bounds and reloads ----------------------------------------------------------------------------------


def test_the_one_unused_longest_is_forgotten_first() -> None:
    world = started(limits=OcspLimits(answers=3))
    paths = [world.another() for _ in range(3)]
    for path in paths:
        assert world.why(path) is None
    world.get(paths[0])
    late = world.another()
    assert world.why(late) is None
    assert [world.status(path) for path in (*paths, late)] == ["good", None, "good", "good"]


def test_bounded_bytes() -> None:
    world = started(limits=OcspLimits(answer_bytes=5000))
    paths = [world.another() for _ in range(10)]
    for path in paths:
        assert world.why(path) is None
    assert [world.status(path) for path in paths[:-3]] == [None] * 7
    assert world.status(paths[-1]) == "good"


def test_configure() -> None:
    """Groups that are gone or changed lose their answers, and whoever asks for them is told."""
    world = started()
    assert world.why() is None
    same = AnchorGroup("partners", (world.root,), revocation=world.group.revocation)
    world.answers.configure([same])
    assert world.status() == "good"
    assert world.group.revocation is not None
    policy = attrs.evolve(world.group.revocation, max_age=timedelta(days=1))
    after = attrs.evolve(world.group, revocation=policy)
    world.react = lambda asking: None
    waiting = world.ask(world.another())
    world.answers.configure([after])
    assert waiting.result == "ocsp.reconfigured: the group is another one by now"
    assert world.get() is None
    assert world.why() == "ocsp.reconfigured"
    world.group = after
    world.react = world.honest()
    assert world.why() is None


def test_a_group_without_ocsp_is_not_asked_for() -> None:
    world = started()
    assert world.why() is None
    assert world.group.revocation is not None
    world.answers.configure(
        [attrs.evolve(world.group, revocation=attrs.evolve(world.group.revocation, order=("crl",)))]
    )
    assert world.get() is None


def test_status() -> None:
    world = started(ocsp_url=None)
    assert world.answers.status() == ()
    good, revoked, unknown = (world.another(f"{A}/{number}") for number in range(3))
    assert world.why(good) is None
    world.react = world.honest("revoked")
    assert world.why(revoked) is None
    world.react = world.honest("unknown")
    assert world.why(unknown) is None
    world.react = lambda asking: None
    waiting = world.ask(world.another(f"{A}/"))
    (status,) = world.answers.status()
    assert (status.groups, status.kind, status.source) == (("partners",), "ocsp", A)
    assert status.answers == {"good": 1, "revoked": 1, "unknown": 1}
    assert (status.breaker, status.waiting, status.error) == ("closed", 1, None)
    assert status.last_good == status.last_tried == world.now()
    waiting.cancel()
    waiting.addErrback(lambda failure: None)


@pytest.mark.parametrize("change", [{"ocsp_url": "http://b.example/"}, {"order": ("crl",)}])
def test_status_without_those_whom_nobody_asks_any_more(change: dict[str, Any]) -> None:
    """A wrong URL that was corrected, or ocsp that was taken away: what failed would fail for ever."""
    world = started()
    world.react = lambda asking: FetchRefused("connection", "refused")
    assert world.why() is not None
    assert [own.source for own in world.answers.status() if own.error] == [A]
    assert world.group.revocation is not None
    policy = attrs.evolve(world.group.revocation, **change)
    world.answers.configure([attrs.evolve(world.group, revocation=policy)])
    assert [own for own in world.answers.status() if own.error] == []
    assert A not in {own.source for own in world.answers.status()}


def test_status_of_who_was_never_asked() -> None:
    (status,) = started().answers.status()
    assert (status.source, status.groups, status.last_tried) == (A, ("partners",), None)
