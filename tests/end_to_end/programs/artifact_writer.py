"""Uses the store of artifacts until it is killed, or at the same moment as others; prints what was answered.

artifact_writer.py work STORE PREFIX          prints `saved NAME`, `consumed NAME` ..., each once it is so
artifact_writer.py race STORE RACES THREADS   prints `code RACE WHO WON` and `jti RACE WHO WON`
"""

from __future__ import annotations

import itertools
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

from mtlsd.oauth.artifacts import Artifact, Kind
from mtlsd.stores.sqlite import open_store
from mtlsd.stores.workers import InlineWorker
from tests.unit.stores.values import result_of

END = datetime.now(UTC) + timedelta(days=1)


def artifact(kind: Kind, name: str, grant_id: str | None) -> Artifact:
    """Of a client of its own, so that no bound makes it go."""
    return Artifact(kind, Artifact.key_of(name), name, grant_id, {"name": name}, END)


def work(path: Path, prefix: str) -> None:
    """Of each grant: a code, its successor, a jti; every third grant is removed."""
    store = open_store(path, InlineWorker())
    result_of(store.open())
    artifacts = store.artifacts
    for number in itertools.count():
        name, now = f"{prefix}-{number}", datetime.now(UTC)
        result_of(artifacts.save(artifact("code", name, name), now=now))
        print("saved", name, flush=True)
        then = (artifact("refresh_token", name, name),)
        found = result_of(artifacts.consume("code", Artifact.key_of(name), now, then))
        assert found is not None
        assert found.consumed_at is None
        print("consumed", name, flush=True)
        assert result_of(artifacts.claim("replay", Artifact.key_of(name), END, now))
        print("claimed", name, flush=True)
        if number % 3 == 2:
            result_of(artifacts.remove_grant(name, now))
            print("removed", name, flush=True)
        result_of(artifacts.sweep(now, 5))


def race(path: Path, races: int, threads: int) -> None:
    """All threads of all processes do the same; those of one begin together."""
    barrier = Barrier(threads)

    def compete(thread: int) -> list[str]:
        store = open_store(path, InlineWorker())
        result_of(store.open())
        lines, who = [], f"{os.getpid()}-{thread}"
        for number in range(races):
            barrier.wait()
            now = datetime.now(UTC)
            then = (artifact("refresh_token", f"{number} {who}", None),)
            key = Artifact.key_of(f"code {number}")
            found = result_of(store.artifacts.consume("code", key, now, then))
            assert found is not None
            lines.append(f"code {number} {who} {found.consumed_at is None}")
            won = result_of(store.artifacts.claim("replay", Artifact.key_of(str(number)), END, now))
            lines.append(f"jti {number} {who} {won}")
        result_of(store.close())
        return lines

    with ThreadPoolExecutor(threads) as pool:
        for lines in pool.map(compete, range(threads)):
            print("\n".join(lines), flush=True)


if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.readline()
    if sys.argv[1] == "work":
        work(Path(sys.argv[2]), sys.argv[3])
    else:
        race(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
