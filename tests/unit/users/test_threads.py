"""The threads that hash passwords: a few, and a queue that ends."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Any
from unittest import mock

from twisted.internet.defer import CancelledError, Deferred

from mtlsd import reasons
from mtlsd.users.threads import HashingThreads


def reasons_of(failed: list[Any]) -> list[Any]:
    return [getattr(failure.value, "reason", failure.type) for failure in failed]


def test_more_than_can_be_done_soon_is_refused() -> None:
    """Whoever goes away takes no work off the threads: it counts until it is done."""
    calls: list[Callable[[], None]] = []
    reactor = mock.Mock(callFromThread=lambda work, *given: calls.append(lambda: work(*given)))
    threads, go, failed = HashingThreads(reactor, most_waiting=3), Event(), list[Any]()
    try:
        given_up: Deferred[bool] = threads.run(go.wait)
        given_up.addErrback(failed.append)
        given_up.cancel()
        answers = list[bool]()
        for _ in range(3):
            threads.run(go.wait).addCallbacks(answers.append, failed.append)
        assert reasons_of(failed) == [CancelledError, reasons.USER_UNAVAILABLE]
        go.set()
    finally:
        threads.stop()
    for call in calls:
        call()
    assert answers == [True, True]
    assert threads._waiting == 0
