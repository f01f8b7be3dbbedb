"""What a store cannot do is a refusal, and nothing is done without a store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.logger import capturedLogs

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.oauth.artifacts import Artifact, Artifacts
from mtlsd.stores.interfaces import StoreUnavailable
from mtlsd.stores.refusing import NoArtifacts, RefusingArtifacts
from tests.pki import NOW
from tests.unit.stores.artifacts_memory import MemoryArtifacts

KEY = Artifact.key_of("secret")
KEPT = Artifact("code", KEY, "client", "grant", {"a": 1}, NOW + timedelta(minutes=1))
ERROR = StoreUnavailable("mtlsd.db", "the disk is full", "Make room.")

EVERYTHING: dict[str, Callable[[Artifacts], Awaitable[Any]]] = {
    "save": lambda store: store.save(KEPT, now=NOW),
    "find": lambda store: store.find("code", KEY, NOW),
    "consume": lambda store: store.consume("code", KEY, NOW, (KEPT,)),
    "claim": lambda store: store.claim("replay", KEY, NOW + timedelta(minutes=1), NOW),
    "remove": lambda store: store.remove("code", KEY),
    "remove_grant": lambda store: store.remove_grant("grant", NOW),
    "grant_removed": lambda store: store.grant_removed("grant", NOW),
    "remove_client": lambda store: store.remove_client("client", NOW),
    "sweep": lambda store: store.sweep(NOW, 10),
}


class Broken:
    """Fails in everything, as a store does."""

    def __getattr__(self, name: str) -> Callable[..., Deferred[Any]]:
        return lambda *args, **more: fail(ERROR)


def outcome(do: Callable[[Artifacts], Awaitable[Any]], store: Artifacts) -> object:
    async def run() -> object:
        try:
            return await do(store)
        except Refusal as refusal:
            return refusal.reason

    found: list[object] = []
    Deferred.fromCoroutine(run()).addBoth(found.append)
    return found[0]


@pytest.mark.parametrize("do", EVERYTHING.values(), ids=list(EVERYTHING))
def test_a_store_that_fails(do: Callable[[Artifacts], Awaitable[Any]]) -> None:
    broken: Any = Broken()
    assert outcome(do, RefusingArtifacts(broken)) is reasons.STORE_UNAVAILABLE
    assert outcome(do, NoArtifacts()) is reasons.STORE_UNAVAILABLE


@pytest.mark.parametrize("do", EVERYTHING.values(), ids=list(EVERYTHING))
def test_a_store_that_works(do: Callable[[Artifacts], Awaitable[Any]]) -> None:
    stores = MemoryArtifacts(), MemoryArtifacts()
    for store in stores:
        store.save(KEPT, now=NOW)
    assert outcome(do, RefusingArtifacts(stores[0])) == outcome(do, stores[1])
    assert stores[0].rows == stores[1].rows


def test_the_log_says_it_once() -> None:
    broken: Any = Broken()
    refusing = RefusingArtifacts(broken)
    with capturedLogs() as said:
        for _ in range(3):
            outcome(EVERYTHING["find"], refusing)
    assert [event["error"] for event in said if event["log_format"].startswith("store.")] == [ERROR]
