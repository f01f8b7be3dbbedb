"""`mtlsd check`: every mistake at once, without starting anything."""

from __future__ import annotations

import argparse
from typing import Any

import attrs

from mtlsd.cli.common import add_config, add_json, print_json, stored_clients
from mtlsd.cli.exits import CONFIGURATION, OK
from mtlsd.cli.online import online_mistakes
from mtlsd.config.lists import LARGEST_LIST
from mtlsd.config.load import load
from mtlsd.config.model import Config
from mtlsd.errors import ConfigError, Mistake
from mtlsd.keys.files import algorithm_mistake, load_if_any
from mtlsd.ops.audit import utc_now
from mtlsd.service.assembly import client_index
from mtlsd.service.people import check_users


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
    """What the store, the keyring and the users say to it."""
    mistakes: list[Mistake] = []
    for check in (_clients, _keys, _users):
        try:
            mistakes += check(config)
        except ConfigError as error:
            mistakes += error.mistakes
    return mistakes


def _clients(config: Config) -> list[Mistake]:
    client_index(config, stored_clients(config))
    return []


def _keys(config: Config) -> list[Mistake]:
    keyring = load_if_any(config.tokens.signing_keys)
    place = f"{config.path.name}: tokens.signing_algorithm"
    mistake = None if keyring is None else algorithm_mistake(keyring, config.tokens.signing_algorithm, place)
    return [] if mistake is None else [mistake]


def _users(config: Config) -> list[Mistake]:
    check_users(config)
    return []
