"""From files to tables: the configuration file and `clients.d/`, before anything they name is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import attrs

from mtlsd.clients.client import MEMBERS
from mtlsd.config.document import (
    ARRAYS,
    TABLES,
    AuditTable,
    AuthorizationTable,
    CertificateKeys,
    FetchTable,
    ListenerTable,
    RegistrationTable,
    StoreTable,
    TokensTable,
    TopTable,
    TrustAnchorsTable,
    UsersTable,
)
from mtlsd.config.notes import Notes
from mtlsd.config.structure import structure, unknown_key
from mtlsd.config.text import key_path
from mtlsd.config.toml import read_toml
from mtlsd.pki.printable import printable

T = TypeVar("T")

CLIENTS_DIRECTORY = "clients.d"


@attrs.frozen
class Entry(Generic[T]):
    """One table of an array, and where to note what is wrong with it."""

    table: T
    notes: Notes


@attrs.frozen
class ClientEntry:
    """One `[[client]]`.

    :ivar directory: where the names of its certificates start.
    """

    metadata: Mapping[str, Any]
    keys: CertificateKeys
    directory: Path
    notes: Notes


@attrs.frozen
class Document:
    """Everything that could be read.

    :ivar complete: whether every table could be read, so that what is missing is really missing.
    """

    top: TopTable | None
    tokens: TokensTable
    authorization: AuthorizationTable
    store: StoreTable
    audit: AuditTable
    fetch: FetchTable
    users: UsersTable
    registration: RegistrationTable
    listeners: tuple[Entry[ListenerTable], ...]
    trust_anchors: tuple[Entry[TrustAnchorsTable], ...]
    clients: tuple[ClientEntry, ...]
    complete: bool


def read_document(path: Path, notes: Notes) -> Document | None:
    """Read the configuration file and the clients beside it; None when there is nothing to look at."""
    raw = read_toml(path, notes)
    beside = list(_clients_beside(path.parent, notes))
    if raw is None:
        return None
    top = {key: value for key, value in raw.items() if key not in ARRAYS and key not in TABLES}
    clients = [*_clients(raw, path.parent, notes), *beside]
    document = Document(
        top=structure(top, TopTable, notes, also=(*ARRAYS, *TABLES)),
        tokens=_table(raw, "tokens", TokensTable, notes),
        authorization=_table(raw, "authorization", AuthorizationTable, notes),
        store=_table(raw, "store", StoreTable, notes),
        audit=_table(raw, "audit", AuditTable, notes),
        fetch=_table(raw, "fetch", FetchTable, notes),
        users=_table(raw, "users", UsersTable, notes),
        registration=_table(raw, "registration", RegistrationTable, notes),
        listeners=tuple(_array(raw, "listener", ListenerTable, notes)),
        trust_anchors=tuple(_array(raw, "trust_anchors", TrustAnchorsTable, notes)),
        clients=tuple(clients),
        complete=True,
    )
    return attrs.evolve(document, complete=not notes.fatal)


def _table(raw: Mapping[str, Any], name: str, cls: type[T], notes: Notes) -> T:
    value = raw.get(name, {})
    if not isinstance(value, dict):
        notes.add(name, "is no table", f"Write [{name}] on a line of its own, and its keys below.")
        return cls()
    return structure(value, cls, notes.at(name)) or cls()


def _array(raw: Mapping[str, Any], name: str, cls: type[T], notes: Notes) -> Iterator[Entry[T]]:
    for value, own in _tables(raw, name, "name", notes):
        table = structure(value, cls, own)
        if table is not None:
            yield Entry(table, own)


def _tables(
    raw: Mapping[str, Any], name: str, key: str, notes: Notes
) -> Iterator[tuple[dict[str, Any], Notes]]:
    """The tables of one array, each called by what it has in `key`."""
    values = raw.get(name, [])
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        notes.add(name, "is no list of tables", f"Write [[{name}]] on a line of its own, and the keys below.")
        return
    for index, value in enumerate(values):
        own_name = value.get(key)
        called = key_path(name, own_name if isinstance(own_name, str) and own_name else index)
        yield value, notes.at(called)


def _clients(raw: Mapping[str, Any], directory: Path, notes: Notes) -> Iterator[ClientEntry]:
    file_keys = [attribute.name for attribute in attrs.fields(CertificateKeys)]
    for value, own in _tables(raw, "client", "client_id", notes):
        for name in value.keys() - MEMBERS - set(file_keys):
            unknown_key(name, (*MEMBERS, *file_keys), own)
        files = {key: value[key] for key in file_keys if key in value}
        metadata = {key: value[key] for key in value if key in MEMBERS}
        keys = structure(files, CertificateKeys, own) or CertificateKeys()
        yield ClientEntry(metadata, keys, directory, own)


def _clients_beside(directory: Path, notes: Notes) -> Iterator[ClientEntry]:
    """The clients of `clients.d/*.toml`, in the order of the files' names."""
    folder = directory / CLIENTS_DIRECTORY
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        remedy = "Make it a directory that the user mtlsd runs as may read, or remove it."
        notes.of(CLIENTS_DIRECTORY).add("", f"cannot be read: {error.strerror}", remedy)
        return
    for name in names:
        if name.endswith(".toml") and not name.startswith("."):
            yield from _clients_of_file(folder / name, notes.of(printable(f"{CLIENTS_DIRECTORY}/{name}")))


def _clients_of_file(path: Path, notes: Notes) -> Iterator[ClientEntry]:
    raw = read_toml(path, notes)
    if raw is None:
        return
    for name in raw.keys() - {"client"}:
        belongs = "Put [[client]] above it." if name in MEMBERS else "Only [[client]] may stand here."
        notes.add(key_path(name), "does not belong here", belongs)
    yield from _clients(raw, path.parent, notes)
