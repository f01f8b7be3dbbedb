"""Authorization codes, as if so many users had consented: a program, run with the mtlsd that they are for.

    python bench/codes.py CONFIGURATION COUNT CLIENT_ID REDIRECT_URI CHALLENGE

The endpoint issues each code, as it does for the pages; all are then put into the server's store in one
transaction, for they live a minute. It prints them, one a line. Nothing of this package is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, TypeVar, cast
from urllib.parse import parse_qs, urlsplit

import attrs

import mtlsd
from mtlsd.clients.index import ClientIndex
from mtlsd.oauth.artifacts import Artifact, Artifacts
from mtlsd.oauth.authorization import AuthorizationEndpoint, AuthorizationPolicy, UserAuthenticated
from mtlsd.oauth.authorization_request import AuthorizationRequest
from mtlsd.oauth.forms import Form
from mtlsd.stores.sqlite import open_store
from mtlsd.stores.workers import InlineWorker

T = TypeVar("T")


@attrs.frozen
class Collected:
    """Stands for the store while the codes are issued."""

    artifacts: list[Artifact] = attrs.field(factory=list)

    async def save(self, *artifacts: Artifact, now: datetime) -> None:
        self.artifacts.extend(artifacts)


def _steps(awaitable: Awaitable[T], result: list[T]) -> Iterator[Any]:
    result.append((yield from awaitable.__await__()))


def now_of(awaitable: Awaitable[T]) -> T:
    """The result of what has to wait for nothing."""
    result: list[T] = []
    if list(_steps(awaitable, result)):
        raise RuntimeError("it waits")
    return result[0]


def issue(configuration: Path, count: int, asked: Form) -> list[str]:
    loaded = mtlsd.load_config(configuration).config
    clients, collected, now = ClientIndex.build(loaded.registrations), Collected(), datetime.now(UTC)
    endpoint = AuthorizationEndpoint(
        clients, cast(Artifacts, collected), AuthorizationPolicy(loaded.issuer), lambda: token_urlsafe(32)
    )
    request = now_of(endpoint.read(asked, now))
    if not isinstance(request, AuthorizationRequest):
        raise RuntimeError(f"there is no code for {request}")
    issued = [
        now_of(endpoint.issue_code(request, UserAuthenticated(f"user{number}", now), request.scope, now))
        for number in range(count)
    ]
    store = open_store(loaded.store, InlineWorker())
    now_of(store.open())
    now_of(store.artifacts.save(*collected.artifacts, now=now))
    now_of(store.close())
    return [parse_qs(urlsplit(location).query)["code"][0] for location in issued]


def main(arguments: list[str]) -> None:
    configuration, count, client_id, redirect_uri, challenge = arguments
    asked = {
        "client_id": client_id,
        "response_type": "code",
        "redirect_uri": redirect_uri,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    form = Form({name: (own,) for name, own in asked.items()})
    print("\n".join(issue(Path(configuration), int(count), form)))


if __name__ == "__main__":
    main(sys.argv[1:])
