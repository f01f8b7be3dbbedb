"""Who may read the metrics, and who may not."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.web.test.requesthelper import DummyRequest

from mtlsd.web.metrics import MetricsPage
from tests.unit.web.test_waiting import World

TEXT = b"mtlsd_tokens_issued_total 1.0\n"


def page(world: World, *, for_everybody: bool = False) -> MetricsPage:
    current = world.token.current
    current.metrics = lambda: TEXT
    return MetricsPage(current, content_type=b"text/plain", for_everybody=for_everybody)


def get(world: World, shown: MetricsPage, *, connected: bool = True) -> Any:
    request: Any = DummyRequest([b"metrics"])
    request.method, request.clientproto, request.uri, request.path = (
        b"GET",
        b"HTTP/1.1",
        b"/metrics",
        b"/metrics",
    )
    request.requestHeaders.setRawHeaders(b"host", [b"as"])
    request.transport = world.post().transport if connected else None
    world.events.clear()
    answer = shown.render(request)
    if isinstance(answer, bytes):
        request.write(answer)
        request.finish()
    return request


def test_everybody_on_a_listener_that_is_closed_to_others() -> None:
    world = World()
    request = get(world, page(world, for_everybody=True), connected=False)
    assert (request.responseCode, request.written) == (200, [TEXT])
    assert request.responseHeaders.getRawHeaders(b"content-type") == [b"text/plain"]
    assert request.responseHeaders.getRawHeaders(b"cache-control") == [b"no-store"]


def test_nobody_without_a_certificate() -> None:
    world = World()
    request = get(world, page(world), connected=False)
    assert request.responseCode == 401
    assert TEXT not in request.written


@pytest.mark.parametrize(("status", "code"), [("good", 200), ("revoked", 401)])
def test_a_client_once_it_is_known_that_it_is_not_revoked(status: Any, code: int) -> None:
    """R38: a provisional judgement proves nothing."""
    world = World()
    request = get(world, page(world))
    assert request.written == []
    while world.responder.asked:
        world.responder.answer(status)
    assert request.responseCode == code
    assert (TEXT in request.written) == (code == 200)
    again = get(world, page(world))
    assert again.responseCode == code


def test_nobody_tells_in_time() -> None:
    world = World()
    request = get(world, page(world))
    world.clock.advance(6)
    assert request.responseCode == 401
