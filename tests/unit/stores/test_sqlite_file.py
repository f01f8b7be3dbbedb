"""The file: how it is made, and which files are refused, unchanged, with what words."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from mtlsd.stores.interfaces import StoreTooNew, StoreUnavailable
from mtlsd.stores.schema import APPLICATION_ID, Schema
from mtlsd.stores.sqlite import SQLiteStore, open_store
from mtlsd.stores.sqlite_file import SQLiteFile
from mtlsd.stores.workers import InlineWorker
from tests.unit.stores.values import NOW, failure_of, named, result_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mtlsd.db"


@contextmanager
def opened(path: Path) -> Iterator[SQLiteStore]:
    store = open_store(path, InlineWorker())
    result_of(store.open())
    try:
        yield store
    finally:
        result_of(store.close())


def refused(path: Path) -> StoreUnavailable:
    """Why the file is refused, after checking that nothing was changed and nothing left beside it."""
    before = path.read_bytes() if path.is_file() else None
    error = failure_of(open_store(path, InlineWorker()).open(), StoreUnavailable)
    assert (path.read_bytes() if path.is_file() else None) == before
    assert not list(path.parent.glob(f"{path.name}-*"))
    assert str(error).startswith(f"{path}: ")
    assert error.remedy
    return error


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_its_owner_can_use_it(path: Path) -> None:
    umask = os.umask(0)
    try:
        with opened(path) as store:
            result_of(store.add_client(named("a"), NOW))
            modes = {entry.name: mode(entry) for entry in path.parent.iterdir()}
    finally:
        os.umask(umask)
    assert modes == {"mtlsd.db": 0o600, "mtlsd.db-wal": 0o600, "mtlsd.db-shm": 0o600}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files for others")
def test_made_by_root_it_belongs_to_the_owner_of_its_directory(path: Path) -> None:
    os.chown(path.parent, 65534, 65533)
    with opened(path) as store:
        result_of(store.add_client(named("a"), NOW))
        owners = {(entry.stat().st_uid, entry.stat().st_gid) for entry in path.parent.iterdir()}
    assert owners == {(65534, 65533)}


@pytest.mark.parametrize("ending", ["", "-wal", "-shm"])
def test_a_file_that_may_only_be_read(path: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found before SQLite makes the two others like it, which would outlive a chmod of the store."""
    with opened(path):
        pass
    file = path.with_name(path.name + ending)
    file.touch()
    before = sorted(path.parent.iterdir())
    monkeypatch.setattr("mtlsd.stores.sqlite_file.os.access", lambda name, how: name != file)
    error = failure_of(open_store(path, InlineWorker()).open(), StoreUnavailable)
    assert error.message == f"{file.name} cannot be written"
    assert f"chmod 600 {file}" in error.remedy
    assert sorted(path.parent.iterdir()) == before


@pytest.mark.parametrize("name", ["a?mode=memory.db", "a#b%20c.db", "ä b.db"])
def test_any_name_is_just_a_name(tmp_path: Path, name: str) -> None:
    with opened(tmp_path / name) as store:
        result_of(store.add_client(named("a"), NOW))
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_the_file_says_whose_it_is(path: Path) -> None:
    with opened(path):
        pass
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert connection.execute("PRAGMA user_version").fetchone() == (Schema.for_sqlite().version,)


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    """As one that was made just before a crash."""
    path.touch()
    with opened(path) as store:
        result_of(store.add_client(named("a"), NOW))


def test_no_directory(tmp_path: Path) -> None:
    assert "No such file or directory" in refused(tmp_path / "missing" / "mtlsd.db").message


def test_a_directory(path: Path) -> None:
    path.mkdir()
    assert "not a file" in refused(path).message


def test_everybody_could_register_clients(path: Path) -> None:
    path.touch()
    path.chmod(0o606)
    assert "everybody may write" in refused(path).message


@pytest.mark.parametrize(
    "content", [b"some text that is no database\n" * 100, b"SQLite format 3\0" + bytes(8000)]
)
def test_no_database(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)
    assert "is not a store of mtlsd" in refused(path).message


@pytest.mark.parametrize("statement", ["CREATE TABLE bookmark (url TEXT)", "PRAGMA application_id = 42"])
def test_another_programs_database(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.execute("VACUUM")  # writes the pragma even where there is no table
    path.chmod(0o600)
    assert "is not a store of mtlsd" in refused(path).message


def test_a_newer_store_is_refused(path: Path) -> None:
    """Both versions and the remedy are said, and nothing is changed."""
    with opened(path):
        pass
    known = Schema.for_sqlite().version
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {known + 7}")
    before = path.read_bytes()
    error = failure_of(open_store(path, InlineWorker()).open(), StoreTooNew)
    assert f"version {known + 7}" in error.message
    assert f"knows {known} at most" in error.message
    assert "newer" in error.remedy
    assert path.read_bytes() == before


def test_a_damaged_file(path: Path) -> None:
    """The header is whole, the tables are not."""
    with opened(path) as store:
        for number in range(100):
            result_of(store.add_client(named(f"client-{number}"), NOW))
    content = bytearray(path.read_bytes())
    content[8192:] = os.urandom(len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises(StoreUnavailable) as caught, opened(path) as store:
        result_of(store.list_clients())
    assert "is damaged" in caught.value.message
    assert "backup" in caught.value.remedy


def test_a_store_that_cannot_be_finished_leaves_nothing(path: Path) -> None:
    """As on a full disk: the file that is named is the one that was asked for."""
    file = SQLiteFile(path, Schema((("CREATE TABLE a (b TEXT)", "nonsense"),)))
    with pytest.raises(StoreUnavailable) as caught:
        file.connect_writer()
    assert caught.value.place == str(path)
    assert list(path.parent.iterdir()) == []


def test_a_locked_file(path: Path) -> None:
    with opened(path):
        pass
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked by another process"):
            SQLiteFile(path, busy_seconds=0).connect_writer()


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (sqlite3.SQLITE_READONLY_DIRECTORY, "cannot be written"),
        (sqlite3.SQLITE_IOERR_FSYNC, "the disk fails"),
        (sqlite3.SQLITE_CANTOPEN, "cannot be opened"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "locked"),
        (sqlite3.SQLITE_CORRUPT_INDEX, "damaged"),
        (sqlite3.SQLITE_MISUSE, "fails: what it says"),
    ],
)
def test_what_sqlite_says_is_told_to_people(path: Path, code: int, word: str) -> None:
    said = sqlite3.OperationalError("what it says")
    said.sqlite_errorcode, said.sqlite_errorname = code, "SQLITE_X"
    error = SQLiteFile(path).unavailable(said)
    assert word in error.message
    assert "(SQLITE_X)" in error.message
