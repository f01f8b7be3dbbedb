"""The answers of responders that are known, in memory: bounded, and in the order of their use."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

import attrs

from mtlsd.pki.revocation import Answer
from mtlsd.revocation.inquiry import Inquiry, Key
from mtlsd.revocation.ocsp_record import Record

SHARDS: Final = 64
"""In so many files the answers are kept, so that a new one does not mean to write all of them."""


@attrs.define(eq=False, repr=False)
class Kept:
    """One answer.

    :ivar answer: None where it has been read from the disk and nobody has asked for it yet.
    :ivar inquiry: how it can be asked for again; None likewise.
    :ivar used: since it was fetched.
    :ivar half_at: when half of its life is over.
    :ivar due_at: when it is looked at next.
    """

    record: Record
    answer: Answer | None = None
    inquiry: Inquiry | None = None
    used: bool = False
    half_at: datetime | None = None
    due_at: datetime | None = None

    @property
    def ends_at(self) -> datetime:
        """When it is of no use any more. What was revoked stays so, whatever the answer's life."""
        if self.answer is None or self.inquiry is None:
            return self.record.until
        if self.answer.status == "revoked":
            return self.inquiry.not_after
        return self.record.until + self.inquiry.policy.grace

    def is_fresh(self, now: datetime) -> bool:
        """Whether nobody need be asked yet."""
        return self.answer is not None and now < self.record.until


@attrs.define(eq=False, repr=False)
class AnswerTable:
    """All of them, the one unused longest first.

    :ivar most: how many.
    :ivar most_bytes: how large they may be together, about.
    :ivar dropped: called with each that had to go.
    """

    most: int
    most_bytes: int
    dropped: Callable[[Key], None]
    _kept: OrderedDict[Key, Kept] = attrs.field(factory=OrderedDict, init=False)
    _shards: dict[int, set[Key]] = attrs.field(factory=dict, init=False)
    _bytes: int = attrs.field(default=0, init=False)

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Kept]:
        return iter(tuple(self._kept.values()))

    def peek(self, key: Key) -> Kept | None:
        return self._kept.get(key)

    def use(self, key: Key) -> Kept | None:
        """The same, and it counts as the one used last."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, kept: Kept) -> None:
        """Keep it, in the place of another one for the same certificate."""
        key = kept.record.key
        self._remove(key)
        self._kept[key] = kept
        self._shards.setdefault(shard_of(key), set()).add(key)
        self._bytes += kept.record.size
        while len(self._kept) > self.most or (self._bytes > self.most_bytes and len(self._kept) > 1):
            self.drop(next(iter(self._kept)))

    def drop(self, key: Key) -> None:
        self._remove(key)
        self.dropped(key)

    def records(self, shard: int) -> tuple[Record, ...]:
        """What belongs into that file."""
        return tuple(self._kept[key].record for key in self._shards.get(shard, ()))

    def _remove(self, key: Key) -> None:
        found = self._kept.pop(key, None)
        if found is not None:
            self._bytes -= found.record.size
            self._shards[shard_of(key)].discard(key)


def shard_of(key: Key) -> int:
    return key.certificate[0] % SHARDS
