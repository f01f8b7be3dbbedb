"""Transactions on an SQLite file, from the reactor's side.

One connection and one thread write, another connection and thread read, so that nobody who reads waits for
an fsync. Work that waits at the same time is done in one transaction: under load many changes share one
fsync, and each is answered only once that is done.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import attrs
from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from mtlsd.stores.interfaces import StoreUnavailable
from mtlsd.stores.sqlite_file import SQLiteFile
from mtlsd.stores.workers import Worker

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


@attrs.frozen(eq=False)
class _Job:
    work: Work[Any]
    answer: Deferred[Any]


@attrs.frozen(eq=False)
class _Failed:
    error: Exception


class _Lane:
    """One connection, the worker it lives in, and what waits for it.

    :param begin: the statement that begins a transaction.
    :param max_waiting: with more than these waiting, more is refused at once.
    :param max_batch: as many are done in one transaction at most, to bound how long it keeps its lock.
    """

    def __init__(
        self, file: SQLiteFile, worker: Worker, begin: str, max_waiting: int, max_batch: int
    ) -> None:
        self._file = file
        self._worker = worker
        self._begin = begin
        self._max_waiting = max_waiting
        self._max_batch = max_batch
        self._waiting: deque[_Job] = deque()
        self._connection: sqlite3.Connection | None = None
        self._identity = (0, 0)
        self._accepting = False
        self._running = False
        self._idle: list[Deferred[None]] = []

    async def open(self, connect: Callable[[], sqlite3.Connection]) -> None:
        assert self._connection is None, "open already"
        self._connection = await self._worker.run(connect)
        self._identity = self._file.identity()
        self._accepting = True

    async def close(self) -> None:
        """Do what waits, then close the connection in its own thread."""
        self._accepting = False
        if self._running:
            idle: Deferred[None] = Deferred()
            self._idle.append(idle)
            await idle
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._worker.run(connection.close)

    def submit(self, work: Work[T]) -> Deferred[T]:
        if not self._accepting:
            return self._refuse("the store is not open", "mtlsd is starting or stopping: try again.")
        if len(self._waiting) >= self._max_waiting:
            return self._refuse(
                f"{self._max_waiting} operations are waiting for the store already",
                "Try again later. If it stays so, the disk is too slow: see the kernel's log.",
            )
        answer: Deferred[T] = Deferred()
        self._waiting.append(_Job(work, answer))
        self._next()
        return answer

    def _refuse(self, message: str, remedy: str) -> Deferred[Any]:
        return fail(StoreUnavailable(str(self._file.path), message, remedy))

    def _next(self) -> None:
        if self._running:
            return
        jobs = self._take()
        if jobs:
            self._running = True
            works = [job.work for job in jobs]
            self._worker.run(lambda: self._transact(works)).addBoth(self._answer, jobs)
            return
        idle, self._idle = self._idle, []
        for deferred in idle:
            deferred.callback(None)

    def _take(self) -> list[_Job]:
        jobs: list[_Job] = []
        while self._waiting and len(jobs) < self._max_batch:
            job = self._waiting.popleft()
            if not job.answer.called:  # otherwise it was cancelled while it waited
                jobs.append(job)
        return jobs

    def _answer(self, outcomes: Sequence[Any] | Failure, jobs: Sequence[_Job]) -> None:
        self._running = False
        if isinstance(outcomes, Failure):
            for job in jobs:
                job.answer.errback(outcomes)
        else:
            for job, outcome in zip(jobs, outcomes, strict=True):
                _give(job.answer, outcome)
        self._next()

    # -- in the worker's thread ------------------------------------------------------------------------

    def _transact(self, works: Sequence[Work[Any]]) -> list[Any]:
        """Do all of `works` in one transaction; one that fails undoes only what it did itself.

        :return: for each what it returned, or a _Failed.
        """
        connection = self._connection
        assert connection is not None
        try:
            self._refuse_replaced()
            connection.execute(self._begin)
            outcomes = [self._attempt(connection, work) for work in works]
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._file.unavailable(error) from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        return outcomes

    def _attempt(self, connection: sqlite3.Connection, work: Work[Any]) -> Any:
        connection.execute("SAVEPOINT work")
        try:
            outcome = work(connection)
        except Exception as error:
            if not connection.in_transaction:
                raise  # SQLite has rolled back everything, such as after a full disk
            connection.execute("ROLLBACK TO work")
            outcome = _Failed(self._file.unavailable(error) if isinstance(error, sqlite3.Error) else error)
        connection.execute("RELEASE work")
        return outcome

    def _refuse_replaced(self) -> None:
        """What is written to a file that was removed is lost, though SQLite notices nothing."""
        if self._file.identity() != self._identity:
            raise StoreUnavailable(
                str(self._file.path), "the store was replaced while it was in use", "Restart mtlsd."
            )


def _give(answer: Deferred[Any], outcome: Any) -> None:
    if isinstance(outcome, _Failed):
        answer.errback(outcome.error)
    else:
        answer.callback(outcome)


class SQLiteDatabase:
    """An SQLite file that several processes may use at once.

    :param writer: where writing runs; where `reader` is the same, reading waits for it.
    :param max_waiting: as many reads and as many writes may wait; more are refused with StoreUnavailable.
    :param max_batch: as many changes share one transaction at most.
    """

    def __init__(
        self,
        file: SQLiteFile | Path,
        writer: Worker,
        reader: Worker,
        *,
        max_waiting: int = 1000,
        max_batch: int = 100,
    ) -> None:
        self._file = SQLiteFile(file) if isinstance(file, Path) else file
        self._workers = tuple({id(worker): worker for worker in (writer, reader)}.values())
        self._writer = _Lane(self._file, writer, "BEGIN IMMEDIATE", max_waiting, max_batch)
        self._reader = _Lane(self._file, reader, "BEGIN", max_waiting, max_batch)

    @property
    def place(self) -> str:
        """The path, for messages."""
        return str(self._file.path)

    def open(self) -> Deferred[None]:
        """Make the file where it is missing, and bring it up to date. Open after a fork, never before.

        Fails with :class:`StoreUnavailable` or :class:`mtlsd.stores.interfaces.StoreTooNew`.
        """
        return Deferred.fromCoroutine(self._open())

    async def _open(self) -> None:
        for worker in self._workers:
            worker.start()
        try:
            await self._writer.open(self._file.connect_writer)
            await self._reader.open(self._file.connect_reader)
        except BaseException:
            await self._close()
            raise

    def close(self) -> Deferred[None]:
        """Finish what waits, and close. Closing twice does nothing."""
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        await self._reader.close()
        await self._writer.close()  # last: the writer may tidy the write-ahead log away
        for worker in self._workers:
            worker.stop()

    def write(self, work: Work[T]) -> Deferred[T]:
        """Run `work` with the writing connection; when the answer comes, what it did is on the disk.

        `work` runs in another thread and alone. It neither begins nor ends transactions. Where it raises,
        what it changed is undone and the answer is that exception; what SQLite raises becomes
        :class:`StoreUnavailable`. Cancelling helps as long as it waits; later it may happen all the same.
        """
        return self._writer.submit(work)

    def read(self, work: Work[T]) -> Deferred[T]:
        """Run `work` with a connection that cannot write, on one state of the whole database."""
        return self._reader.submit(work)
