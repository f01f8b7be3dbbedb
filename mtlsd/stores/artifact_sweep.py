"""Deleting artifacts that nobody finds any more, a few at a time: work for an SQLiteDatabase."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

_Step = Callable[[sqlite3.Connection, int, int], int]

_EXPIRED = """
DELETE FROM artifact WHERE id IN (
    SELECT id FROM artifact WHERE expires_at <= ? ORDER BY expires_at LIMIT ?
)
"""
_ENDED_GRANTS = """
DELETE FROM removed_grant WHERE grant_id IN (
    SELECT grant_id FROM removed_grant WHERE until_at <= ? ORDER BY until_at LIMIT ?
)
"""
_OF_GRANT = """
DELETE FROM artifact WHERE id IN (SELECT id FROM artifact WHERE grant_id = ? LIMIT ?)
"""
_OF_CLIENT = """
DELETE FROM artifact WHERE id IN (
    SELECT id FROM artifact WHERE client_id = ? AND id <= ? ORDER BY id LIMIT ?
)
"""


def sweep(connection: sqlite3.Connection, now: int, most: int) -> int:
    """:return: how many rows were deleted; fewer than `most` when none is left to delete."""
    done = 0
    for step in _STEPS:
        while done < most:
            deleted = step(connection, now, most - done)
            if not deleted:
                break
            done += deleted
    return done


def _expired(connection: sqlite3.Connection, now: int, most: int) -> int:
    return connection.execute(_EXPIRED, (now, most)).rowcount


def _ended_grants(connection: sqlite3.Connection, now: int, most: int) -> int:
    """They come before the next step: a grant that ended may have artifacts again."""
    return connection.execute(_ENDED_GRANTS, (now, most)).rowcount


def _removed_grants(connection: sqlite3.Connection, now: int, most: int) -> int:
    """One grant; it counts as a row itself, so that there is an end."""
    found = connection.execute("SELECT grant_id FROM removed_grant WHERE emptied = 0 LIMIT 1").fetchone()
    if found is None:
        return 0
    deleted = connection.execute(_OF_GRANT, (*found, most)).rowcount
    if deleted < most:
        connection.execute("UPDATE removed_grant SET emptied = 1 WHERE grant_id = ?", found)
        deleted += 1
    return deleted


def _removed_clients(connection: sqlite3.Connection, now: int, most: int) -> int:
    """One client, as above. What it gets later has greater numbers."""
    found = connection.execute("SELECT client_id, up_to_id FROM removed_client LIMIT 1").fetchone()
    if found is None:
        return 0
    deleted = connection.execute(_OF_CLIENT, (*found, most)).rowcount
    if deleted < most:
        connection.execute("DELETE FROM removed_client WHERE client_id = ?", found[:1])
        deleted += 1
    return deleted


_STEPS: tuple[_Step, ...] = (_expired, _ended_grants, _removed_grants, _removed_clients)
