"""The statements for sightings: each function is work for an SQLiteDatabase."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from mtlsd.clients.sightings import MOST_SIGHTINGS, Sighting
from mtlsd.stores.instants import from_microseconds, to_microseconds

_RECORD = """
INSERT INTO client_sighting (client_id, x5t_s256, subject, not_before, not_after, first_seen_at, last_seen_at)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE NOT EXISTS (SELECT 1 FROM retired_client_id WHERE client_id = ?1)
ON CONFLICT (client_id, x5t_s256) DO UPDATE SET
    first_seen_at = min(first_seen_at, excluded.first_seen_at),
    last_seen_at = max(last_seen_at, excluded.last_seen_at)
"""
_FORGET_OLD = """
DELETE FROM client_sighting WHERE client_id = ?1 AND x5t_s256 NOT IN (
    SELECT x5t_s256 FROM client_sighting WHERE client_id = ?1 ORDER BY last_seen_at DESC, x5t_s256 LIMIT ?2
)
"""
_OF_CLIENT = """
SELECT client_id, x5t_s256, subject, not_before, not_after, first_seen_at, last_seen_at
FROM client_sighting WHERE client_id = ? ORDER BY last_seen_at DESC, x5t_s256
"""


def record(connection: sqlite3.Connection, sightings: Iterable[Sighting]) -> None:
    """Join what was seen to what is known; of each client only the last are kept."""
    seen = set()
    for own in sightings:
        seen.add(own.client_id)
        instants = (own.not_before, own.not_after, own.first_seen_at, own.last_seen_at)
        row = (own.client_id, own.x5t_s256, own.subject, *map(to_microseconds, instants))
        connection.execute(_RECORD, row)
    for client_id in seen:
        connection.execute(_FORGET_OLD, (client_id, MOST_SIGHTINGS))


def of_client(connection: sqlite3.Connection, client_id: str) -> tuple[Sighting, ...]:
    """The one seen last comes first."""
    rows = connection.execute(_OF_CLIENT, (client_id,))
    return tuple(Sighting(*row[:3], *map(from_microseconds, row[3:])) for row in rows)
