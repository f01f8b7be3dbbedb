"""Artifacts in an SQLite file: the contract, and what lies in the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from mtlsd.oauth.artifacts import Bounds
from mtlsd.stores.interfaces import ArtifactStore, StoreUnavailable
from mtlsd.stores.schema import Schema
from mtlsd.stores.sqlite import SQLiteStore, open_store
from mtlsd.stores.sqlite_database import SQLiteDatabase
from mtlsd.stores.sqlite_file import SQLiteFile
from mtlsd.stores.workers import InlineWorker
from tests.unit.stores import artifacts_contract as contract
from tests.unit.stores.artifacts_contract import DAY, MINUTE, artifact, key
from tests.unit.stores.values import NOW, failure_of, named, result_of


class SQLiteArtifactsTests(contract.ArtifactStoreContract):
    """The contract, against a file."""

    def setUp(self) -> None:
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name) / "mtlsd.db"
        self.store = self.open_store()
        self.other = self.open_store()
        super().setUp()

    def open_store(self) -> SQLiteStore:
        store = SQLiteStore(SQLiteDatabase(self.path, InlineWorker(), InlineWorker()), contract.BOUNDS)
        result_of(store.open())
        self.addCleanup(store.close)
        return store

    def open_artifacts(self) -> ArtifactStore:
        """Now this one, now that one."""
        self.store, self.other = self.other, self.store
        return self.store.artifacts

    def set_disabled(self, client_id: str, disabled: bool) -> None:
        if result_of(self.store.get_client(client_id)) is None:
            result_of(self.store.add_client(named(client_id), NOW))
        result_of(self.store.set_disabled(client_id, disabled, NOW))

    def forget(self, client_id: str) -> None:
        result_of(self.store.remove_client(client_id, NOW))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mtlsd.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    store = open_store(path, InlineWorker())
    result_of(store.open())
    yield store
    result_of(store.close())


@pytest.fixture
def shell(store: SQLiteStore, path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as shell:
        yield shell


def rows(shell: sqlite3.Connection, table: str = "artifact") -> int:
    number: int = shell.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return number


def test_no_secret_is_in_the_file(store: SQLiteStore, path: Path) -> None:
    result_of(store.artifacts.save(artifact("a secret", scope="visible"), now=NOW))
    result_of(store.artifacts.consume("code", key("a secret"), NOW))
    content = b"".join(own.read_bytes() for own in path.parent.iterdir())
    assert b"visible" in content
    assert b"a secret" not in content


def test_a_closed_store_is_unavailable(store: SQLiteStore) -> None:
    result_of(store.close())
    failure_of(store.artifacts.save(artifact(), now=NOW), StoreUnavailable)
    failure_of(store.artifacts.find("code", key("1"), NOW), StoreUnavailable)


def test_a_lowered_bound_is_reached_in_the_end(
    path: Path, store: SQLiteStore, shell: sqlite3.Connection
) -> None:
    """A save has little to do even then."""
    many = [artifact(str(number), kind="request_uri") for number in range(300)]
    result_of(store.artifacts.save(*many, now=NOW))
    strict = SQLiteStore(
        SQLiteDatabase(path, InlineWorker(), InlineWorker()), Bounds(a_client={"request_uri": 3})
    )
    result_of(strict.open())
    left = []
    for number in range(4):
        result_of(strict.artifacts.save(artifact(f"new {number}", kind="request_uri"), now=NOW))
        left.append(rows(shell))
    result_of(strict.close())
    assert left == [201, 102, 3, 3]


def test_sweeping_deletes_what_was_removed(store: SQLiteStore, shell: sqlite3.Connection) -> None:
    """In small batches, until nothing is left but the memory of the grant, and in the end not even that."""
    for number in range(10):
        own = (artifact(f"{name}{number}", client_id=name, grant_id=name) for name in "abc")
        result_of(store.artifacts.save(*own, now=NOW))
    result_of(store.artifacts.remove_grant("a", NOW))
    result_of(store.artifacts.remove_client("b", NOW))
    result_of(store.artifacts.save(artifact("later", client_id="b"), now=NOW))
    before = rows(shell)
    batches: list[int] = []
    while not batches or batches[-1] == 4:
        batches.append(result_of(store.artifacts.sweep(NOW, 4)))
        assert before - rows(shell) <= 4
        before = rows(shell)
    assert sum(batches) == 22  # two of them the marks
    assert (rows(shell), rows(shell, "removed_grant"), rows(shell, "removed_client")) == (11, 1, 0)
    assert result_of(store.artifacts.find("code", key("later"), NOW)) is not None
    assert result_of(store.artifacts.sweep(NOW + 3 * DAY, 100)) == 12
    assert (rows(shell), rows(shell, "removed_grant")) == (0, 0)


def test_a_client_that_a_person_deletes_takes_its_artifacts_with_it(
    store: SQLiteStore, shell: sqlite3.Connection
) -> None:
    result_of(store.add_client(named("a"), NOW))
    result_of(store.artifacts.save(artifact(), now=NOW))
    shell.execute("DELETE FROM client WHERE client_id = 'a'")
    assert result_of(store.artifacts.find("code", key("1"), NOW)) is None


def test_a_store_of_the_version_before_is_brought_up_to_date(path: Path) -> None:
    """What is in it stays, and clients of then are followed from now on."""
    file = SQLiteFile(path, Schema(Schema.for_sqlite().steps[:2]))
    with closing(file.connect_writer()) as connection:
        connection.execute("INSERT INTO client VALUES ('a', '{}', 0, 0, 0)")
    store = open_store(path, InlineWorker())
    result_of(store.open())
    result_of(store.artifacts.save(artifact("1"), artifact("2", client_id="b"), now=NOW))
    result_of(store.set_disabled("a", True, NOW))
    assert result_of(store.artifacts.find("code", key("1"), NOW)) is None
    assert result_of(store.artifacts.find("code", key("2"), NOW)) is not None
    result_of(store.close())


def test_no_statement_scans_or_sorts(store: SQLiteStore, shell: sqlite3.Connection) -> None:
    """What every operation really runs, as SQLite plans it."""
    seen: list[str] = []
    database = store._database
    for lane in (database.write, database.read):
        result_of(lane(lambda connection: connection.set_trace_callback(seen.append)))
    result_of(
        store.artifacts.save(artifact(grant_id="g"), artifact("r", "refresh_token", None, "g"), now=NOW)
    )
    result_of(store.artifacts.consume("code", key("1"), NOW, (artifact("2"),)))
    result_of(store.artifacts.claim("replay", key("3"), NOW + MINUTE, NOW))
    result_of(store.artifacts.remove("code", key("2")))
    result_of(store.artifacts.remove_grant("g", NOW))
    result_of(store.artifacts.remove_client("a", NOW))
    result_of(store.artifacts.grant_removed("g", NOW))
    result_of(store.artifacts.of_kind("code", NOW))
    result_of(store.artifacts.save(artifact("c", client_id="c"), now=NOW))
    assert result_of(store.artifacts.client_ids())
    result_of(store.artifacts.sweep(NOW, 100))
    statements = {own for own in seen if own.lstrip().startswith(("SELECT", "INSERT", "UPDATE", "DELETE"))}
    assert len(statements) > 15
    plans = [
        (detail, statement)
        for statement in statements
        for *_, detail in shell.execute(f"EXPLAIN QUERY PLAN {statement}")
    ]
    assert [plan for plan in plans if _is_slow(*plan)] == []


def _is_slow(detail: str, statement: str) -> bool:
    """The first mark of those that wait looks like a scan, and is one row."""
    is_one_row = "CONSTANT" in detail or ("LIMIT 1" in statement and "FROM removed_" in statement)
    return "TEMP B-TREE" in detail or ("SCAN" in detail and not is_one_row)
