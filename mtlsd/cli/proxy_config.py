"""`mtlsd proxy-config`: what a reverse proxy is to be configured with for this configuration."""

from __future__ import annotations

import argparse
from typing import Any

from mtlsd.cli.common import add_config, load_config, stored_clients
from mtlsd.cli.exits import OK
from mtlsd.cli.proxies.programs import PROGRAMS
from mtlsd.cli.proxies.snippet import snippet
from mtlsd.cli.proxies.wanted import Wanted, proxied
from mtlsd.service.snapshot import client_index


def register(verbs: Any) -> None:
    parser = verbs.add_parser("proxy-config", help="print what a reverse proxy is to be configured with")
    parser.add_argument("proxy", choices=list(PROGRAMS), help="which one")
    add_config(parser)
    parser.add_argument("--listener", metavar="NAME", help="which listener, where several are for proxies")
    parser.set_defaults(do=_print)


def _print(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    listener = proxied(config, arguments.listener)
    clients = client_index(config, stored_clients(config))
    wanted = Wanted.from_config(config, listener, names_cas=not clients.may_offer_any)
    print(snippet(arguments.proxy, wanted), end="")
    return OK
