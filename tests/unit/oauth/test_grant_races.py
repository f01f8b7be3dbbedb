"""Of all who come at once with what may be used once, one gets something: through the real store (R54)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier, Thread

import attrs
import pytest

from mtlsd import reasons
from mtlsd.errors import Reason, Refusal
from mtlsd.oauth.authorization_request import AuthorizationRequest
from mtlsd.oauth.forms import Form
from mtlsd.oauth.public_pushes import PublicPushes
from mtlsd.oauth.pushed import PushedAuthorizationEndpoint
from mtlsd.stores.sqlite import open_store
from mtlsd.stores.workers import InlineWorker
from tests.pki import NOW
from tests.unit.oauth.grants_world import ALICE, GrantWorld, came, form, now_of, public_client, web_client

CLIENTS = (web_client("web"), public_client("public"))
AT_ONCE = 50


@attrs.frozen
class Rivals:
    """So many worlds over one file, each in a thread of its own, as if they were processes."""

    path: Path

    @contextmanager
    def world(self) -> Iterator[GrantWorld]:
        store = open_store(self.path, InlineWorker())
        now_of(store.open())
        yield GrantWorld(CLIENTS, artifacts=store.artifacts)
        now_of(store.close())

    def race(self, attempt: Callable[[GrantWorld], Awaitable[object]]) -> tuple[list[object], set[Reason]]:
        """What the winners got, and what the others were told."""
        start = Barrier(AT_ONCE, timeout=60)
        won: list[object] = []
        lost: list[Reason] = []

        def run() -> None:
            with self.world() as world:
                start.wait()
                try:
                    won.append(now_of(attempt(world)))
                except Refusal as refusal:
                    lost.append(refusal.reason)

        threads = [Thread(target=run) for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) + len(lost) == AT_ONCE
        return won, set(lost)


@pytest.fixture
def rivals(tmp_path: Path) -> Rivals:
    return Rivals(tmp_path / "mtlsd.db")


def test_a_code(rivals: Rivals) -> None:
    """The others remove what the winner got: somebody has stolen the code."""
    with rivals.world() as world:
        code = world.code()
    won, lost = rivals.race(lambda own: own.exchange(code))
    assert len(won) == 1
    assert lost <= {reasons.CODE_USED, reasons.CODE_UNKNOWN}
    assert reasons.CODE_USED in lost


def test_a_refresh_token_that_rotates(rivals: Rivals) -> None:
    with rivals.world() as world:
        token = world.refresh_token("public")
    won, lost = rivals.race(lambda own: own.refresh(token, "public"))
    assert len(won) == 1
    assert lost <= {reasons.REFRESH_TOKEN_USED, reasons.REFRESH_TOKEN_UNKNOWN}
    assert reasons.REFRESH_TOKEN_USED in lost


def test_a_refresh_token_that_stays(rivals: Rivals) -> None:
    """R81: a confidential client may use it as often as it likes."""
    with rivals.world() as world:
        token = world.refresh_token()
    won, lost = rivals.race(lambda own: own.refresh(token))
    assert (len(won), lost) == (AT_ONCE, set())


def test_a_request_uri(rivals: Rivals) -> None:
    with rivals.world() as world:
        pushing = PushedAuthorizationEndpoint(world.endpoint, PublicPushes())
        pushed = now_of(pushing.answer(came(world.by_id("web")), world.asking(), NOW))
        query: Form = form(client_id="web", request_uri=pushed.request_uri)
        request = now_of(world.endpoint.read(query, NOW))
        assert isinstance(request, AuthorizationRequest)
    won, lost = rivals.race(lambda own: own.endpoint.issue_code(request, ALICE, request.scope, NOW))
    assert len(won) == 1
    assert lost == {reasons.REQUEST_URI_USED}
