"""The statements for clients: each function is work for an SQLiteDatabase."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

from mtlsd.clients.client import Client
from mtlsd.errors import ConfigError, Mistake
from mtlsd.stores.interfaces import Conflict, UnknownClient
from mtlsd.stores.subject_key import subject_key_text

_REMOVE_OTHER = "Register another subject or certificate, or remove the other client."


def add(connection: sqlite3.Connection, place: str, client: Client, now: int) -> None:
    """Register a client; `now` in microseconds since 1970."""
    _refuse_retired(connection, place, client.client_id)
    added = connection.execute(
        "INSERT INTO client (client_id, metadata, disabled, created_at, updated_at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (client_id) DO NOTHING",
        (client.client_id, _metadata(client), client.disabled, now, now),
    )
    if added.rowcount == 0:
        message = f"the client_id {client.client_id!r} is registered already"
        raise Conflict(place, message, "Choose another one, or change the client.", client.client_id)
    _claim(connection, place, client)


def update(connection: sqlite3.Connection, place: str, client: Client, now: int, seen: Client | None) -> None:
    """Replace a client's metadata, subject and pins."""
    if seen is not None:
        _refuse_changed(connection, place, client.client_id, seen)
    updated = connection.execute(
        "UPDATE client SET metadata = ?, disabled = ?, updated_at = ? WHERE client_id = ?",
        (_metadata(client), client.disabled, now, client.client_id),
    )
    _refuse_unknown(updated, place, client.client_id)
    connection.execute("DELETE FROM client_subject WHERE client_id = ?", (client.client_id,))
    connection.execute("DELETE FROM client_pin WHERE client_id = ?", (client.client_id,))
    _claim(connection, place, client)


def get(connection: sqlite3.Connection, place: str, client_id: str) -> Client | None:
    """:raises ConfigError: where the row cannot be read."""
    row = connection.execute(
        "SELECT client_id, metadata, disabled FROM client WHERE client_id = ?", (client_id,)
    ).fetchone()
    return None if row is None else _client(place, *row)


def list_all(connection: sqlite3.Connection, place: str) -> tuple[Client, ...]:
    """:raises ConfigError: with the mistakes of all rows that cannot be read."""
    clients: list[Client] = []
    mistakes: list[Mistake] = []
    for row in connection.execute("SELECT client_id, metadata, disabled FROM client ORDER BY client_id"):
        try:
            clients.append(_client(place, *row))
        except ConfigError as error:
            mistakes.extend(error.mistakes)
    if mistakes:
        raise ConfigError(tuple(mistakes))
    return tuple(clients)


def set_disabled(
    connection: sqlite3.Connection, place: str, client_id: str, disabled: bool, now: int
) -> None:
    """Disable a client or enable it again."""
    updated = connection.execute(
        "UPDATE client SET disabled = ?, updated_at = ? WHERE client_id = ?", (disabled, now, client_id)
    )
    _refuse_unknown(updated, place, client_id)


def remove(connection: sqlite3.Connection, place: str, client_id: str, now: int) -> None:
    """Remove a client, and keep its client_id from being used again."""
    deleted = connection.execute("DELETE FROM client WHERE client_id = ?", (client_id,))
    _refuse_unknown(deleted, place, client_id)
    connection.execute(
        "INSERT INTO retired_client_id (client_id, removed_at) VALUES (?, ?)", (client_id, now)
    )


def generation(connection: sqlite3.Connection) -> int:
    """How often any client was changed."""
    number: int = connection.execute("SELECT generation FROM client_generation").fetchone()[0]
    return number


def _claim(connection: sqlite3.Connection, place: str, client: Client) -> None:
    """Take the client's subject and pins, which no other client may have."""
    for group, member, key in _subjects(client):
        added = connection.execute(
            "INSERT INTO client_subject (anchor_group, member, key, client_id) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (anchor_group, member, key) DO NOTHING",
            (group, member, key, client.client_id),
        )
        if added.rowcount == 0:
            holder = connection.execute(
                "SELECT client_id FROM client_subject WHERE anchor_group = ? AND member = ? AND key = ?",
                (group, member, key),
            ).fetchone()[0]
            assert client.subject is not None
            message = (
                f"the subject {client.subject.text!r} under trust anchors {group!r} belongs to {holder!r}"
            )
            raise Conflict(place, message, _REMOVE_OTHER, holder)
    for sha256 in dict.fromkeys(client.pin_sha256s):
        added = connection.execute(
            "INSERT INTO client_pin (sha256, client_id) VALUES (?, ?) ON CONFLICT (sha256) DO NOTHING",
            (sha256, client.client_id),
        )
        if added.rowcount == 0:
            holder = connection.execute(
                "SELECT client_id FROM client_pin WHERE sha256 = ?", (sha256,)
            ).fetchone()[0]
            message = f"the certificate with SHA-256 {sha256.hex()} is pinned for {holder!r}"
            raise Conflict(place, message, _REMOVE_OTHER, holder)


def _subjects(client: Client) -> Iterator[tuple[str, str, str]]:
    subject = client.subject
    if subject is not None:
        for group in dict.fromkeys(client.trust_anchors):
            yield group, subject.member, subject_key_text(subject.key)


def _metadata(client: Client) -> str:
    """Everything but `disabled`, which has a column of its own."""
    metadata = client.to_metadata()
    metadata.pop("disabled", None)
    return json.dumps(metadata, sort_keys=True)


def _client(place: str, client_id: str, metadata: str, disabled: int) -> Client:
    where = f"{place}: client.{client_id}"
    try:
        values = json.loads(metadata)
    except ValueError:  # somebody else wrote it, or the disk lost it
        values = None
    if not isinstance(values, dict) or values.get("client_id") != client_id:
        remedy = (
            f"Remove it with mtlsd client remove {client_id}, and register it again under another client_id."
        )
        raise ConfigError((Mistake(where, "the store does not hold this client's metadata", remedy),))
    return Client.from_metadata({**values, "disabled": bool(disabled)}, place=where)


def _refuse_retired(connection: sqlite3.Connection, place: str, client_id: str) -> None:
    row = connection.execute("SELECT 1 FROM retired_client_id WHERE client_id = ?", (client_id,)).fetchone()
    if row is not None:
        message = f"the client_id {client_id!r} was removed before, and is never given again"
        raise Conflict(
            place, message, "Choose another one: tokens and logs still name the old client.", client_id
        )


def _refuse_changed(connection: sqlite3.Connection, place: str, client_id: str, seen: Client) -> None:
    row = connection.execute(
        "SELECT metadata, disabled FROM client WHERE client_id = ?", (client_id,)
    ).fetchone()
    if row is not None and row != (_metadata(seen), int(seen.disabled)):
        message = f"the client {client_id!r} was changed by somebody else in between"
        raise Conflict(place, message, "Look at it again, and repeat the change.", client_id)


def _refuse_unknown(changed: sqlite3.Cursor, place: str, client_id: str) -> None:
    if changed.rowcount == 0:
        message = f"there is no client {client_id!r} in the store"
        raise UnknownClient(place, message, "mtlsd client list shows those that there are.", client_id)
