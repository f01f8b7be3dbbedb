"""One place where revocation lists come from, and what is known of it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal

import attrs
from twisted.internet.defer import Deferred

from mtlsd.fetch.freshness import Validators
from mtlsd.fetch.refused import FetchRefused
from mtlsd.fetch.url import Url
from mtlsd.pki.crl_refused import CrlRefused

Origin = Literal["file", "url", "authority", "learned"]
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
_NO_VALIDATORS: Final = Validators()
_FOR_NOW: Final = "fetch."

Stamp = tuple[int, int, int]
"""What a file is told to have changed by: its inode, its size and its mtime in nanoseconds."""

Kept = tuple[frozenset[bytes], Validators]


@attrs.define(eq=False)
class CrlSource:
    """A file or URL, and how it fared.

    :ivar name: the path or the URL.
    :ivar origin: whether the operator named it, or a CA of the group, or a certificate or list seen later.
    :ivar used_at: when it was last of use to anybody; for `learned` ones.
    :ivar next_try: when it is to be asked again, by the wall clock.
    :ivar failures: how many tries in a row have failed.
    :ivar error: a code and more, where the last try brought nothing or not what it should.
    :ivar failing: whether that is so bad that it was reported.
    :ivar refused: why some of what it gave last cannot be used.
    :ivar orphans: keys of the names that should have signed what it has, where nobody who is known has.
    :ivar knew: how many signers had been learned when it was last asked.
    :ivar kept: what of it is in the cache: the digests of its lists, and what the server knows them by.
    :ivar stamp: of the file as it was last read.
    :ivar loading: whether a try is under way.
    :ivar waiting: who waits for it.
    """

    name: str
    origin: Origin
    next_try: datetime
    used_at: datetime
    last_good: datetime | None = None
    last_tried: datetime | None = None
    failed_at: datetime | None = None
    failures: int = 0
    error: str | None = None
    failing: bool = False
    refused: CrlRefused | None = None
    orphans: frozenset[Hashable] = frozenset()
    knew: int = 0
    kept: Kept | None = None
    stamp: Stamp | None = None
    validators: Validators = _NO_VALIDATORS
    headers: Mapping[str, str] = _NO_HEADERS
    loading: bool = False
    waiting: set[Deferred[None]] = attrs.field(factory=set)

    @property
    def is_file(self) -> bool:
        return self.origin == "file"

    @property
    def is_new(self) -> bool:
        """Whether it has never been asked to the end."""
        return self.last_good is None and self.failed_at is None

    @property
    def host(self) -> str:
        """Where it is fetched from; what cannot be fetched is refused when that is tried."""
        try:
            return Url.from_string(self.name).host
        except FetchRefused:
            return ""

    @property
    def may_recover_soon(self) -> bool:
        """Whether it is worth to ask again at once: what was refused for what it says will be so again."""
        return self.error is None or self.error.startswith(_FOR_NOW)

    def wake(self) -> None:
        """Let go of everybody who waits."""
        for waiting in tuple(self.waiting):
            if not waiting.called:
                waiting.callback(None)
