"""Fetched lists on disk: the last good answer of each URL, and the certificates of who signed it.

The signers are kept beside, since some are known from clients alone. Nothing in here is trusted: their paths
and the lists' signatures are verified again when it is read.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Self

import attrs

from mtlsd.cache.files import CacheDirectory
from mtlsd.fetch.freshness import Validators

_MAGIC: Final = b"mtlsd crl 1"
_LONGEST_HEAD: Final = 1 << 20
_MOST_CHAINS: Final = 16
_MOST_CERTIFICATES: Final = 16


@attrs.frozen
class KeptList:
    """What is kept of one answer.

    :ivar fetched_at: aware UTC.
    :ivar chains: DER of the signers' certificates, each up to its anchor.
    :ivar body: as it came.
    """

    url: str
    validators: Validators
    fetched_at: datetime
    chains: tuple[tuple[bytes, ...], ...]
    body: bytes = attrs.field(repr=False)

    def to_bytes(self) -> bytes:
        chains = [[base64.b64encode(own).decode() for own in chain] for chain in self.chains[:_MOST_CHAINS]]
        head = {
            "url": self.url,
            "etag": self.validators.etag,
            "last_modified": self.validators.last_modified,
            "fetched_at": self.fetched_at.isoformat(),
            "chains": chains,
            "sha256": hashlib.sha256(self.body).hexdigest(),
        }
        return b"\n".join((_MAGIC, json.dumps(head).encode(), self.body))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """:raises ValueError: for whatever :meth:`to_bytes` did not make"""
        start = len(_MAGIC) + 1
        end = data.find(b"\n", start, start + _LONGEST_HEAD)
        if data[:start] != _MAGIC + b"\n" or end < 0:
            raise ValueError("not a revocation list that mtlsd kept")
        try:
            return cls._read(json.loads(data[start:end]), data[end + 1 :])
        except (LookupError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"its head is not as it was written: {error}") from None

    @classmethod
    def _read(cls, head: Any, body: bytes) -> Self:
        fetched_at = datetime.fromisoformat(head["fetched_at"])
        if fetched_at.tzinfo is None or not isinstance(head["url"], str):
            raise ValueError("its head is not as it was written")
        if hashlib.sha256(body).hexdigest() != head["sha256"]:
            raise ValueError("it is torn: the list is not the one that was written")
        fields = {"etag": head["etag"] or "", "last-modified": head["last_modified"] or ""}
        return cls(
            head["url"],
            Validators.from_headers(fields),
            fetched_at,
            tuple(_chain(chain) for chain in head["chains"][:_MOST_CHAINS]),
            body,
        )


def _chain(encoded: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(base64.b64decode(own, validate=True) for own in encoded[:_MOST_CERTIFICATES])


@attrs.frozen
class CrlCache:
    """The files of one group of anchors in a directory that groups share.

    :ivar group: its name.
    """

    directory: CacheDirectory
    group: str

    def names(self) -> Sequence[str]:
        """:raises OSError: where the directory is not private, or cannot be read"""
        return sorted(name for name in self.directory.names() if name.startswith(_prefix(self.group)))

    def read(self, name: str) -> KeptList:
        """:raises OSError: where it cannot be read
        :raises ValueError: where it is torn or foreign
        """
        data = self.directory.read(name)
        if data is None:
            raise ValueError("it has gone")
        kept = KeptList.from_bytes(data)
        if self._name(kept.url) != name:
            raise ValueError("it was written for another source")
        return kept

    def write(self, kept: KeptList) -> None:
        """:raises OSError: where it cannot be written"""
        self.directory.write(self._name(kept.url), kept.to_bytes())

    def remove(self, url: str) -> None:
        """:raises OSError: where it cannot be removed"""
        self.directory.remove(self._name(url))

    def remove_name(self, name: str) -> None:
        """:raises OSError: where it cannot be removed"""
        self.directory.remove(name)

    def _name(self, url: str) -> str:
        return _prefix(self.group) + hashlib.sha256(url.encode()).hexdigest()[:40]


def sweep(directory: CacheDirectory, groups: Sequence[str]) -> None:
    """Remove the lists of groups that are not among these.

    :raises OSError: where that cannot be done
    """
    kept = tuple(map(_prefix, groups))
    for name in directory.names():
        if name.startswith("crl-") and not name.startswith(kept):
            directory.remove(name)


def _prefix(group: str) -> str:
    return f"crl-{hashlib.sha256(group.encode()).hexdigest()[:16]}-"
