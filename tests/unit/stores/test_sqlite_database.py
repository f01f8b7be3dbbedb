"""Transactions: who shares one, what one failure undoes, what is refused, and a real thread."""

from __future__ import annotations

import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorFromThreads

from mtlsd.stores.interfaces import StoreUnavailable
from mtlsd.stores.sqlite_database import SQLiteDatabase, Work
from mtlsd.stores.sqlite_file import SQLiteFile
from mtlsd.stores.workers import InlineWorker, ThreadWorker
from tests.unit.stores.values import failure_of, result_of

T = TypeVar("T")


class SteppingWorker:
    """Does one piece of work for each call of :meth:`step`, as a slow disk would."""

    def __init__(self) -> None:
        self.steps: list[Callable[[], object]] = []

    def start(self) -> None:
        pass

    def stop(self) -> None:
        assert not self.steps

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        answer: Deferred[T] = Deferred()
        self.steps.append(lambda: InlineWorker().run(work).chainDeferred(answer))
        return answer

    def step(self) -> None:
        self.steps.pop(0)()


def insert(client_id: str) -> Work[str]:
    """A change that is easy to see."""

    def work(connection: sqlite3.Connection) -> str:
        connection.execute(
            "INSERT INTO retired_client_id (client_id, removed_at) VALUES (?, 0)", (client_id,)
        )
        return client_id

    return work


def ids(connection: sqlite3.Connection) -> str:
    rows = connection.execute("SELECT client_id FROM retired_client_id ORDER BY client_id")
    return "".join(row[0] for row in rows)


def insert_and_raise(connection: sqlite3.Connection) -> None:
    insert("x")(connection)
    raise KeyError("no")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mtlsd.db"


@pytest.fixture
def database(path: Path) -> Iterator[SQLiteDatabase]:
    """All work is done at once; another process's lock is not waited for."""
    database = SQLiteDatabase(SQLiteFile(path, busy_seconds=0), InlineWorker(), InlineWorker())
    result_of(database.open())
    yield database
    result_of(database.close())


@pytest.fixture
def worker() -> SteppingWorker:
    return SteppingWorker()


@pytest.fixture
def slow(path: Path, worker: SteppingWorker) -> Iterator[SQLiteDatabase]:
    """Writing takes steps. It is open, and a first write is on its way, so that more writes wait."""
    slow = SQLiteDatabase(path, worker, InlineWorker(), max_waiting=3, max_batch=2)
    opening = slow.open()
    worker.step()
    result_of(opening)
    slow.write(insert("0"))
    yield slow
    closing = slow.close()
    while worker.steps:
        worker.step()
    result_of(closing)


def test_a_write_answers_with_what_the_work_returns(database: SQLiteDatabase) -> None:
    assert result_of(database.write(insert("a"))) == "a"
    assert result_of(database.read(ids)) == "a"


def test_work_that_raises_is_undone(database: SQLiteDatabase) -> None:
    failure_of(database.write(insert_and_raise), KeyError)
    assert result_of(database.read(ids)) == ""


def test_what_sqlite_raises_is_not_for_callers(database: SQLiteDatabase, path: Path) -> None:
    error = failure_of(database.write(lambda connection: connection.execute("nonsense")), StoreUnavailable)
    assert error.place == str(path)
    assert isinstance(error.__cause__, sqlite3.Error)


def test_the_reader_cannot_write(database: SQLiteDatabase) -> None:
    failure_of(database.read(insert("a")), StoreUnavailable)
    assert result_of(database.read(ids)) == ""


def test_answers_are_durable(database: SQLiteDatabase) -> None:
    """In WAL mode only synchronous = FULL syncs before COMMIT returns."""

    def settings(connection: sqlite3.Connection) -> list[Any]:
        names = ("journal_mode", "synchronous", "foreign_keys", "trusted_schema", "query_only")
        return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert result_of(database.write(settings)) == ["wal", 2, 1, 0, 0]
    assert result_of(database.read(settings)) == ["wal", 2, 1, 0, 1]


def test_what_waits_together_shares_one_transaction(slow: SQLiteDatabase, worker: SteppingWorker) -> None:
    statements: list[str] = []
    worker.step()
    first = slow.write(lambda connection: connection.set_trace_callback(statements.append))
    waiting = [slow.write(insert(client_id)) for client_id in "abc"]
    worker.step()
    result_of(first)
    statements.clear()
    worker.step()
    assert [result_of(answer) for answer in waiting[:2]] == ["a", "b"]
    assert statements.count("COMMIT") == 1
    assert not waiting[2].called
    worker.step()
    assert result_of(waiting[2]) == "c"


def test_one_failure_undoes_only_its_own_work(slow: SQLiteDatabase, worker: SteppingWorker) -> None:
    bad, good = slow.write(insert_and_raise), slow.write(insert("a"))
    worker.step()
    worker.step()
    failure_of(bad, KeyError)
    result_of(good)
    assert result_of(slow.read(ids)) == "0a"


def test_a_failing_commit_fails_all_that_shared_it(slow: SQLiteDatabase, worker: SteppingWorker) -> None:
    def orphan(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA defer_foreign_keys = ON")
        connection.execute("INSERT INTO client_pin (sha256, client_id) VALUES (zeroblob(32), 'nobody')")

    answers: list[Deferred[Any]] = [slow.write(orphan), slow.write(insert("a"))]
    worker.step()
    worker.step()
    for answer in answers:
        failure_of(answer, StoreUnavailable)
    later = slow.write(insert("b"))
    worker.step()
    result_of(later)
    assert result_of(slow.read(ids)) == "0b"


def test_too_many_waiting_are_refused_at_once(slow: SQLiteDatabase, worker: SteppingWorker) -> None:
    waiting = [slow.write(insert(client_id)) for client_id in "abc"]
    error = failure_of(slow.write(insert("d")), StoreUnavailable)
    assert "3 operations are waiting" in error.message
    for _ in range(3):
        worker.step()
    assert [result_of(answer) for answer in waiting] == ["a", "b", "c"]
    assert result_of(slow.read(ids)) == "0abc"


def test_cancelled_while_it_waits_nothing_happens(slow: SQLiteDatabase, worker: SteppingWorker) -> None:
    cancelled = slow.write(insert("a"))
    cancelled.cancel()
    failure_of(cancelled, CancelledError)
    worker.step()
    assert worker.steps == []
    assert result_of(slow.read(ids)) == "0"


def test_cancelled_while_it_runs_it_may_happen_and_others_are_answered(
    slow: SQLiteDatabase, worker: SteppingWorker
) -> None:
    running, other = slow.write(insert("a")), slow.write(insert("b"))
    worker.step()
    running.cancel()
    failure_of(running, CancelledError)
    worker.step()
    assert result_of(other) == "b"


def test_closing_does_first_what_waits(path: Path, worker: SteppingWorker) -> None:
    database = SQLiteDatabase(path, worker, InlineWorker())
    opening = database.open()
    worker.step()
    result_of(opening)
    answers = [database.write(insert(client_id)) for client_id in "ab"]
    closing = database.close()
    failure_of(database.write(insert("c")), StoreUnavailable)
    while worker.steps:
        worker.step()
    result_of(closing)
    assert [result_of(answer) for answer in answers] == ["a", "b"]
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_full_disk_keeps_what_there_was(database: SQLiteDatabase) -> None:
    def limit(pages: int) -> Work[None]:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute(f"PRAGMA max_page_count = {pages}")

        return work

    result_of(database.write(insert("a")))
    result_of(database.write(limit(1)))  # SQLite makes it as many as there are
    error = failure_of(database.write(insert("b" * 100_000)), StoreUnavailable)
    assert "no room" in error.message
    assert result_of(database.read(ids)) == "a"
    result_of(database.write(limit(1_000_000)))
    result_of(database.write(insert("b")))


def test_a_lock_of_another_process(database: SQLiteDatabase, path: Path) -> None:
    """Reading goes on, writing says what is the matter and works again later."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    error = failure_of(database.write(insert("a")), StoreUnavailable)
    assert "locked by another process" in error.message
    assert result_of(database.read(ids)) == ""
    other.execute("COMMIT")
    other.close()
    result_of(database.write(insert("a")))


@pytest.mark.parametrize("replacement", [False, True])
def test_a_file_that_was_removed_or_replaced(database: SQLiteDatabase, path: Path, replacement: bool) -> None:
    """Its old inode would take the writes, and lose them with the last process that has it open."""
    os.rename(path, path.with_suffix(".old"))
    if replacement:
        path.touch()
    failure_of(database.write(insert("a")), StoreUnavailable)
    failure_of(database.read(ids), StoreUnavailable)


def test_it_may_be_opened_again_after_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "later" / "mtlsd.db"
    database = SQLiteDatabase(path, InlineWorker(), InlineWorker())
    failure_of(database.open(), StoreUnavailable)
    failure_of(database.write(insert("a")), StoreUnavailable)
    path.parent.mkdir()
    result_of(database.open())
    result_of(database.write(insert("a")))
    result_of(database.close())


class QueueReactor:
    """Of a reactor only what gets answers out of threads; the test is its thread."""

    def __init__(self) -> None:
        self._calls: queue.Queue[Callable[[], Any]] = queue.Queue()

    def callFromThread(self, callable: Callable[..., Any], *args: object, **kwargs: object) -> None:
        self._calls.put(lambda: callable(*args, **kwargs))

    def wait(self, deferred: Deferred[T]) -> T:
        while not deferred.called:
            self._calls.get(timeout=10)()
        return result_of(deferred)


def test_real_threads(path: Path) -> None:
    """Two threads of its own, never the caller's, which end with it; and it opens again."""
    reactor = QueueReactor()
    as_reactor = cast(IReactorFromThreads, reactor)
    before = threading.active_count()
    database = SQLiteDatabase(path, ThreadWorker(as_reactor, "writer"), ThreadWorker(as_reactor, "reader"))
    for expected in (20, 40):
        reactor.wait(database.open())
        answers = [database.write(insert(f"{expected}-{number}")) for number in range(20)]
        for answer in answers:
            reactor.wait(answer)
        count = database.read(lambda c: c.execute("SELECT count(*) FROM retired_client_id").fetchone()[0])
        assert reactor.wait(count) == expected
        names = {
            reactor.wait(run(lambda _: threading.current_thread())) for run in (database.read, database.write)
        }
        assert len(names) == 2
        assert threading.current_thread() not in names
        assert all(thread.daemon for thread in names)
        reactor.wait(database.close())
        assert threading.active_count() == before


def test_one_thread_may_do_both(path: Path) -> None:
    reactor = QueueReactor()
    worker = ThreadWorker(cast(IReactorFromThreads, reactor), "store")
    database = SQLiteDatabase(path, worker, worker)
    reactor.wait(database.open())
    reactor.wait(database.write(insert("a")))
    assert reactor.wait(database.read(ids)) == "a"
    reactor.wait(database.close())
