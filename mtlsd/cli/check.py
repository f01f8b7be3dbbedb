"""`mtlsd check`: every mistake at once, without starting anything."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import attrs

from mtlsd.cli.common import add_config, add_json, print_json, stored_clients, unreachable
from mtlsd.cli.exits import CONFIGURATION, OK
from mtlsd.cli.online import online_mistakes
from mtlsd.clients.index import ClientIndex
from mtlsd.config.lists import LARGEST_LIST
from mtlsd.config.load import load
from mtlsd.config.model import Config
from mtlsd.errors import ConfigError, Mistake
from mtlsd.keys.files import algorithm_mistake, load_if_any
from mtlsd.ops.audit import utc_now
from mtlsd.pki.printable import printable
from mtlsd.service.people import check_users
from mtlsd.service.snapshot import client_index
from mtlsd.users.table import UserTable


def register(verbs: Any) -> None:
    parser = verbs.add_parser("check", help="check a configuration, its files, keys and clients")
    add_config(parser)
    add_json(parser)
    parser.add_argument(
        "--online", action="store_true", help="also fetch each revocation list and ask each responder, once"
    )
    parser.set_defaults(do=_check)


def _check(arguments: argparse.Namespace) -> int:
    mistakes: list[Mistake] = []
    try:
        loaded = load(arguments.config, utc_now(), largest_list=LARGEST_LIST)
        mistakes += loaded.warnings
        mistakes += _beyond_the_file(loaded.config)
        mistakes += online_mistakes(loaded.config) if arguments.online else ()
    except ConfigError as error:
        mistakes += error.mistakes
    fatal = any(mistake.fatal for mistake in mistakes)
    if arguments.json:
        print_json({"ok": not fatal, "mistakes": [attrs.asdict(mistake) for mistake in mistakes]})
    else:
        for mistake in mistakes:
            print(mistake if mistake.fatal else f"warning: {mistake}")
        print(f"{arguments.config}: " + ("has mistakes" if fatal else "good"))
    return CONFIGURATION if fatal else OK


def _beyond_the_file(config: Config) -> list[Mistake]:
    """What the store, the keyring and the users say to it, and where mtlsd would write."""
    mistakes: list[Mistake] = []
    for check in (_outputs, _clients, _keys, _users):
        try:
            mistakes += check(config)
        except ConfigError as error:
            mistakes += error.mistakes
    return mistakes


def _outputs(config: Config) -> list[Mistake]:
    """What the daemon writes or makes at its start, and whoever runs this could not."""
    places = {
        "store.url": config.store,
        "tokens.signing_keys": config.tokens.signing_keys,
        "audit.file": config.audit,
    }
    remedy = "Name one in a directory of the user that mtlsd runs as, and check as that user."
    return [
        Mistake(f"{config.path.name}: {key}", f"{printable(str(path))} cannot be written", remedy)
        for key, path in places.items()
        if path is not None and not _can_be_written(path)
    ]


def _can_be_written(path: Path) -> bool:
    """A directory that is there says itself what is wrong with it."""
    if os.path.isdir(path):
        return True
    return os.access(path, os.W_OK) if os.path.lexists(path) else os.access(path.parent, os.W_OK | os.X_OK)


def _clients(config: Config) -> list[Mistake]:
    stored = stored_clients(config)
    return [*_namesakes(config, client_index(config, stored)), *unreachable(config, stored)]


def _namesakes(config: Config, clients: ClientIndex) -> list[Mistake]:
    """Users who cannot log in, for a client has their name."""
    file = config.users.file
    if not config.asks_users or config.users.checker is not None or not file.exists():
        return []
    try:
        names = UserTable.read(file).users
    except ConfigError:
        return []  # which is told of the users
    remedy = "Rename one of them: a resource server could take it for the other."
    return [
        Mistake(file.name, f"user {name!r} has the client_id of a client, and cannot log in", remedy, False)
        for name in sorted(names)
        if clients.by_id(name) is not None
    ]


def _keys(config: Config) -> list[Mistake]:
    keyring = load_if_any(config.tokens.signing_keys)
    place = f"{config.path.name}: tokens.signing_algorithm"
    mistake = None if keyring is None else algorithm_mistake(keyring, config.tokens.signing_algorithm, place)
    return [] if mistake is None else [mistake]


def _users(config: Config) -> list[Mistake]:
    check_users(config)
    return []
