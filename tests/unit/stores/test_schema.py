"""Numbered schema files."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mtlsd.stores import sqlite_clients as clients
from mtlsd.stores.schema import Schema, upgrade, version_of
from mtlsd.stores.sqlite import open_store
from mtlsd.stores.workers import InlineWorker
from tests.unit.stores.values import named, result_of, sighting

ONE = "-- a comment; with a semicolon\nCREATE TABLE a (b TEXT);\nINSERT INTO a (b) VALUES (';');\n"
TWO = "CREATE TRIGGER t AFTER INSERT ON a\nBEGIN\n    DELETE FROM a;\nEND;\n-- the end\n"


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        yield connection


def schema(directory: Path, *scripts: str) -> Schema:
    for number, script in enumerate(scripts, start=1):
        (directory / f"{number:04}_step.sql").write_text(script)
    return Schema.from_directory(directory)


def names(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT name FROM sqlite_schema ORDER BY name")]


def test_the_installed_files_make_an_empty_database_current(connection: sqlite3.Connection) -> None:
    installed = Schema.for_sqlite()
    upgrade(connection, installed)
    assert version_of(connection) == installed.version >= 1
    assert "client" in names(connection)


def test_only_what_is_missing_is_applied(connection: sqlite3.Connection, tmp_path: Path) -> None:
    upgrade(connection, schema(tmp_path, ONE))
    assert (version_of(connection), names(connection)) == (1, ["a"])
    for _ in range(2):
        upgrade(connection, schema(tmp_path, ONE, TWO))
        assert (version_of(connection), names(connection)) == (2, ["a", "t"])
    assert connection.execute("SELECT count(*) FROM a").fetchone() == (1,)


def test_a_failing_file_leaves_the_version_before_it(connection: sqlite3.Connection, tmp_path: Path) -> None:
    broken = schema(tmp_path, ONE, "CREATE TABLE c (d TEXT);\nnonsense;\n")
    with pytest.raises(sqlite3.OperationalError):
        upgrade(connection, broken)
    assert (version_of(connection), names(connection)) == (1, ["a"])
    assert not connection.in_transaction


def test_a_statement_without_an_end(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no end"):
        schema(tmp_path, ONE, "CREATE TABLE c (d TEXT)")


@pytest.mark.parametrize("name", ["0002_b.sql", "1_b.sql", "0001_B.sql"])
def test_numbers_have_no_gaps(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(ONE)
    with pytest.raises(ValueError, match="0001"):
        Schema.from_directory(tmp_path)


def test_other_files_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("")
    assert schema(tmp_path, ONE).version == 1


def test_a_store_of_the_first_version_keeps_its_clients(tmp_path: Path) -> None:
    """And has sightings from then on."""
    path = tmp_path / "mtlsd.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        upgrade(connection, Schema(Schema.for_sqlite().steps[:1]))
        clients.add(connection, "test", named("a"), 0)
    path.chmod(0o600)
    store = open_store(path, InlineWorker())
    result_of(store.open())
    result_of(store.record_sightings([sighting("a", "1", 0, 1)]))
    assert result_of(store.list_clients()) == (named("a"),)
    assert result_of(store.sightings("a")) == (sighting("a", "1", 0, 1),)
    result_of(store.close())


def test_a_current_database_that_cannot_be_written_is_found(tmp_path: Path) -> None:
    """BEGIN IMMEDIATE alone takes it without a word."""
    installed, path = Schema.for_sqlite(), tmp_path / "current.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        upgrade(writer, installed)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as reader:
        with pytest.raises(sqlite3.OperationalError) as raised:
            upgrade(reader, installed)
        assert raised.value.sqlite_errorcode == sqlite3.SQLITE_READONLY
        assert not reader.in_transaction
