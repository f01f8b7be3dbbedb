"""ASGI applications behind the guard: requests, WebSockets, and what is neither."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from mtlsd.resource_server.asgi import AsgiGuard, verified_token
from tests.unit.jose.keys import certificate
from tests.unit.resource_server.world import Later, guarding, token, x5t_s256

OWN, OTHER = certificate("P-256"), certificate("P-256", 1)
BOUND = token(cnf={"x5t#S256": x5t_s256(OWN)})
BEARER = (b"authorization", f"Bearer {BOUND}".encode())


def tls(*ders: bytes) -> dict[str, Any]:
    return {"tls": {"client_cert_chain": [ssl.DER_cert_to_PEM_cert(der) for der in ders]}}


def scope(
    kind: str = "http", headers: Any = (BEARER,), extensions: Any = None, **more: Any
) -> dict[str, Any]:
    return {"type": kind, "headers": list(headers), "extensions": extensions, "method": "GET", **more}


def ask(guard: AsgiGuard, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """The events that go to the server."""
    sent: list[dict[str, Any]] = []

    async def send(event: Any) -> None:
        sent.append(event)

    async def receive() -> dict[str, Any]:
        raise AssertionError("a request that is refused is not read")

    asyncio.run(guard(asked, receive, send))
    return sent


async def application(asked: Any, receive: Any, send: Any) -> None:
    name = "lifespan" if asked["type"] == "lifespan" else verified_token(asked).client_id
    await send({"type": "called", "for": name})


CALLED = [{"type": "called", "for": "billing"}]
GUARD = AsgiGuard(application, guarding())


def status(sent: list[dict[str, Any]]) -> int:
    found: int = sent[0]["status"]
    return found


def test_the_right_certificate() -> None:
    """The leaf comes first (ASGI TLS extension)."""
    assert ask(GUARD, scope(extensions=tls(OWN))) == CALLED
    assert ask(GUARD, scope(extensions=tls(OWN, OTHER))) == CALLED
    _, value = BEARER
    assert ask(GUARD, scope(headers=[(b"AUTHORIZATION", value)], extensions=tls(OWN))) == CALLED


@pytest.mark.parametrize(
    "extensions",
    [
        None,
        {},
        {"tls": None},
        {"tls": {}},
        tls(),
        tls(OTHER),
        tls(OTHER, OWN),
        {"tls": {"client_cert_chain": None}},
    ],
)
def test_other_connections(extensions: Any) -> None:
    sent = ask(GUARD, scope(extensions=extensions))
    assert status(sent) == 401
    assert dict(sent[0]["headers"])[b"www-authenticate"].startswith(b'Bearer error="invalid_token"')
    assert [event["type"] for event in sent] == ["http.response.start", "http.response.body"]


def test_an_extension_that_cannot_be_read() -> None:
    assert status(ask(GUARD, scope(extensions={"tls": {"client_cert_chain": ["x"]}}))) == 500


def test_two_fields() -> None:
    assert status(ask(GUARD, scope(headers=[BEARER, BEARER], extensions=tls(OWN)))) == 400


def test_no_header_is_a_certificate() -> None:
    pem = ssl.DER_cert_to_PEM_cert(OWN).replace("\n", " ").encode()
    for name in (b"ssl-client-cert", b"x-ssl-client-cert", b"client-cert", b"x-forwarded-client-cert"):
        assert status(ask(GUARD, scope(headers=[BEARER, (name, pem)]))) == 401


def test_websockets() -> None:
    """Closed before they are open, or answered where the server can."""
    assert ask(GUARD, scope("websocket", extensions=tls(OWN))) == CALLED
    assert ask(GUARD, scope("websocket")) == [{"type": "websocket.close", "code": 1008}]
    sent = ask(GUARD, scope("websocket", extensions={"websocket.http.response": {}}))
    assert [event["type"] for event in sent] == [
        "websocket.http.response.start",
        "websocket.http.response.body",
    ]
    assert status(sent) == 401


def test_what_is_no_request() -> None:
    assert ask(GUARD, {"type": "lifespan"}) == [{"type": "called", "for": "lifespan"}]
    for kind in ("webtransport", "HTTP", ""):
        with pytest.raises(ValueError, match="nobody has checked"):
            ask(GUARD, scope(kind, extensions=tls(OWN)))


def test_scope() -> None:
    def required(asked: Any) -> str:
        return "admin" if asked["method"] == "POST" else "invoices:read"

    guard = AsgiGuard(application, guarding(), required)
    assert ask(guard, scope(extensions=tls(OWN))) == CALLED
    assert status(ask(guard, scope(extensions=tls(OWN), method="POST"))) == 403
    with pytest.raises(ValueError, match="scope"):
        AsgiGuard(application, guarding(), 'a"b')


def test_keys_that_are_not_there_yet() -> None:
    """The loop does not wait for them."""
    later = Later()
    start: Callable[..., None] = later
    assert status(ask(AsgiGuard(application, guarding(start)), scope(extensions=tls(OWN)))) == 503
    assert len(later.waiting) == 1


def test_a_scope_of_the_application_s_own() -> None:
    """The token is in a copy: what a server keeps of a connection is not changed."""
    asked = scope(extensions=tls(OWN))
    ask(GUARD, asked)
    with pytest.raises(LookupError):
        verified_token(asked)


def test_head() -> None:
    assert ask(GUARD, scope(method="HEAD"))[1]["body"] == b""
