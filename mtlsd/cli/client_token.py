"""`mtlsd client token`: initial access tokens, to register clients with (RFC 7591 section 3)."""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta
from typing import Any

from mtlsd.cli.common import (
    add_config,
    add_json,
    load_config,
    opened_store,
    print_json,
    print_table,
    result_of,
)
from mtlsd.cli.exits import OK, UsageError
from mtlsd.config.model import Config
from mtlsd.oauth.artifacts import Found
from mtlsd.oauth.registration_artifacts import InitialToken, token_id
from mtlsd.ops.audit import utc_now
from mtlsd.service.identifiers import random_secret
from mtlsd.stores.interfaces import Store

_LONGEST_LABEL = 100
_MOST_HOURS = 24 * 366


def register(actions: Any) -> None:
    """Add `token` to the actions of `mtlsd client`."""
    parser = actions.add_parser(
        "token",
        help="issue, list and revoke initial access tokens",
        description="Issues a token with which a client can register itself, and prints it: it is nowhere"
        " else. [registration] says what a client may register with it.",
    )
    add_config(parser)
    add_json(parser)
    parser.add_argument("--label", default="", metavar="TEXT", help="whom it is for")
    parser.add_argument("--hours", type=int, default=24, metavar="N", help="how long it can be used (24)")
    parser.add_argument("--many", action="store_true", help="for any number of clients, not for one alone")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="show those that there are, instead")
    what.add_argument("--revoke", metavar="ID", help="make an end of the one that --list shows, instead")
    parser.set_defaults(do=_do)


def _do(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    now = utc_now()
    with opened_store(config) as store:
        if arguments.list:
            return _list(store, now, arguments.json)
        if arguments.revoke is not None:
            return _revoke(store, arguments.revoke, now)
        return _issue(store, config, arguments, now)


def _issue(store: Store, config: Config, arguments: argparse.Namespace, now: datetime) -> int:
    if "initial_access_token" not in config.registration.modes:
        raise UsageError(
            'nobody may register with a token: add "initial_access_token" to modes of [registration]'
        )
    if not 0 < arguments.hours <= _MOST_HOURS:
        raise UsageError(f"--hours takes 1 to {_MOST_HOURS}")
    if len(arguments.label) > _LONGEST_LABEL or not arguments.label.isprintable():
        raise UsageError(f"--label takes a line of at most {_LONGEST_LABEL} characters")
    secret, expires_at = random_secret(), now + timedelta(hours=arguments.hours)
    artifact = InitialToken(arguments.label, not arguments.many, now).artifact(secret, expires_at)
    result_of(store.artifacts.save(artifact, now=now))
    if arguments.json:
        own = {"id": token_id(artifact), "expires_at": expires_at.isoformat(timespec="seconds")}
        print_json({**own, "initial_access_token": secret})
    else:
        print(secret)
    return OK


def _list(store: Store, now: datetime, as_json: bool) -> int:
    documents = [_document(found) for found in result_of(store.artifacts.of_kind("initial_token", now))]
    documents.sort(key=lambda document: document["expires_at"])
    if as_json:
        print_json(documents)
        return OK
    rows = [("ID", "FOR", "STATE", "EXPIRES")]
    rows += [(own["id"], own["label"] or "-", own["state"], own["expires_at"]) for own in documents]
    print_table(rows)
    return OK


def _document(found: Found) -> dict[str, str]:
    token = InitialToken.from_artifact(found.artifact)
    unused = "for one client" if token.once else "for many clients"
    return {
        "id": token_id(found.artifact),
        "label": token.label,
        "state": unused if found.consumed_at is None else "used",
        "issued_at": token.issued_at.isoformat(timespec="seconds"),
        "expires_at": found.artifact.expires_at.isoformat(timespec="seconds"),
    }


def _revoke(store: Store, called: str, now: datetime) -> int:
    for found in result_of(store.artifacts.of_kind("initial_token", now)):
        if token_id(found.artifact) == called:
            result_of(store.artifacts.remove("initial_token", found.artifact.key))
            print(f"revoked {called}")
            return OK
    raise UsageError(f"no token {called!r}; mtlsd client token --list shows all")
