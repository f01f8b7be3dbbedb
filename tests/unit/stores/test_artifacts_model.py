"""The store of artifacts walks the same way as a plain dict, wherever hypothesis leads it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from twisted.internet.defer import Deferred

from mtlsd.oauth.artifacts import Artifact, Bounds, Found, Kind
from mtlsd.stores.sqlite import SQLiteStore
from mtlsd.stores.sqlite_database import SQLiteDatabase
from mtlsd.stores.workers import InlineWorker
from tests.unit.stores.artifacts_memory import MemoryArtifacts
from tests.unit.stores.values import NOW, named, result_of

UNBOUNDED = Bounds(
    {}, {}
)  # what counts as the oldest depends on what was swept: bounds have tests of their own
HOURS = st.integers(1, 40)  # less than a removed grant is remembered, so that removed rows do not tell

KINDS: tuple[Kind, ...] = ("code", "refresh_token")

kinds = st.sampled_from(KINDS)
secrets = st.sampled_from(["1", "1", "1", "2"])  # mostly the same, so that much happens to one
clients = st.sampled_from(["a", "b", None])
grants = st.sampled_from(["g", "h", None])


@st.composite
def descriptions(draw: st.DrawFn) -> tuple[Kind, str, str | None, str | None, int]:
    return draw(kinds), draw(secrets), draw(clients), draw(grants), draw(HOURS)


class ArtifactsMachine(RuleBasedStateMachine):
    """Everything is done to both, through either of two stores on one file; the answers must be the same."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = TemporaryDirectory()
        self.now, self.number = NOW, 0
        self.model = MemoryArtifacts(UNBOUNDED)
        self.stores = [self.open_store() for _ in range(2)]

    def open_store(self) -> SQLiteStore:
        path = Path(self.directory.name) / "mtlsd.db"
        store = SQLiteStore(SQLiteDatabase(path, InlineWorker(), InlineWorker()), UNBOUNDED)
        result_of(store.open())
        return store

    def teardown(self) -> None:
        for store in self.stores:
            result_of(store.close())
        self.directory.cleanup()

    def both(self, operation: str, *arguments: Any, **named_arguments: Any) -> Any:
        self.stores.reverse()
        real, model = (
            result_of(getattr(own, operation)(*arguments, **named_arguments))
            for own in (self.stores[0].artifacts, self.model)
        )
        assert real == model, (operation, real, model)
        return real

    def made(self, description: tuple[Kind, str, str | None, str | None, int]) -> Artifact:
        """Each has another content, so that one is not taken for another."""
        kind, secret, client_id, grant_id, hours = description
        self.number += 1
        end = self.now + timedelta(hours=hours)
        return Artifact(kind, Artifact.key_of(secret), client_id, grant_id, {"number": self.number}, end)

    @initialize()
    def register(self) -> None:
        for client_id in ("a", "b"):
            result_of(self.stores[0].add_client(named(client_id), self.now))

    @rule(what=st.lists(descriptions(), min_size=1, max_size=3))
    def save(self, what: list[tuple[Kind, str, str | None, str | None, int]]) -> None:
        self.both("save", *map(self.made, what), now=self.now)

    @rule(kind=kinds, secret=secrets, then=st.lists(descriptions(), max_size=2))
    def consume(
        self, kind: Kind, secret: str, then: list[tuple[Kind, str, str | None, str | None, int]]
    ) -> None:
        """Twice: whoever comes second changes nothing, whatever it brings."""
        first: Found | None = self.both(
            "consume", kind, Artifact.key_of(secret), self.now, tuple(map(self.made, then))
        )
        again: Found | None = self.both(
            "consume", kind, Artifact.key_of(secret), self.now, tuple(map(self.made, then))
        )
        assert again is None or again.consumed_at is not None
        assert first is not None or again is None

    @rule(secret=secrets, hours=HOURS)
    def claim(self, secret: str, hours: int) -> None:
        key, end = Artifact.key_of(secret), self.now + timedelta(hours=hours)
        self.both("claim", "replay", key, end, self.now)
        assert not self.both("claim", "replay", key, end, self.now)

    @rule(kind=kinds, secret=secrets)
    def remove(self, kind: Kind, secret: str) -> None:
        self.both("remove", kind, Artifact.key_of(secret))

    @rule(grant_id=st.sampled_from(["g", "h"]))
    def remove_grant(self, grant_id: str) -> None:
        self.both("remove_grant", grant_id, self.now)
        assert self.both("grant_removed", grant_id, self.now)

    @rule(client_id=st.sampled_from(["a", "b"]))
    def remove_client(self, client_id: str) -> None:
        self.both("remove_client", client_id, self.now)

    @rule(client_id=st.sampled_from(["a", "b"]), disabled=st.booleans())
    def set_disabled(self, client_id: str, disabled: bool) -> None:
        result_of(self.stores[0].set_disabled(client_id, disabled, self.now))
        if disabled:
            result_of(self.model.remove_client(client_id, self.now))
            self.model.refused_clients.add(client_id)
        else:
            self.model.refused_clients.discard(client_id)

    @rule(hours=st.sampled_from([1, 5, 60]))
    def time_goes_by(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(most=st.integers(1, 5))
    def sweep(self, most: int) -> None:
        """Nobody but the disk notices."""
        swept: Deferred[int] = self.stores[0].artifacts.sweep(self.now, most)
        assert 0 <= result_of(swept) <= most

    @rule()
    def restart(self) -> None:
        result_of(self.stores.pop().close())
        self.stores.append(self.open_store())

    @invariant()
    def the_same_is_there(self) -> None:
        for kind in ("code", "refresh_token", "replay"):
            for secret in "12":
                self.both("find", kind, Artifact.key_of(secret), self.now)
        for grant_id in "gh":
            self.both("grant_removed", grant_id, self.now)


ArtifactsMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
ArtifactsTests = ArtifactsMachine.TestCase
