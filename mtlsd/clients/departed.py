"""Which clients lose what they were issued when one set of registrations takes the place of another."""

from __future__ import annotations

from collections.abc import Iterable

from mtlsd.clients.client import Client
from mtlsd.clients.index import Registration


def departed(before: Iterable[Registration], after: Iterable[Registration]) -> tuple[str, ...]:
    """The client_ids of those that are no longer registered, and of those that are disabled now.

    Without a `before`, as at the start, all that are disabled: who else is gone says :func:`unknown`.
    """
    were = {own.client.client_id: own.client.disabled for own in before}
    are = {own.client.client_id: own.client.disabled for own in after}
    gone = [client_id for client_id in were if client_id not in are]
    disabled = [client_id for client_id in are if are[client_id] and not were.get(client_id, False)]
    return (*gone, *disabled)


def unknown(
    issued: Iterable[str], registrations: Iterable[Registration], stored: Iterable[Client]
) -> tuple[str, ...]:
    """The client_ids to which something was issued, and that nobody is registered under any more.

    :param stored: the clients of the store, read after `issued`: some may have come since the start.
    """
    known = {own.client.client_id for own in registrations} | {own.client_id for own in stored}
    return tuple(client_id for client_id in issued if client_id not in known)
