"""How the sources fare, as the daemon tells commands: one JSON document in its cache directory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Self

import attrs

from mtlsd.pki.revocation import Source
from mtlsd.revocation.breaker import State
from mtlsd.revocation.ocsp_status import ResponderStatus
from mtlsd.revocation.status import SourceStatus

NAME: Final = "status.json"
"""What the file is called in the cache directory."""

_INSTANTS: Final = ("this_update", "next_update", "last_good", "last_tried", "next_try")


@attrs.frozen
class Row:
    """One source of one group.

    :ivar source: its file, URL, or a responder's origin.
    :ivar issuer: who signed the list. For lists alone, as are number, entries, bytes and the updates.
    :ivar last_good: when it last answered as it should; aware UTC, like the other instants.
    :ivar error: why it did not when it was last asked: a code, and more.
    :ivar state: of a responder's circuit breaker. For responders alone, as are the next three.
    :ivar waiting: how many wait for it.
    :ivar known: how many of its answers are known.
    :ivar stale: how many of these count no more.
    :ivar answers: the same by what they say.
    """

    group: str
    kind: Source
    source: str
    issuer: str | None = None
    number: int | None = None
    entries: int | None = None
    bytes: int | None = None
    this_update: datetime | None = None
    next_update: datetime | None = None
    last_good: datetime | None = None
    last_tried: datetime | None = None
    next_try: datetime | None = None
    error: str | None = None
    state: State | None = None
    waiting: int | None = None
    known: int | None = None
    stale: int | None = None
    answers: Mapping[str, int] | None = None

    def to_document(self) -> dict[str, Any]:
        """As JSON: what means nothing for its kind is left out."""
        lists_only = {"issuer", "number", "entries", "bytes", "this_update", "next_update"}
        responders_only = {"state", "waiting", "known", "stale", "answers"}
        without = responders_only if self.kind == "crl" else lists_only
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in attrs.asdict(self).items()
            if name not in without
        }

    @classmethod
    def from_document(cls, document: Any) -> Self:
        """:raises ValueError: for what :meth:`to_document` did not make"""
        try:
            known = {own.name: document[own.name] for own in attrs.fields(cls) if own.name in document}
            for name in _INSTANTS:
                if known.get(name) is not None:
                    known[name] = _instant(known[name])
            return cls(**known)
        except (TypeError, LookupError, AttributeError) as error:
            raise ValueError(f"a source is not as it was written: {error}") from None


@attrs.frozen
class StatusFile:
    """What a daemon says of its sources.

    :ivar written_at: aware UTC.
    :ivar pid: the daemon's.
    """

    written_at: datetime
    pid: int
    rows: tuple[Row, ...]

    def to_bytes(self) -> bytes:
        document = {
            "written_at": self.written_at.isoformat(),
            "pid": self.pid,
            "sources": [own.to_document() for own in self.rows],
        }
        return json.dumps(document, indent=1).encode("ascii") + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """:raises ValueError: for what :meth:`to_bytes` did not make"""
        try:
            document = json.loads(data)
            rows = tuple(map(Row.from_document, document["sources"]))
            return cls(_instant(document["written_at"]), int(document["pid"]), rows)
        except (TypeError, LookupError, RecursionError) as error:
            raise ValueError(f"it is not as it was written: {error}") from None


def rows_of(statuses: Iterable[SourceStatus | ResponderStatus]) -> Iterator[Row]:
    """Every source, once for each group that it serves."""
    for own in statuses:
        if isinstance(own, SourceStatus):
            yield Row(**attrs.asdict(own))
        else:
            yield from (_of_responder(own, group) for group in own.groups)


def _of_responder(own: ResponderStatus, group: str) -> Row:
    return Row(
        group,
        "ocsp",
        own.source,
        last_good=own.last_good,
        last_tried=own.last_tried,
        error=own.error,
        state=own.breaker,
        waiting=own.waiting,
        known=sum(own.answers.values()),
        stale=own.stale,
        answers=dict(own.answers),
    )


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError("an instant has no zone")
    return found
