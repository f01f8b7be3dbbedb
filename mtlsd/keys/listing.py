"""What ``mtlsd keys list`` shows: everything about the keys but the keys."""

from __future__ import annotations

from datetime import datetime

import attrs

from mtlsd.jose.keyring import Keyring
from mtlsd.keys.records import KeyRecord, records_of


def list_keys(keyring: Keyring, now: datetime) -> tuple[KeyRecord, ...]:
    """One row a key: kid, alg, state, created_at, until_at (aware UTC; None but for retiring keys).

    A key whose retirement has ended, and which the next write removes, has the state ``expired``.
    """
    return tuple(_as_of(record, now) for record in records_of(keyring))


def _as_of(record: KeyRecord, now: datetime) -> KeyRecord:
    expired = record.until_at is not None and record.until_at <= now
    return attrs.evolve(record, state="expired") if expired else record
