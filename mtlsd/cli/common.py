"""What several verbs need."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import attrs
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mtlsd.clients.client import Client
from mtlsd.clients.index import Registration
from mtlsd.config.checks import Known, check_reachable
from mtlsd.config.load import load
from mtlsd.config.model import Config
from mtlsd.config.notes import Notes
from mtlsd.errors import Mistake
from mtlsd.ops.audit import utc_now
from mtlsd.service.snapshot import STORE
from mtlsd.stores.interfaces import Store
from mtlsd.stores.sqlite import open_store
from mtlsd.stores.workers import InlineWorker

T = TypeVar("T")


def add_config(parser: argparse.ArgumentParser) -> None:
    """The argument that nearly every verb has."""
    parser.add_argument(
        "-c", "--config", type=Path, required=True, metavar="FILE", help="the mtlsd.toml to use"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def load_config(path: Path, silent: str | None = None) -> Config:
    """The configuration; what will not go well for long is told on standard error.

    :param silent: how the places end of which no warning is told.
    :raises ConfigError: with every mistake.
    """
    loaded = load(path, utc_now())
    for warning in loaded.warnings:
        if silent is None or not warning.place.endswith(silent):
            print(f"warning: {warning}", file=sys.stderr)
    return loaded.config


def result_of(deferred: Deferred[T]) -> T:
    """The result of what runs in this thread, and so has come already."""
    results: list[Any] = []
    deferred.addBoth(results.append)
    if isinstance(results[0], Failure):
        results[0].raiseException()
    result: T = results[0]
    return result


@contextmanager
def opened_store(config: Config) -> Iterator[Store]:
    """The configuration's store, for a command: every call has been done when it returns.

    :raises StoreError: where it cannot be opened.
    """
    store = open_store(config.store, InlineWorker())
    result_of(store.open())
    try:
        yield store
    finally:
        result_of(store.close())


def stored_clients(config: Config) -> tuple[Client, ...]:
    """The store's clients; none where there is no store yet, and none is made."""
    if not config.store.exists():
        return ()
    with opened_store(config) as store:
        return result_of(store.list_clients())


def unreachable(config: Config, stored: Iterable[Client]) -> list[Mistake]:
    """Clients of the store that no listener takes. The listener may come later."""
    notes = Notes(STORE)
    known = [Known(Registration(own, STORE), notes.at(f"client.{own.client_id}")) for own in stored]
    check_reachable(known, config.listeners)
    return [attrs.evolve(mistake, fatal=False) for mistake in notes.found]


def print_json(document: object) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=True))


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell; the first row is the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
