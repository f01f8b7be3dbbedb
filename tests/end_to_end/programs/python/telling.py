"""How the programs here speak with whoever started them: a line of JSON for each thing that they did."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from typing import Any


def told() -> Any:
    """What a program is told: {issuer, ca, certificate, key, client_id, redirect_uri, ...}"""
    return json.loads(sys.argv[1])


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def say_version(package: str) -> None:
    say(version=version(package))


def did(flow: str, **result: Any) -> None:
    say(did=flow, **result)


def browser(url: str) -> str:
    """Have whoever started us be the browser: the URL that it was sent back to."""
    say(open=url)
    return sys.stdin.readline().strip()
