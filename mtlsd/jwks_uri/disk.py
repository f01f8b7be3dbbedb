"""The cache directory from the reactor's side: in another thread, and never fatal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol, TypeVar

import attrs
from twisted.internet.defer import Deferred

from mtlsd.cache.files import CacheDirectory
from mtlsd.clients.fetched import Published
from mtlsd.errors import Fact
from mtlsd.jwks_uri.kept import Kept, name_of
from mtlsd.jwks_uri.key_set import KeySet

DIRECTORY: Final = "jwks_uri"
"""Where JWK Sets are kept, below the directory of everything that is fetched."""

T = TypeVar("T")
Report = Callable[[str, Mapping[str, Fact]], None]
Loaded = Mapping[str, tuple[Kept, KeySet]]


class InThread(Protocol):
    """Runs work that blocks in another thread."""

    def __call__(self, work: Callable[[], T], /) -> Deferred[T]: ...


@attrs.define(eq=False)
class Disk:
    """Where JWK Sets are kept. What cannot be kept is told once, and is fetched again after a restart.

    :ivar directory: holds nothing else: what is not wanted is removed. None where nothing is kept.
    """

    directory: CacheDirectory | None
    in_thread: InThread
    report: Report
    _is_bad: bool = attrs.field(default=False, init=False)

    async def load(self, uris: Iterable[str]) -> Loaded:
        """What was kept for these, and is whole. Everything else in the directory is removed."""
        directory = self.directory
        if directory is None:
            return {}
        wanted = {name_of(uri): uri for uri in uris}
        found, problems = await self.in_thread(lambda: _load(directory, wanted))
        if problems:
            self._report(directory, "; ".join(problems))
        return found

    async def keep(self, kept: Kept) -> None:
        """Write one."""
        await self._do(lambda directory: directory.write(name_of(kept.uri), kept.to_bytes()))

    async def forget(self, uri: str) -> None:
        """Remove one."""
        await self._do(lambda directory: directory.remove(name_of(uri)))

    async def _do(self, work: Callable[[CacheDirectory], None]) -> None:
        directory = self.directory
        if directory is None:
            return
        try:
            await self.in_thread(lambda: work(directory))
        except OSError as error:
            if not self._is_bad:
                self._report(directory, str(error))
            self._is_bad = True
        else:
            self._is_bad = False

    def _report(self, directory: CacheDirectory, error: str) -> None:
        self.report("cache.failed", {"kind": "jwks_uri", "source": str(directory.path), "error": error})


def kept_sets(
    directory: CacheDirectory, uris: Iterable[str], oldest: datetime
) -> Mapping[str, Sequence[Published]]:
    """What a daemon has kept for these, for a command: it changes nothing, and what is bad is not there.

    :param oldest: what was good last before this instant is too old to serve.
    """
    found, _ = _read(directory, {name_of(uri): uri for uri in uris})
    return {uri: own.published(key_set) for uri, (own, key_set) in found.items() if own.good_at >= oldest}


def _load(directory: CacheDirectory, wanted: Mapping[str, str]) -> tuple[Loaded, list[str]]:
    found, problems = _read(directory, wanted)
    try:
        for name in directory.names() - {name_of(uri) for uri in found}:
            directory.remove(name)
    except OSError as error:
        problems.append(str(error))
    return found, problems


def _read(directory: CacheDirectory, wanted: Mapping[str, str]) -> tuple[Loaded, list[str]]:
    found: dict[str, tuple[Kept, KeySet]] = {}
    problems: list[str] = []
    for name, uri in wanted.items():
        try:
            data = directory.read(name)
            if data is not None:
                kept = Kept.from_bytes(data, uri)
                found[uri] = kept, KeySet.from_json(kept.body)
        except OSError as error:
            problems.append(str(error))
        except ValueError as error:
            problems.append(f"{directory.path / name}: {error}")
    return found, problems
