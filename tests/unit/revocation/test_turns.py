"""Turns: some at once, the others after the rest of the reactor has had its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime

from mtlsd.revocation.turns import Turns


class Reactor:
    """Like a reactor, and unlike a Clock, it leaves what is asked for in a turn to the next one."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def callLater(self, seconds: float, call: Callable[[], None]) -> None:
        assert seconds == 0
        self.calls.append(call)

    def turn(self) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            call()


def turns_of(reactor: Reactor, at_once: int) -> Turns:
    return Turns(cast(IReactorTime, reactor), at_once)


def test_some_in_each_turn() -> None:
    reactor = Reactor()
    turns = turns_of(reactor, 2)
    waiting = [turns.turn() for _ in range(5)]
    seen = [sum(own.called for own in waiting)]
    while reactor.calls:
        reactor.turn()
        seen.append(sum(own.called for own in waiting))
    assert seen == [2, 4, 5, 5]


def test_who_comes_later_waits_behind_the_others() -> None:
    reactor = Reactor()
    turns = turns_of(reactor, 1)
    turns.turn()
    first = turns.turn()
    second = turns.turn()
    reactor.turn()
    third = turns.turn()
    assert (first.called, second.called, third.called) == (True, False, False)
    reactor.turn()
    assert (second.called, third.called) == (True, False)


def test_whoever_gives_up_is_nobody_to_wait_for() -> None:
    reactor = Reactor()
    turns = turns_of(reactor, 1)
    turns.turn()
    gone, other = turns.turn(), turns.turn()
    gone.addErrback(lambda failure: failure.trap(CancelledError))
    gone.cancel()
    reactor.turn()
    assert other.called
