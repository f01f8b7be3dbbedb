"""The statements for artifacts: each function is work for an SQLiteDatabase, and no statement scans a table.

Instants are microseconds since 1970.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

import attrs

from mtlsd.oauth.artifacts import Artifact, Found, Kind
from mtlsd.stores.instants import from_microseconds

_GONE_AT_ONCE = (
    100  # how many rows beyond a bound one save deletes: more than one where the bound was lowered
)

# An artifact that is there: not expired, and neither its grant nor its client was removed. A row of
# removed_grant counts as long as it says, whether or not it was swept already.
_IS_THERE = """
expires_at > :now
AND NOT EXISTS (SELECT 1 FROM removed_grant WHERE grant_id = artifact.grant_id AND until_at > :now)
AND NOT EXISTS (SELECT 1 FROM removed_client WHERE client_id = artifact.client_id AND up_to_id >= artifact.id)
"""
_FIND = f"""
SELECT id, consumed_at, client_id, grant_id, content, expires_at FROM artifact
WHERE kind = :kind AND key = :key AND {_IS_THERE}
"""  # noqa: S608  # nothing in it comes from outside
_OF_KIND = f"""
SELECT key, consumed_at, client_id, grant_id, content, expires_at FROM artifact
WHERE kind = :kind AND {_IS_THERE}
ORDER BY key
"""  # noqa: S608  # nothing in it comes from outside
_MAY_NOT_BE_KEPT = """
SELECT EXISTS (SELECT 1 FROM removed_grant WHERE grant_id = :grant_id AND until_at > :now)
OR EXISTS (SELECT 1 FROM client WHERE client_id = :client_id AND disabled = 1)
OR EXISTS (SELECT 1 FROM retired_client_id WHERE client_id = :client_id)
"""
_INSERT = """
INSERT INTO artifact (kind, key, client_id, grant_id, counts_as, content, expires_at)
VALUES (:kind, :key, :client_id, :grant_id, :counts_as, :content, :expires_at)
"""
_KEEP_NEWEST = """
DELETE FROM artifact WHERE id IN (
    SELECT id FROM artifact WHERE counts_as = ? ORDER BY id DESC LIMIT ? OFFSET ?
)
"""
_REMOVE_GRANT = """
INSERT INTO removed_grant (grant_id, until_at, emptied)
SELECT :grant_id, max(:until, coalesce(max(expires_at), 0)), 0 FROM artifact WHERE grant_id = :grant_id
ON CONFLICT (grant_id) DO UPDATE SET until_at = max(until_at, excluded.until_at), emptied = 0
"""
_NEXT_CLIENT = "SELECT min(client_id) FROM artifact WHERE client_id > ?"
_WAS_ISSUED = """
SELECT 1 FROM artifact WHERE client_id = ? AND kind IN ('code', 'refresh_token', 'access_token') LIMIT 1
"""
_REMOVE_CLIENT = """
INSERT OR REPLACE INTO removed_client (client_id, up_to_id) SELECT ?, coalesce(max(id), 0) FROM artifact
"""


@attrs.frozen
class Row:
    """An artifact on its way into the table.

    :ivar bound: what it counts as, and how many of these are kept.
    """

    artifact: Artifact
    expires_at: int
    bound: tuple[str, int] | None

    def values(self, now: int) -> dict[str, Any]:
        """For the names in the statements."""
        own = self.artifact
        return {
            "kind": own.kind,
            "key": own.key,
            "client_id": own.client_id,
            "grant_id": own.grant_id,
            "counts_as": None if self.bound is None else self.bound[0],
            "content": own.encoded,
            "expires_at": self.expires_at,
            "now": now,
        }


def save(connection: sqlite3.Connection, rows: Iterable[Row], now: int) -> None:
    """Insert each, in the place of one that is not consumed."""
    for row in rows:
        values = row.values(now)
        before = connection.execute(_FIND, values).fetchone()
        is_consumed = before is not None and before[1] is not None
        if is_consumed or connection.execute(_MAY_NOT_BE_KEPT, values).fetchone()[0]:
            continue
        remove(connection, row.artifact.kind, row.artifact.key)  # what replaces it is the newest
        connection.execute(_INSERT, values)
        if row.bound is not None:
            counts_as, most = row.bound
            connection.execute(_KEEP_NEWEST, (counts_as, _GONE_AT_ONCE, most))


def find(connection: sqlite3.Connection, kind: Kind, key: bytes, now: int) -> Found | None:
    """The one that is there, consumed or not."""
    row = connection.execute(_FIND, {"kind": kind, "key": key, "now": now}).fetchone()
    return None if row is None else _found(kind, key, *row[1:])


def of_kind(connection: sqlite3.Connection, kind: Kind, now: int) -> tuple[Found, ...]:
    """All that are there, consumed or not."""
    found = connection.execute(_OF_KIND, {"kind": kind, "now": now}).fetchall()
    return tuple(_found(kind, *row) for row in found)


def consume(
    connection: sqlite3.Connection, kind: Kind, key: bytes, now: int, then: Iterable[Row]
) -> Found | None:
    """The transaction holds the lock of all writers: nobody comes between the statements."""
    row = connection.execute(_FIND, {"kind": kind, "key": key, "now": now}).fetchone()
    if row is None:
        return None
    if row[1] is None:
        connection.execute("UPDATE artifact SET consumed_at = ? WHERE id = ?", (now, row[0]))
        save(connection, then, now)
    return _found(kind, key, *row[1:])


def claim(connection: sqlite3.Connection, row: Row, now: int) -> bool:
    """Insert it where there is none that has not expired."""
    values = row.values(now)
    if connection.execute(_FIND, values).fetchone() is not None:
        return False
    remove(connection, row.artifact.kind, row.artifact.key)
    connection.execute(_INSERT, values)
    return True


def remove(connection: sqlite3.Connection, kind: Kind, key: bytes) -> None:
    """Delete the row, if there is one."""
    connection.execute("DELETE FROM artifact WHERE kind = ? AND key = ?", (kind, key))


def remove_grant(connection: sqlite3.Connection, grant_id: str, until: int) -> None:
    """From now on nothing of this grant is there; until `until` at least, nothing of it is kept either."""
    connection.execute(_REMOVE_GRANT, {"grant_id": grant_id, "until": until})


def grant_removed(connection: sqlite3.Connection, grant_id: str, now: int) -> bool:
    """Whether it is remembered that the grant was removed."""
    row = connection.execute(
        "SELECT 1 FROM removed_grant WHERE grant_id = ? AND until_at > ?", (grant_id, now)
    ).fetchone()
    return row is not None


def client_ids(connection: sqlite3.Connection) -> tuple[str, ...]:
    """One look into the index for each client, however many rows it has."""
    found: list[str] = []
    own: str | None = ""
    while (own := connection.execute(_NEXT_CLIENT, (own,)).fetchone()[0]) is not None:
        if connection.execute(_WAS_ISSUED, (own,)).fetchone() is not None:
            found.append(own)
    return tuple(found)


def remove_client(connection: sqlite3.Connection, client_id: str) -> None:
    """Of all rows that there are, those of this client are not there any more."""
    connection.execute(_REMOVE_CLIENT, (client_id,))


def _found(
    kind: Kind,
    key: bytes,
    consumed_at: int | None,
    client_id: str | None,
    grant_id: str | None,
    content: str,
    expires_at: int,
) -> Found:
    artifact = Artifact(kind, key, client_id, grant_id, json.loads(content), from_microseconds(expires_at))
    return Found(artifact, None if consumed_at is None else from_microseconds(consumed_at))
