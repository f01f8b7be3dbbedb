"""Artifacts on a real disk: fifty who want the same at once, and processes that are killed at any moment."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

from cryptography import x509

from mtlsd.oauth.artifacts import Artifact, Found, Kind
from mtlsd.stores.interfaces import ArtifactStore
from mtlsd.stores.sqlite import open_store
from mtlsd.stores.workers import InlineWorker
from tests.end_to_end import daemon as daemons
from tests.end_to_end.setup import Setup
from tests.end_to_end.test_grants import CALLBACK
from tests.end_to_end.test_grants import World as Grants
from tests.unit.stores.values import result_of

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).parent / "programs" / "artifact_writer.py"
KILLS, RACES, PROCESSES, THREADS = 50, 10, 5, 10
END = datetime.now(UTC) + timedelta(days=1)


@contextmanager
def opened(path: Path) -> Iterator[ArtifactStore]:
    store = open_store(path, InlineWorker())
    result_of(store.open())
    try:
        yield store.artifacts
    finally:
        result_of(store.close())


def artifact(kind: Kind, name: str, grant_id: str | None = None) -> Artifact:
    return Artifact(kind, Artifact.key_of(name), "a", grant_id, {"name": name}, END)


def find(artifacts: ArtifactStore, kind: Kind, name: str) -> Found | None:
    return result_of(artifacts.find(kind, Artifact.key_of(name), datetime.now(UTC)))


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The program, imported and waiting for a line on its standard input."""
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
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


# -- races ----------------------------------------------------------------------------------------------


def test_of_fifty_in_several_processes_one_wins(tmp_path: Path) -> None:
    """Each of the fifty has a connection of its own to the file. Only the winner's successor is there."""
    path = tmp_path / "mtlsd.db"
    with opened(path) as artifacts:
        codes = [artifact("code", f"code {race}") for race in range(RACES)]
        result_of(artifacts.save(*codes, now=datetime.now(UTC)))
        arguments = ("race", str(path), str(RACES), str(THREADS))
        with (
            running(*arguments) as a,
            running(*arguments) as b,
            running(*arguments) as c,
            running(*arguments) as d,
            running(*arguments) as e,
        ):
            processes = (a, b, c, d, e)
            for process in processes:
                start(process)
            outcomes = [process.communicate() for process in processes]
        assert [errors for _, errors in outcomes] == [""] * PROCESSES
        lines = [line.split(" ") for printed, _ in outcomes for line in printed.splitlines()]
        assert len(lines) == 2 * RACES * PROCESSES * THREADS
        for race in range(RACES):
            (winner,) = (
                who for what, number, who, won in lines if (what, number, won) == ("code", str(race), "True")
            )
            successors = [
                who
                for what, number, who, _ in lines
                if (what, number) == ("code", str(race)) and find(artifacts, "refresh_token", f"{race} {who}")
            ]
            assert successors == [winner]
            claims = [won for what, number, _, won in lines if (what, number) == ("jti", str(race))]
            assert sorted(claims) == ["False"] * (PROCESSES * THREADS - 1) + ["True"]


def test_of_fifty_threads_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "mtlsd.db"
    barrier = Barrier(50)

    def consume(number: int) -> bool:
        with opened(path) as artifacts:
            barrier.wait()
            then = (artifact("refresh_token", str(number)),)
            found = result_of(artifacts.consume("code", Artifact.key_of("1"), datetime.now(UTC), then))
        assert found is not None
        return found.consumed_at is None

    with opened(path) as artifacts:
        result_of(artifacts.save(artifact("code", "1"), now=datetime.now(UTC)))
        with ThreadPoolExecutor(50) as threads:
            outcomes = list(threads.map(consume, range(50)))
        there = [find(artifacts, "refresh_token", str(number)) is not None for number in range(50)]
    assert sum(outcomes) == 1
    assert there == outcomes


# -- kill -9 --------------------------------------------------------------------------------------------


def test_what_was_answered_survives_kill_9(tmp_path: Path) -> None:
    """Nothing that was answered is lost, nothing that was used comes back, nothing is there by halves.

    Each process dies at another moment, most within a transaction.
    """
    path = tmp_path / "mtlsd.db"
    moments = random.Random(9700)
    answered: list[tuple[str, str]] = []
    for number in range(KILLS):
        with running("work", str(path), f"p{number}") as process:
            start(process)
            time.sleep(moments.uniform(0.005, 0.06))
            process.send_signal(signal.SIGKILL)
            printed, errors = process.communicate()
        assert "Traceback" not in errors
        lines = [line.split(" ", 1) for line in printed.splitlines(keepends=True) if line.endswith("\n")]
        answered.extend((what, name.rstrip("\n")) for what, name in lines)
        if number % 10 == 9 or number == KILLS - 1:
            check(path, answered)
    assert {what for what, _ in answered} == CHECKS.keys()
    assert len(answered) > KILLS


def check(path: Path, answered: list[tuple[str, str]]) -> None:
    with opened(path) as artifacts:
        removed = {name for what, name in answered if what == "removed"}
        for what, name in answered:
            assert name in removed or CHECKS[what](artifacts, name), (what, name)
        for name in {name for _, name in answered} - removed:
            code, token = find(artifacts, "code", name), find(artifacts, "refresh_token", name)
            if code is not None:  # else its grant is gone, which nobody was told any more
                assert (code.consumed_at is None) == (token is None)
            else:
                assert token is None


def is_saved(artifacts: ArtifactStore, name: str) -> bool:
    """Or its grant was removed a moment before the process died; then all of it is gone."""
    return find(artifacts, "code", name) is not None or is_removed(artifacts, name)


def is_consumed(artifacts: ArtifactStore, name: str) -> bool:
    found = result_of(artifacts.consume("code", Artifact.key_of(name), datetime.now(UTC)))
    return is_removed(artifacts, name) if found is None else found.consumed_at is not None


def is_claimed(artifacts: ArtifactStore, name: str) -> bool:
    return not result_of(artifacts.claim("replay", Artifact.key_of(name), END, datetime.now(UTC)))


def is_removed(artifacts: ArtifactStore, name: str) -> bool:
    return result_of(artifacts.grant_removed(name, datetime.now(UTC))) and not any(
        find(artifacts, kind, name) for kind in ("code", "refresh_token")
    )


CHECKS: dict[str, Callable[[ArtifactStore, str], bool]] = {
    "saved": is_saved,
    "consumed": is_consumed,
    "claimed": is_claimed,
    "removed": is_removed,
}


def test_a_client_that_is_removed_from_its_file_while_the_daemon_is_down(tmp_path: Path) -> None:
    """What it was issued ends, so that whoever gets its client_id later inherits nothing."""
    setup = Setup(tmp_path)
    certificates = {}
    for name in ("gone", "stays"):
        acting = {"grant_types": ["authorization_code", "refresh_token"], "redirect_uris": [CALLBACK]}
        setup.add_client(name, tls_client_auth_san_dns=f"{name}.example", **acting)
        certificates[name] = setup.leaf(name, x509.DNSName(f"{name}.example"))
    setup.add_listener("optional", "optional")
    world = Grants(setup, certificates)
    with daemons.running(setup) as daemon:
        tokens = {name: world.tokens(name)["refresh_token"] for name in certificates}
    gone = setup.document["client"].pop(0)
    for registered in ((), (gone,)):
        daemon.out.unlink()  # where the next one says that it is ready
        setup.document["client"] += registered
        with daemons.running(setup) as daemon:
            assert world.post(world.with_refresh_token(tokens["stays"], "stays"), "stays").status == 200
            refused = world.post(world.with_refresh_token(tokens["gone"], "gone"), "gone")
    assert (refused.status, refused.json["error"]) == (400, "invalid_grant")
