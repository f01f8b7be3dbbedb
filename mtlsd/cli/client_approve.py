"""`mtlsd client approve`: changes of what clients are known by, which they ask for themselves (RFC 7592)."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import Any

from mtlsd.cli.common import (
    add_config,
    add_json,
    load_config,
    opened_store,
    print_json,
    result_of,
)
from mtlsd.cli.exits import OK, UsageError
from mtlsd.config.model import Config
from mtlsd.oauth.registration_artifacts import Change, change_key
from mtlsd.ops.audit import utc_now
from mtlsd.service.snapshot import client_index
from mtlsd.stores.interfaces import Store


def register(actions: Any) -> None:
    """Add `approve` to the actions of `mtlsd client`."""
    parser = actions.add_parser(
        "approve",
        help="look at changes that clients ask for, and approve or refuse them",
        description="A client that changes what it is known by, and does not come with the certificate that"
        " it is known by now, waits here for an operator. Without CLIENT_ID: shows all that wait.",
    )
    add_config(parser)
    add_json(parser)
    parser.add_argument("client_id", nargs="?", metavar="CLIENT_ID")
    parser.add_argument("--refuse", action="store_true", help="forget the change, and make none")
    parser.set_defaults(do=_do)


def _do(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    now = utc_now()
    with opened_store(config) as store:
        if arguments.client_id is None:
            if arguments.refuse:
                raise UsageError("say of which client the change is to be refused")
            return _list(store, now, arguments.json)
        found = result_of(store.artifacts.find("registration_change", change_key(arguments.client_id), now))
        if found is None:
            raise UsageError(f"no change of {arguments.client_id!r} waits; mtlsd client approve shows all")
        change = Change.from_artifact(found.artifact)
        if not arguments.refuse:
            _approve(store, config, change, now)
        result_of(store.artifacts.remove("registration_change", found.artifact.key))
    print(f"{'refused' if arguments.refuse else 'approved'} {arguments.client_id}")
    return OK


def _approve(store: Store, config: Config, change: Change, now: datetime) -> None:
    """Make it, unless something else has changed meanwhile."""
    after = change.after
    others = [own for own in result_of(store.list_clients()) if own.client_id != after.client_id]
    client_index(config, [*others, after])
    result_of(store.update_client(after, now, change.before))


def _list(store: Store, now: datetime, as_json: bool) -> int:
    waiting = result_of(store.artifacts.of_kind("registration_change", now))
    documents = [_document(Change.from_artifact(found.artifact)) for found in waiting]
    if as_json:
        print_json(documents)
        return OK
    for document in documents:
        print(f"{document['client_id']}, asked at {document['asked_at']}")
        for name, (before, after) in document["changes"].items():
            print(f"  {name}: {_shown(before)} -> {_shown(after)}")
    if not documents:
        print("no change waits")
    return OK


def _document(change: Change) -> dict[str, Any]:
    before, after = change.before.to_metadata(), change.after.to_metadata()
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return {
        "client_id": change.before.client_id,
        "asked_at": change.asked_at.isoformat(timespec="seconds"),
        "changes": {name: (before.get(name), after.get(name)) for name in names},
    }


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
