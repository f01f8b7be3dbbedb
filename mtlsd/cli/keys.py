"""`mtlsd keys`: the keys that sign tokens."""

from __future__ import annotations

import argparse
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs

from mtlsd.cli.common import add_config, add_json, load_config, print_json, print_table
from mtlsd.cli.exits import OK
from mtlsd.config.model import Config
from mtlsd.keys.files import import_key, load, load_if_any, rotate
from mtlsd.keys.listing import list_keys
from mtlsd.keys.records import KeyRecord
from mtlsd.ops.audit import utc_now

_CACHED = timedelta(minutes=10)
"""How long resource servers may go on with the JWK Set they have, beyond a token's lifetime."""


def register(verbs: Any) -> None:
    parser = verbs.add_parser("keys", help="list and rotate the signing keys")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="every key and its state")
    add_json(listing)
    rotation = actions.add_parser("rotate", help="sign with the next key, and publish a new next one")
    importing = actions.add_parser("import", help="sign with a key of your own from now on")
    importing.add_argument("key", type=Path, metavar="FILE.pem")
    for action, do in ((listing, _list), (rotation, _rotate), (importing, _import)):
        add_config(action)
        action.set_defaults(do=do)


def _list(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    rows = list_keys(load(config.tokens.signing_keys), utc_now())
    if arguments.json:
        print_json([_document(row) for row in rows])
    else:
        _print(rows)
    return OK


def _rotate(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    directory, alg = config.tokens.signing_keys, config.tokens.signing_algorithm
    before = load_if_any(directory)
    after = rotate(directory, alg, utc_now(), _retire_for(config))
    _print(list_keys(after, utc_now()))
    if before is None:
        print("There were no keys yet: these are new, and nothing was rotated.")
    elif after.active == before.active:
        print(f"The next key was not for {alg}: it is replaced by one that is, and nothing was rotated.")
        print("When resource servers have fetched it: mtlsd keys rotate.")
    return OK


def _import(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    keyring = import_key(
        config.tokens.signing_keys,
        arguments.key,
        utc_now(),
        alg=config.tokens.signing_algorithm,
        retire_for=_retire_for(config),
    )
    _print(list_keys(keyring, utc_now()))
    return OK


def _retire_for(config: Config) -> timedelta:
    return timedelta(seconds=config.tokens.access_token_seconds) + _CACHED


def _print(rows: tuple[KeyRecord, ...]) -> None:
    documents = [_document(row) for row in rows]
    heading = tuple(name.upper() for name in documents[0])
    print_table([heading, *(tuple(str(value or "") for value in row.values()) for row in documents)])


def _document(row: KeyRecord) -> dict[str, Any]:
    return {
        name: value.isoformat() if hasattr(value, "isoformat") else value
        for name, value in attrs.asdict(row).items()
    }
