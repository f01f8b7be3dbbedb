"""Keeping the answers of responders on disk, so that they outlive a restart.

Nothing here is fatal: what cannot be kept is asked for again, and the audit log says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from mtlsd.cache.files import CacheDirectory
from mtlsd.errors import Fact
from mtlsd.pki.printable import printable
from mtlsd.revocation.inquiry import Key
from mtlsd.revocation.ocsp_record import Record, from_file, to_file
from mtlsd.revocation.ocsp_table import SHARDS, AnswerTable, shard_of

Report = Callable[[str, Mapping[str, Fact]], None]
InThread = Callable[[Callable[[], Any]], "Deferred[Any]"]

_MOST_FILES_AT_ONCE: Final = 8
_AFTER_FAILURE_SECONDS: Final = 60.0


@attrs.define(eq=False, repr=False)
class Keeper:
    """Writes what has changed, a few files at a time and a while apart.

    :ivar directory: None where nothing is kept.
    :ivar seconds: at most so often.
    """

    directory: CacheDirectory | None
    clock: IReactorTime
    in_thread: InThread
    report: Report
    table: AnswerTable
    seconds: float
    _changed: dict[int, None] = attrs.field(factory=dict, init=False)
    _timer: IDelayedCall | None = attrs.field(default=None, init=False)
    _writing: Deferred[Any] | None = attrs.field(default=None, init=False)
    _failed: bool = attrs.field(default=False, init=False)
    _stopped: bool = attrs.field(default=False, init=False)

    async def load(self) -> list[Record]:
        """All answers that can be read. Files that cannot are reported, and written anew some time."""
        directory = self.directory
        if directory is None:
            return []
        records, errors = await self.in_thread(lambda: _read_all(directory))
        for error in errors:
            self._report_failure(directory, error)
        return list(records)

    def changed(self, key: Key) -> None:
        """What is known of that certificate is not what is on disk."""
        if self.directory is not None and not self._stopped:
            self._changed[shard_of(key)] = None
            self._schedule(self.seconds)

    def stop(self) -> Deferred[None]:
        """Write what is left, and nothing after it. Fires when that is done, however it ends."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        last = self._writing or succeed(None)
        return last.addBoth(lambda _: self._write(SHARDS)).addBoth(lambda _: None)

    def _schedule(self, seconds: float) -> None:
        if self._changed and self._timer is None and self._writing is None and not self._stopped:
            self._timer = self.clock.callLater(seconds, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._write(_MOST_FILES_AT_ONCE).addBoth(self._written)

    def _write(self, most: int) -> Deferred[Any]:
        """Never fails."""
        directory = self.directory
        shards = tuple(self._changed)[:most]
        if directory is None or not shards:
            return succeed(None)
        for shard in shards:
            del self._changed[shard]
        files = {shard: self.table.records(shard) for shard in shards}
        self._writing = self.in_thread(lambda: _write_all(directory, files))
        return self._writing.addBoth(self._noted, directory, shards)

    def _noted(self, result: object, directory: CacheDirectory, shards: tuple[int, ...]) -> None:
        self._writing = None
        failed = isinstance(result, Failure)
        if isinstance(result, Failure):
            self._changed |= dict.fromkeys(shards)
            if not self._failed:
                self._report_failure(directory, _said(result.value))
        self._failed = failed

    def _report_failure(self, directory: CacheDirectory, error: str) -> None:
        self.report("cache.failed", {"kind": "ocsp", "source": str(directory.path), "error": error})

    def _written(self, _: object) -> None:
        self._schedule(_AFTER_FAILURE_SECONDS if self._failed else self.seconds)


def _read_all(directory: CacheDirectory) -> tuple[list[Record], list[str]]:
    records: list[Record] = []
    errors: list[str] = []
    try:
        names = directory.names()
    except OSError as error:
        return [], [_said(error)]
    for name in sorted(names.intersection(map(_name_of, range(SHARDS)))):
        try:
            data = directory.read(name)
            records += [] if data is None else from_file(data)
        except (OSError, ValueError) as error:
            errors.append(f"{name}: {_said(error)}")
    return records, errors


def _write_all(directory: CacheDirectory, files: Mapping[int, tuple[Record, ...]]) -> None:
    for shard, records in files.items():
        if records:
            directory.write(_name_of(shard), to_file(records))
        else:
            directory.remove(_name_of(shard))


def _name_of(shard: int) -> str:
    return f"answers-{shard:02}"


def _said(error: BaseException | None) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(text or type(error).__name__)[:200]
