"""``keyring.json``: which key is in which state. The keys themselves are not in it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import attrs

from mtlsd.jose.keyring import Keyring

VERSION = 1
STATES = ("active", "next", "retiring")
_MEMBERS = frozenset({"kid", "alg", "state", "created_at", "until_at"})


class OtherVersion(ValueError):
    """The file was written by another mtlsd."""


@attrs.frozen
class KeyRecord:
    """What is known of one key.

    :ivar state: ``active``, ``next`` or ``retiring``.
    :ivar until_at: when a retiring key is forgotten; None for the others.
    """

    kid: str
    alg: str
    state: str
    created_at: datetime
    until_at: datetime | None = None

    @classmethod
    def from_json(cls, value: object) -> KeyRecord:
        """:raises ValueError: for anything else than :meth:`to_json` makes."""
        if not isinstance(value, dict) or value.keys() != _MEMBERS:
            raise ValueError(f"a key does not have exactly the members {', '.join(sorted(_MEMBERS))}")
        kid, alg, state = value["kid"], value["alg"], value["state"]
        if not isinstance(kid, str) or not isinstance(alg, str):
            raise ValueError("a kid or alg is not a string")
        if state not in STATES:
            raise ValueError(f"a state is none of {', '.join(STATES)}")
        until_at = None if value["until_at"] is None else _instant(value["until_at"])
        if (state == "retiring") != (until_at is not None):
            raise ValueError("a retiring key has until_at, and no other key has")
        return cls(kid, alg, state, _instant(value["created_at"]), until_at)

    def to_json(self) -> dict[str, str | None]:
        """The JSON object of the key; instants by RFC 3339 in UTC."""
        until_at = None if self.until_at is None else _text(self.until_at)
        created_at = _text(self.created_at)
        return {
            "kid": self.kid,
            "alg": self.alg,
            "state": self.state,
            "created_at": created_at,
            "until_at": until_at,
        }


def records_of(keyring: Keyring) -> tuple[KeyRecord, ...]:
    """The records of a keyring: the active key, the next one, then the retiring ones, latest first."""
    active, following = keyring.active, keyring.next
    return (
        KeyRecord(active.kid, active.signer.alg, "active", active.created_at),
        KeyRecord(following.kid, following.signer.alg, "next", following.created_at),
        *(
            KeyRecord(old.key.kid, old.key.signer.alg, "retiring", old.key.created_at, old.until_at)
            for old in keyring.retiring
        ),
    )


def format_records(records: Iterable[KeyRecord]) -> bytes:
    """The file's content."""
    document = {"version": VERSION, "keys": [record.to_json() for record in records]}
    return (json.dumps(document, indent=2) + "\n").encode("ascii")


def parse_records(data: bytes) -> tuple[KeyRecord, ...]:
    """The records of a file: none, or one active key, one next key and any number of retiring ones.

    :raises OtherVersion: when another mtlsd wrote it.
    :raises ValueError: for anything else than :func:`format_records` makes.
    """
    try:
        document: Any = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(document, dict) or "version" not in document:
        raise ValueError("it has no version")
    if document["version"] is True or document["version"] != VERSION:
        raise OtherVersion(f"this mtlsd knows version {VERSION} of it only")
    if document.keys() != {"version", "keys"} or not isinstance(document["keys"], list):
        raise ValueError("it does not have exactly the members version and keys")
    records = tuple(KeyRecord.from_json(value) for value in document["keys"])
    if records and any(_count(records, state) != 1 for state in ("active", "next")):
        raise ValueError("it does not have one active and one next key")
    if len({record.kid for record in records}) != len(records):
        raise ValueError("it has one key twice")
    return records


def _count(records: Iterable[KeyRecord], state: str) -> int:
    return sum(record.state == state for record in records)


def _instant(value: object) -> datetime:
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else None
        if instant is not None and instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("an instant is not written by RFC 3339 with its offset")


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
