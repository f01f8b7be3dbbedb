"""The last good copy of a JWK Set on disk, so that clients need no server of theirs at a restart of mtlsd."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

import attrs

from mtlsd.clients.fetched import Published
from mtlsd.fetch.freshness import Validators
from mtlsd.jwks_uri.key_set import KeySet

_VERSION = 1


@attrs.frozen
class Kept:
    """A JWK Set as it was fetched.

    :ivar body: the whole answer: it is read and checked again whenever it is read back.
    :ivar good_at: when the server last said that this is its set; aware.
    :ivar fresh_until: when it is to be asked again; aware.
    :ivar since: for the SHA-256 of each certificate when it was first found in this set.
    """

    uri: str
    body: bytes = attrs.field(repr=False)
    validators: Validators
    good_at: datetime
    fresh_until: datetime
    since: Mapping[bytes, datetime]

    @classmethod
    def from_bytes(cls, data: bytes, uri: str) -> Self:
        """:raises ValueError: when it is not what :meth:`to_bytes` wrote for this `uri`."""
        try:
            document = json.loads(data)
            if document["version"] != _VERSION or document["uri"] != uri:
                raise ValueError("it is another one")
            return cls(
                uri,
                _text(document["body"]).encode("utf-8"),
                Validators.from_headers(
                    {"etag": _text(document["etag"]), "last-modified": _text(document["last_modified"])}
                ),
                _instant(document["good_at"]),
                _instant(document["fresh_until"]),
                {bytes.fromhex(sha256): _instant(at) for sha256, at in document["since"].items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ValueError("it is not a JWK Set that mtlsd kept") from None

    def to_bytes(self) -> bytes:
        """As JSON."""
        document = {
            "version": _VERSION,
            "uri": self.uri,
            "etag": self.validators.etag or "",
            "last_modified": self.validators.last_modified or "",
            "good_at": self.good_at.isoformat(),
            "fresh_until": self.fresh_until.isoformat(),
            "since": {sha256.hex(): at.isoformat() for sha256, at in self.since.items()},
            "body": self.body.decode("utf-8"),
        }
        return json.dumps(document).encode("ascii")

    def published(self, key_set: KeySet) -> tuple[Published, ...]:
        """The set's certificates, each with the instant since when it is there."""
        return tuple(
            Published(der, self.since.get(hashlib.sha256(der).digest(), self.good_at))
            for der in key_set.certificates
        )


def name_of(uri: str) -> str:
    """The name of the file for a `jwks_uri`."""
    return f"{hashlib.sha256(uri.encode('utf-8')).hexdigest()}.json"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _instant(value: Any) -> datetime:
    found = datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise ValueError
    return found
