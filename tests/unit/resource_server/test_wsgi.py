"""WSGI applications behind the guard: where the certificate comes from, and what never is one."""

from __future__ import annotations

import io
import logging
import ssl
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.resource_server.connection import (
    certificate_of_environ,
    certificate_of_pem,
    certificate_of_variable,
)
from mtlsd.resource_server.values import RefusedToken
from mtlsd.resource_server.wsgi import WsgiGuard, verified_token
from tests.unit.jose.keys import certificate
from tests.unit.resource_server.world import ANOTHER, CERTIFICATE, Later, guarding, token

PEM = ssl.DER_cert_to_PEM_cert(certificate("P-256"))


class Socket:
    """As gunicorn hands it over."""

    def __init__(self, der: bytes | None) -> None:
        self.der = der

    def getpeercert(self, binary_form: bool = False) -> bytes | None:
        assert binary_form
        return self.der


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [verified_token(environ).client_id.encode()]


def ask(
    guard: WsgiGuard, authorization: str | None = None, **environ: Any
) -> tuple[int, dict[str, str], bytes]:
    whole: dict[str, Any] = {"wsgi.input": io.BytesIO(b""), **environ}
    setup_testing_defaults(whole)
    if authorization is not None:
        whole["HTTP_AUTHORIZATION"] = authorization
    said: list[Any] = []

    def start_response(*arguments: object) -> Any:
        said.extend(arguments)
        return io.BytesIO().write

    body = b"".join(guard(whole, start_response))
    return int(said[0].split()[0]), dict(said[1]), body


def over(der: bytes | None) -> dict[str, Any]:
    return {"gunicorn.socket": Socket(der)}


BEARER = f"Bearer {token()}"
GUARD = WsgiGuard(application, guarding())


def test_the_right_certificate() -> None:
    assert ask(GUARD, BEARER, **over(CERTIFICATE)) == (200, {}, b"billing")
    assert ask(GUARD, BEARER, **{"werkzeug.socket": Socket(CERTIFICATE)})[0] == 200


def test_other_connections() -> None:
    for environ in (over(ANOTHER), over(None), {"gunicorn.socket": object()}, {}):
        status, headers, _ = ask(GUARD, BEARER, **environ)
        assert status == 401
        assert headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')


def test_no_header_is_a_certificate() -> None:
    """P26: clients write them."""
    for name in ("HTTP_SSL_CLIENT_CERT", "HTTP_X_SSL_CLIENT_CERT", "HTTP_GUNICORN_SOCKET", "HTTP_CLIENT_CERT",
                 "SSL_CLIENT_CERT", "HTTP_X_FORWARDED_CLIENT_CERT"):  # fmt: skip
        assert certificate_of_environ({name: PEM, "gunicorn.socket": Socket(None)}) is None
        assert certificate_of_environ({name: PEM}) is None


def test_variables_of_the_server() -> None:
    certificate_of = certificate_of_variable("SSL_CLIENT_CERT")
    assert certificate_of({"SSL_CLIENT_CERT": PEM}) == certificate("P-256")
    assert certificate_of({"SSL_CLIENT_CERT": ""}) is None
    assert certificate_of({"HTTP_SSL_CLIENT_CERT": PEM}) is None
    for name in ("HTTP_SSL_CLIENT_CERT", "http_x"):
        with pytest.raises(ValueError, match="header"):
            certificate_of_variable(name)


@pytest.mark.parametrize("pem", ["", "x", PEM + PEM, PEM[:-30], PEM[30:], "-----BEGIN CERTIFICATE-----"])
def test_what_is_no_pem(pem: str) -> None:
    with pytest.raises(ValueError, match=" "):
        certificate_of_pem(pem)


def test_a_certificate_that_cannot_be_told(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever an application's own function does, nobody comes through."""

    def fails(_: object) -> bytes | None:
        raise KeyError("x")

    def refuses(_: object) -> bytes | None:
        raise Refusal(reasons.FORWARDED_PROXY)

    assert ask(WsgiGuard(application, guarding(), (), fails), BEARER)[0] == 500
    assert ask(WsgiGuard(application, guarding(), (), refuses), BEARER)[0] == 400
    assert "KeyError" in caplog.text


def test_scope() -> None:
    def required(environ: Any) -> str:
        return "admin" if environ["REQUEST_METHOD"] == "POST" else "invoices:read"

    for scope, status in (("invoices:read", 200), ("admin", 403), (["admin"], 403), (required, 200)):
        assert ask(WsgiGuard(application, guarding(), scope), BEARER, **over(CERTIFICATE))[0] == status
    guard = WsgiGuard(application, guarding(), required)
    assert ask(guard, BEARER, REQUEST_METHOD="POST", **over(CERTIFICATE))[0] == 403
    with pytest.raises(ValueError, match="scope"):
        WsgiGuard(application, guarding(), ['a"b'])


def test_tokens_elsewhere() -> None:
    status, headers, _ = ask(GUARD, None, QUERY_STRING=f"access_token={token()}", **over(CERTIFICATE))
    assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")


def test_two_fields_that_the_server_has_joined() -> None:
    assert ask(GUARD, f"{BEARER},{BEARER}", **over(CERTIFICATE))[0] == 400


def test_head() -> None:
    assert ask(GUARD, None, REQUEST_METHOD="HEAD")[2] == b""


def test_an_application_without_guard() -> None:
    """A token that nobody has verified is none, whoever has put it there."""
    for environ in ({}, {"mtlsd.access_token": "x"}):
        with pytest.raises(LookupError):
            verified_token(environ)


def test_keys_that_do_not_come() -> None:
    status, headers, body = ask(
        WsgiGuard(application, guarding(Later())), "Bearer a.b.c", **over(CERTIFICATE)
    )
    assert (status, "WWW-Authenticate" in headers) == (503, False)
    assert b"temporarily_unavailable" in body


def test_what_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Why, and whose; never the token."""
    ask(GUARD, BEARER, **over(ANOTHER))
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("mtlsd.resource_server", logging.WARNING)
    said = record.getMessage()
    assert said.startswith('access.refused access_token.certificate_mismatch {"client_id": "billing"')
    assert token() not in said


def test_a_log_of_one_s_own(caplog: pytest.LogCaptureFixture) -> None:
    told: list[RefusedToken] = []
    assert ask(WsgiGuard(application, guarding(log=told.append)), BEARER)[0] == 401
    assert [own.refusal.reason.code for own in told] == ["access_token.certificate_absent"]

    def broken(_: RefusedToken) -> None:
        raise OSError("disk full")

    assert ask(WsgiGuard(application, guarding(log=broken)), BEARER)[0] == 401
    assert "disk full" in caplog.text
