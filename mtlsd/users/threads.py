"""Where passwords are hashed: a few threads, and a queue that ends."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from mtlsd import reasons
from mtlsd.errors import Refusal

T = TypeVar("T")

THREADS: Final = 2
"""64 MiB each while they work, and a core."""

MOST_WAITING: Final = 32


class _DaemonThread(Thread):
    """Does not keep the process alive: nobody waits for the answer any more."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, daemon=True)


class _Pool(ThreadPool):
    threadFactory = _DaemonThread


class HashingThreads:
    """Runs what is dear, and refuses more of it than it can do soon.

    :param reactor: answers come back in its thread.
    """

    def __init__(self, reactor: IReactorFromThreads, most_waiting: int = MOST_WAITING) -> None:
        self._reactor = reactor
        self._most_waiting = most_waiting
        self._waiting = 0
        self._pool = _Pool(0, THREADS, "passwords")
        self._pool.start()

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        """Run `work` in a thread.

        It fails with the Refusal `user.unavailable` where too many wait. Whoever cancels it gets no answer;
        the work is done all the same, and counts for so long: a thread cannot be interrupted.
        """
        if self._waiting >= self._most_waiting:
            return fail(Refusal(reasons.USER_UNAVAILABLE, {"detail": f"{self._waiting} passwords wait"}))
        self._waiting += 1
        answer: Deferred[T] = Deferred()

        def done(result: Any) -> None:
            self._waiting -= 1
            answer.callback(result)

        deferToThreadPool(self._reactor, self._pool, work).addBoth(done)
        return answer

    def stop(self) -> None:
        """End the threads, and wait for them."""
        self._pool.stop()
