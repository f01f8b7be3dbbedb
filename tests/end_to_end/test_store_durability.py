"""Real processes on one store: killed at any moment, started at the same moment, without permission."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Barrier

import pytest

from mtlsd.stores.interfaces import ClientStore
from mtlsd.stores.schema import version_of
from mtlsd.stores.sqlite import open_store
from mtlsd.stores.sqlite_file import SQLiteFile
from mtlsd.stores.workers import InlineWorker
from tests.unit.stores.values import result_of

ROOT = Path(__file__).parents[2]
KILLS = 20
NOBODY = "65534"

# Registers PREFIX-0, PREFIX-1, ... and prints each once its Deferred has fired.
# SUBJECT "" makes a name for each; USER is whom it becomes first.
PROGRAM = """
import os
import sys
from datetime import datetime, UTC
from pathlib import Path
from mtlsd.stores.interfaces import StoreError
from mtlsd.stores.sqlite import open_store
from mtlsd.stores.workers import InlineWorker
from tests.unit.stores.values import named, result_of

path, prefix, count, subject, user = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), *sys.argv[4:]
store = open_store(path, InlineWorker())
print("ready", flush=True)
sys.stdin.readline()
if user:
    os.setuid(int(user))
try:
    result_of(store.open())
    for number in range(count):
        client_id = f"{prefix}-{number}"
        result_of(store.add_client(named(client_id, subject), datetime.now(UTC)))
        print(client_id, flush=True)
    result_of(store.close())
except StoreError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


@contextmanager
def adding(
    path: Path, prefix: str, count: int, subject: str = "", user: str = ""
) -> Iterator[subprocess.Popen[str]]:
    """The program above, imported and waiting for a line on its standard input."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path), prefix, str(count), subject, user],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", process.communicate()
            yield process
        finally:
            process.kill()


def start(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@contextmanager
def opened(path: Path) -> Iterator[ClientStore]:
    store = open_store(path, InlineWorker())
    result_of(store.open())
    try:
        yield store
    finally:
        result_of(store.close())


def stored(path: Path) -> list[str]:
    with opened(path) as store:
        return [client.client_id for client in result_of(store.list_clients())]


def test_what_was_answered_survives_kill_9(tmp_path: Path) -> None:
    """Each process dies at another moment: some before the file exists, most within a transaction."""
    path = tmp_path / "mtlsd.db"
    moments = random.Random(8705)
    answered: set[str] = set()
    for number in range(KILLS):
        with adding(path, f"p{number}", 100_000) as process:
            start(process)
            time.sleep(moments.uniform(0, 0.06))
            process.send_signal(signal.SIGKILL)
            printed = process.communicate()[0]
        answered.update(printed.splitlines())
        assert answered <= set(stored(path))
    assert len(answered) > KILLS
    # of what was not answered any more, at most the last of each process is there
    assert len(stored(path)) <= len(answered) + KILLS


def test_openers_at_the_same_instant_agree_on_one_file(tmp_path: Path) -> None:
    """SQLite does not wait for another connection that turns the write-ahead log on: nobody may see it."""
    with ThreadPoolExecutor(8) as threads:
        for number in range(25):
            path = tmp_path / str(number) / "mtlsd.db"
            path.parent.mkdir()
            barrier = Barrier(8)
            together = [threads.submit(open_together, barrier, path) for _ in range(8)]
            assert {opener.result() for opener in together} == {os.stat(path).st_ino}
            assert [entry.name for entry in path.parent.iterdir()] == ["mtlsd.db"]


def open_together(barrier: Barrier, path: Path) -> int:
    file = SQLiteFile(path)
    barrier.wait()
    with closing(file.connect_writer()) as connection:
        assert version_of(connection) == file.schema.version
        return file.identity()[1]


def test_processes_that_start_together_make_one_store(tmp_path: Path) -> None:
    """Four commands find no file and make it; all that they register is kept."""
    path = tmp_path / "mtlsd.db"
    with adding(path, "a", 20) as a, adding(path, "b", 20) as b, adding(path, "c", 20) as c:
        processes = (a, b, c)
        for process in processes:
            start(process)
        assert [process.communicate()[1] for process in processes] == ["", "", ""]
    assert sorted(stored(path)) == sorted(f"{prefix}-{number}" for prefix in "abc" for number in range(20))


def test_of_two_that_register_one_subject_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "mtlsd.db"
    with adding(path, "a", 1, "x.example") as a, adding(path, "b", 1, "x.example") as b:
        for process in (a, b):
            start(process)
        outcomes = [process.communicate() for process in (a, b)]
    (winner,) = stored(path)
    assert sorted(printed for printed, _ in outcomes) == ["", f"{winner}\n"]
    (said,) = (errors for _, errors in outcomes if errors)
    assert said.startswith("Conflict: ")
    assert repr(winner) in said


@pytest.mark.parametrize(
    ("of_directory", "of_file"), [(0o000, 0o600), (0o755, 0o000), (0o555, 0o444), (0o755, 0o444)]
)
def test_without_permission(of_directory: int, of_file: int) -> None:
    """Whoever may not use or not write the store is told the file and the remedy, and sees no traceback."""
    directory = Path(tempfile.mkdtemp())
    path = directory / "mtlsd.db"
    try:
        with opened(path):
            pass
        path.chmod(of_file)
        directory.chmod(of_directory)
        with adding(path, "a", 1, user=NOBODY if os.geteuid() == 0 else "") as process:
            start(process)
            printed, said = process.communicate()
    finally:
        directory.chmod(0o700)
        shutil.rmtree(directory)
    assert printed == ""
    assert said.startswith(f"StoreUnavailable: {path}: ")
    assert "Traceback" not in said
    assert "user" in said
