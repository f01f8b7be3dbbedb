"""Where the blocking calls of a store run: in a thread of its own, or at once."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred, execute
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

T = TypeVar("T")


class Worker(Protocol):
    """Runs blocking work, one after the other and all of it in one thread."""

    def start(self) -> None:
        """Get ready; a worker that was stopped may be started again."""

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        """Run `work`, and answer with what it returns or raises."""

    def stop(self) -> None:
        """Let go of the thread. Nothing may be running."""


class InlineWorker:
    """Runs work at once, in the caller's thread: for commands, which have no reactor, and for tests."""

    def start(self) -> None:
        """Nothing to do."""

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        """Every Deferred has fired when this returns."""
        return execute(work)

    def stop(self) -> None:
        """Nothing to do."""


class _DaemonThread(Thread):
    """Does not keep the process alive: what was answered is on the disk, the rest nobody was promised."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, daemon=True)


class _Pool(ThreadPool):
    threadFactory = _DaemonThread


class ThreadWorker:
    """One thread of its own, never one of the reactor's pool, which name resolution and others share.

    :param reactor: answers come back in its thread.
    :param name: shown in debuggers and logs.
    """

    def __init__(self, reactor: IReactorFromThreads, name: str) -> None:
        self._reactor = reactor
        self._name = name
        self._pool: _Pool | None = None

    def start(self) -> None:
        """Start the thread. Threads do not survive a fork: start after it."""
        self._pool = _Pool(1, 1, self._name)
        self._pool.start()

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        """`work` waits until what was given before is done."""
        assert self._pool is not None, "not started"
        return deferToThreadPool(self._reactor, self._pool, work)

    def stop(self) -> None:
        """End the thread, and wait for it."""
        if self._pool is not None:
            self._pool.stop()
            self._pool = None
