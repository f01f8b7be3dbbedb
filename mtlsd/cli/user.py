"""`mtlsd user`: the users file."""

from __future__ import annotations

import argparse
import os
import sys
from getpass import getpass
from pathlib import Path
from typing import Any

from mtlsd.cli.common import add_config, add_json, load_config, print_json, stored_clients
from mtlsd.cli.exits import OK, UsageError
from mtlsd.config.model import Config
from mtlsd.users.names import LONGEST_PASSWORD, check_name, check_password
from mtlsd.users.passwords import PasswordHash
from mtlsd.users.table import UserTable, changing

_ASKING = (
    "The password is asked for at a terminal, and otherwise read from standard input: one line."
    " It is never an argument, which every process of the machine could read."
)


def register(verbs: Any) -> None:
    parser = verbs.add_parser("user", help="add, list and remove users of the users file")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="every user of the file")
    add_json(listing)
    add_config(listing)
    listing.set_defaults(do=_list)
    for name, do, text, description in (
        ("add", _add, "add a user", _ASKING),
        ("passwd", _passwd, "give a user another password; sessions and refresh tokens end", _ASKING),
        ("remove", _remove, "remove a user; the user's sessions end", None),
    ):
        action = actions.add_parser(name, help=text, description=description)
        action.add_argument("name", metavar="NAME")
        add_config(action)
        action.set_defaults(do=do)


def _list(arguments: argparse.Namespace) -> int:
    path = _file(arguments)
    names = sorted(UserTable.read(path).users) if path.exists() else []
    if arguments.json:
        print_json(names)
    else:
        print("".join(f"{name}\n" for name in names), end="")
    return OK


def _add(arguments: argparse.Namespace) -> int:
    try:
        name = check_name(arguments.name)
    except ValueError as error:
        raise UsageError(str(error)) from error
    config = _config(arguments)
    path = config.users.file
    clients = [*(own.client for own in config.registrations), *stored_clients(config)]
    if any(client.client_id == name for client in clients):
        raise UsageError(f"a client has the name {name!r}: a resource server could take one for the other")
    if path.exists() and name in UserTable.read(path).users:
        raise UsageError(f"there is a user {name!r} already; mtlsd user passwd gives another password")
    _put(path, name)
    print(f"added {name}")
    return OK


def _passwd(arguments: argparse.Namespace) -> int:
    path = _file(arguments)
    _check_is_there(path, arguments.name)
    _put(path, arguments.name)
    name = arguments.name
    print(f"changed the password of {name}; every session and refresh token of {name} ends")
    return OK


def _remove(arguments: argparse.Namespace) -> int:
    path = _file(arguments)
    _check_is_there(path, arguments.name)
    with changing(path) as tables:
        tables.append(tables[-1].without_user(arguments.name))
    print(f"removed {arguments.name}")
    return OK


def _file(arguments: argparse.Namespace) -> Path:
    return _config(arguments).users.file


def _config(arguments: argparse.Namespace) -> Config:
    """Without the warning that there are no users, which the command may be about to mend."""
    config = load_config(arguments.config, silent=": users.file")
    if config.users.checker is not None:
        raise UsageError(f"users are checked by {config.users.checker}, and not by a users file")
    return config


def _check_is_there(path: Path, name: str) -> None:
    if not path.exists() or name not in UserTable.read(path).users:
        raise UsageError(f"no user {name!r}; mtlsd user list shows all")


def _put(path: Path, name: str) -> None:
    try:
        password = check_password(_asked() if sys.stdin.isatty() else _read())
    except ValueError as error:
        raise UsageError(str(error)) from error
    hashed = PasswordHash.from_password(password, os.urandom)
    with changing(path) as tables:
        tables.append(tables[-1].with_user(name, hashed))


def _asked() -> str:
    password = getpass("Password: ")
    if getpass("Again: ") != password:
        raise UsageError("these are two different passwords")
    return password


def _read() -> str:
    line = sys.stdin.buffer.readline(4 * LONGEST_PASSWORD + 2)
    try:
        return line.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise UsageError("the password is not UTF-8") from None
