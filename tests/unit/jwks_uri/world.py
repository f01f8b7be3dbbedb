"""JWK Sets in a world of memory: servers, a clock, a directory, and what was told."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import attrs
from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock

from mtlsd.cache.files import CacheDirectory
from mtlsd.errors import Fact
from mtlsd.fetch.exchange import Fetched
from mtlsd.fetch.refused import FetchRefused
from mtlsd.jose.jwk import jwk_of_certificate
from mtlsd.jwks_uri.disk import Disk
from mtlsd.jwks_uri.key_sets import KeySets
from tests.unit.stores.values import NOW, certificate, result_of

T = TypeVar("T")
URI = "https://a.example/jwks"


def body(*roles: str) -> bytes:
    """The JWK Set of these certificates."""
    return json.dumps({"keys": [jwk_of_certificate(certificate(role)) for role in roles]}).encode("ascii")


@attrs.define
class Fetch:
    """One that is under way."""

    uri: str
    headers: Mapping[str, str]
    answer: Deferred[Fetched]

    def ok(self, *roles: str, **headers: str) -> None:
        self.send(body(*roles), **headers)

    def send(self, data: bytes, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answer.callback(Fetched(200, named, data))

    def unchanged(self, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answer.callback(Fetched(304, named, b""))

    def fail(self, code: str = "deadline") -> None:
        self.answer.errback(FetchRefused(code, "not today"))


class World:
    """Everything that KeySets touches."""

    def __init__(self, directory: Path | None = None) -> None:
        self.clock = Clock()
        self.fetches: list[Fetch] = []
        self.events: list[tuple[str, Mapping[str, Fact]]] = []
        self.changes = 0
        self.jump = timedelta(0)
        self.cache = None if directory is None else CacheDirectory(directory)
        self.key_sets = self.make()

    def make(self) -> KeySets:
        """As a new process would."""
        disk = Disk(self.cache, execute_now, self.report)
        return KeySets(self, disk, self.clock, self.now, lambda: 0.5, self.report, self.changed)

    def get(self, url: str, *, headers: Mapping[str, str], **how: Any) -> Deferred[Fetched]:
        """Stands for the fetcher."""
        assert how["schemes"] == {"https"}
        assert how["max_bytes"] <= 1 << 18
        answer: Deferred[Fetched] = Deferred(lambda own: own.errback(FetchRefused("closed", "given up")))
        self.fetches.append(Fetch(url, headers, answer))
        return answer

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.clock.seconds()) + self.jump

    def report(self, name: str, facts: Mapping[str, Fact]) -> None:
        self.events.append((name, facts))

    def changed(self) -> None:
        self.changes += 1

    def start(self, *uris: str) -> None:
        result_of(Deferred.fromCoroutine(self.key_sets.start({uri: ("a",) for uri in uris or (URI,)})))

    def restart(self, *uris: str) -> None:
        self.key_sets.stop()
        self.fetches.clear()
        self.events.clear()
        self.key_sets = self.make()
        self.start(*uris)

    def after(self, seconds: float) -> list[Fetch]:
        """Let time pass in steps, and take the fetches that began."""
        self.clock.pump([seconds / 100.0] * 100)
        begun, self.fetches = self.fetches, []
        return begun

    def told(self, name: str) -> list[Mapping[str, Fact]]:
        return [facts for event, facts in self.events if event == name]

    def pins(self, uri: str = URI) -> list[bytes]:
        return [own.der for own in self.key_sets.published.get(uri, ())]


def execute_now(work: Callable[[], T]) -> Deferred[T]:
    return execute(work)
