"""Codes, refresh tokens, exchanged tokens and pushed requests, by a daemon and clients that are not ours.

Nobody logs in here: a code is put into the daemon's store, as another process of it would.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs
import pytest
from cryptography import x509

import mtlsd
from mtlsd.clients.grant_types import TOKEN_EXCHANGE
from mtlsd.clients.index import ClientIndex
from mtlsd.oauth.authorization import AuthorizationEndpoint, AuthorizationPolicy, UserAuthenticated
from mtlsd.oauth.authorization_request import AuthorizationRequest
from mtlsd.oauth.forms import Form
from mtlsd.oauth.pkce import challenge_of
from mtlsd.stores.sqlite import open_store
from mtlsd.stores.workers import InlineWorker
from tests.end_to_end.clients import TLS_1_3, Answer, Session, curl, python
from tests.end_to_end.daemon import Daemon, running
from tests.end_to_end.setup import Setup
from tests.end_to_end.tools import needs
from tests.pki import Written
from tests.unit.oauth.grants_world import now_of

CALLBACK, NATIVE_CALLBACK = "https://client.example/cb", "http://127.0.0.1/cb"
VERIFIER = token_urlsafe(32)
AT_ONCE = 50
API, LEDGER = "https://api.example/", "https://ledger.example/"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
SERVES = ["token", "introspection", "revocation", "par"]


@contextmanager
def authorization(config: Path) -> Iterator[AuthorizationEndpoint]:
    """What issues codes, over the store of a daemon that runs."""
    loaded = mtlsd.load_config(config).config
    store = open_store(loaded.store, InlineWorker())
    now_of(store.open())
    clients = ClientIndex.build(loaded.registrations)
    policy = AuthorizationPolicy(loaded.issuer)
    yield AuthorizationEndpoint(clients, store.artifacts, policy, lambda: token_urlsafe(32))
    now_of(store.close())


def issue_code(config: Path, query: dict[str, str], user: str = "alice@users.example") -> str:
    """The code that a user's consent would give for this request."""
    with authorization(config) as endpoint:
        return issued(endpoint, query, user)


def issued(endpoint: AuthorizationEndpoint, query: dict[str, str], user: str = "alice@users.example") -> str:
    """As :func:`issue_code`, for who needs many."""
    now = datetime.now(UTC)
    request = now_of(endpoint.read(Form({name: (own,) for name, own in query.items()}), now))
    assert isinstance(request, AuthorizationRequest), request
    user_here = UserAuthenticated(user, now)
    location = now_of(endpoint.issue_code(request, user_here, request.scope, now))
    return parse_qs(urlsplit(location).query)["code"][0]


def asking(client_id: str, **more: str) -> dict[str, str]:
    return {
        "client_id": client_id,
        "response_type": "code",
        "redirect_uri": NATIVE_CALLBACK if client_id == "native" else CALLBACK,
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        **more,
    }


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


@attrs.frozen
class World:
    """A daemon with two confidential clients, a public one and a service, each with its certificate."""

    setup: Setup
    certificates: dict[str, Written]

    def post(self, form: dict[str, str], certificate: str | None, path: str = "/token") -> Answer:
        presented = None if certificate is None else self.certificates[certificate]
        return python(self.setup.url("optional", path), self.setup.ca_file, presented, form)

    def curl(self, form: dict[str, str], certificate: str | None, path: str = "/token") -> Answer:
        presented = None if certificate is None else self.certificates[certificate]
        return curl(self.setup.url("mtls", path), self.setup.ca_file, presented, form, TLS_1_3)

    def code(self, client_id: str, **more: str) -> str:
        return issue_code(self.setup.config, asking(client_id, **more))

    def with_code(self, code: str, client_id: str) -> dict[str, str]:
        redirect_uri = asking(client_id)["redirect_uri"]
        return {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "code_verifier": VERIFIER,
        }

    def with_refresh_token(self, token: str, client_id: str) -> dict[str, str]:
        return {"grant_type": "refresh_token", "refresh_token": token, "client_id": client_id}

    def tokens(self, client_id: str) -> dict[str, Any]:
        answer = self.post(self.with_code(self.code(client_id), client_id), client_id)
        assert answer.status == 200, answer.body
        return answer.json


CONFIDENTIAL = ("one", "two")
CLIENTS = (*CONFIDENTIAL, "native")
FROM = [*CLIENTS, "service", None]


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    setup = Setup(tmp_path_factory.mktemp("grants"))
    setup.listener("mtls")["serves"] = SERVES
    setup.add_listener("optional", "optional", serves=SERVES)
    acting = {"grant_types": ["authorization_code", "refresh_token"], "resources": [API]}
    for name in CONFIDENTIAL:
        named = {"tls_client_auth_san_dns": f"{name}.example", "redirect_uris": [CALLBACK]}
        setup.add_client(name, **named, **acting)
    native = {"token_endpoint_auth_method": "none", "redirect_uris": [NATIVE_CALLBACK]}
    setup.add_client("native", **native, **acting)
    setup.add_client(
        "service",
        tls_client_auth_san_dns="service.example",
        grant_types=[TOKEN_EXCHANGE],
        exchanges_for=[API],
        resources=[LEDGER],
    )
    return setup


@pytest.fixture(scope="module")
def daemon(setup: Setup) -> Iterator[Daemon]:
    with running(setup) as running_daemon:
        yield running_daemon


@pytest.fixture(scope="module")
def world(setup: Setup, daemon: Daemon) -> World:
    names = (*CONFIDENTIAL, "service")
    certificates = {name: setup.leaf(name, x509.DNSName(f"{name}.example")) for name in names}
    certificates["native"] = setup.present("native", setup.pki.self_signed("an application"))
    return World(setup, certificates)


@needs("curl")
def test_a_pushed_request_and_its_code_with_curl(world: World, daemon: Daemon) -> None:
    """R17, R54, R64, R65: from the request to the token, as `curl --cert` does it."""
    mark = daemon.mark()
    pushed = world.curl(asking("one", scope="invoices:read", resource=API), "one", "/par")
    assert (pushed.status, pushed.json["expires_in"]) == (201, 60)
    request_uri = pushed.json["request_uri"]
    code = issue_code(world.setup.config, {"client_id": "one", "request_uri": request_uri})
    answer = world.curl(world.with_code(code, "one"), "one")
    claims = claims_of(answer.token)
    assert claims["sub"] == "alice@users.example"
    assert (claims["client_id"], claims["aud"], claims["scope"]) == ("one", API, "invoices:read")
    assert len(base64.urlsafe_b64decode(claims["cnf"]["x5t#S256"] + "=")) == 32
    refreshed = world.curl(world.with_refresh_token(answer.json["refresh_token"], "one"), "one")
    assert claims_of(refreshed.token)["grant_id"] == claims["grant_id"]
    assert "refresh_token" not in refreshed.json
    daemon.event("request.pushed", mark, client_id="one", redirect_uri=CALLBACK)
    daemon.event("token.issued", mark, grant_type="authorization_code", sub="alice@users.example")
    secrets = (request_uri, code, answer.token, answer.json["refresh_token"])
    assert not any(secret in daemon.out.read_text() for secret in secrets)


@needs("curl")
def test_a_second_time(world: World) -> None:
    """R54: the refresh token that came of the code is gone with it."""
    code = world.code("one")
    first = world.curl(world.with_code(code, "one"), "one")
    again = world.curl(world.with_code(code, "one"), "one")
    assert (first.status, again.status, again.json["error"]) == (200, 400, "invalid_grant")
    gone = world.curl(world.with_refresh_token(first.json["refresh_token"], "one"), "one")
    assert (gone.status, gone.json["error"]) == (400, "invalid_grant")


def test_a_public_client(world: World) -> None:
    """R20: any certificate, and that one from then on."""
    code = world.code("native", redirect_uri="http://127.0.0.1:51234/cb")
    form = {**world.with_code(code, "native"), "redirect_uri": "http://127.0.0.1:51234/cb"}
    tokens = world.post(form, "native")
    assert claims_of(tokens.token)["cnf"]
    first = tokens.json["refresh_token"]
    assert world.post(world.with_refresh_token(first, "native"), "service").json["error"] == "invalid_grant"
    second = world.post(world.with_refresh_token(first, "native"), "native")
    assert second.json["refresh_token"] not in (None, first)
    assert world.post(world.with_refresh_token(first, "native"), "native").status == 400
    family = world.post(world.with_refresh_token(second.json["refresh_token"], "native"), "native")
    assert (family.status, family.json["error"]) == (400, "invalid_grant")


def test_a_service_acts_for_whom_it_was_called(world: World) -> None:
    """R68: the token is bound to the certificate of the service."""
    code = world.code("one", resource=API, scope="invoices:read")
    token = world.post(world.with_code(code, "one"), "one").token
    exchange = {
        "grant_type": TOKEN_EXCHANGE,
        "client_id": "service",
        "subject_token": token,
        "subject_token_type": ACCESS_TOKEN,
        "resource": LEDGER,
    }
    claims = claims_of(world.post(exchange, "service").token)
    assert (claims["sub"], claims["aud"]) == ("alice@users.example", LEDGER)
    assert claims["act"] == {"sub": "service"}
    assert claims["cnf"] != claims_of(token)["cnf"]
    for certificate in CLIENTS:
        assert world.post(exchange, certificate).status == 401


def told(answer: Answer) -> str:
    error: str = answer.json["error"]
    return error


class TestNothingCrosses:
    """Whoever has the certificate of one, the client_id of another and what a third was issued gets nothing,
    and takes nothing from whose it is.
    """

    @pytest.mark.parametrize("owner", CLIENTS)
    def test_codes(self, world: World, owner: str) -> None:
        code = world.code(owner)
        for certificate in FROM:
            for client_id in CLIENTS:
                if (certificate, client_id) != (owner, owner) and (client_id, owner) != ("native", "native"):
                    answer = world.post(world.with_code(code, client_id), certificate)
                    expected = may_be(certificate, client_id)
                    assert told(answer) in expected, (certificate, client_id, answer.body)
        assert world.post(world.with_code(code, owner), owner).status == 200

    @pytest.mark.parametrize("owner", CLIENTS)
    def test_refresh_tokens(self, world: World, owner: str) -> None:
        token = world.tokens(owner)["refresh_token"]
        for certificate in FROM:
            for client_id in CLIENTS:
                if (certificate, client_id) != (owner, owner):
                    answer = world.post(world.with_refresh_token(token, client_id), certificate)
                    expected = may_be(certificate, client_id)
                    assert told(answer) in expected, (certificate, client_id, answer.body)
        assert world.post(world.with_refresh_token(token, owner), owner).status == 200

    @pytest.mark.parametrize("owner", CLIENTS)
    def test_tokens_of_another_cannot_be_ended(self, world: World, owner: str) -> None:
        tokens = world.tokens(owner)
        for client_id in CLIENTS:
            if client_id != owner:
                for token in (tokens["access_token"], tokens["refresh_token"]):
                    form = {"client_id": client_id, "token": token}
                    assert world.post(form, client_id, "/revoke").status == 200
        assert world.post(world.with_refresh_token(tokens["refresh_token"], owner), owner).status == 200

    @pytest.mark.parametrize("owner", CLIENTS)
    def test_pushed_requests(self, world: World, owner: str) -> None:
        for certificate in FROM:
            for client_id in CONFIDENTIAL:
                if certificate != client_id:
                    answer = world.post(asking(client_id), certificate, "/par")
                    assert (answer.status, told(answer)) == (401, "invalid_client")
        request_uri = world.post(asking(owner), owner, "/par").json["request_uri"]
        with authorization(world.setup.config) as endpoint:
            for client_id in CLIENTS:
                if client_id != owner:
                    query = Form({"client_id": (client_id,), "request_uri": (request_uri,)})
                    with pytest.raises(Exception, match=r"request_uri\.invalid"):
                        now_of(endpoint.read(query, datetime.now(UTC)))
        assert issue_code(world.setup.config, {"client_id": owner, "request_uri": request_uri})


def may_be(certificate: str | None, client_id: str) -> tuple[str, ...]:
    """With which errors it is refused: a public client needs to prove nothing but has to bring something."""
    if client_id != "native":
        return ("invalid_client",) if certificate != client_id else ("invalid_grant",)
    return ("invalid_request", "invalid_grant") if certificate is None else ("invalid_grant",)


class TestBoundButNotPresented:
    """R19, P33: never a token that anybody could use."""

    def test_public(self, world: World) -> None:
        code = world.code("native")
        refused = world.post(world.with_code(code, "native"), None)
        assert (refused.status, told(refused)) == (400, "invalid_request")
        assert world.post(world.with_code(code, "native"), "native").status == 200

    def test_confidential(self, world: World) -> None:
        refused = world.post(world.with_code(world.code("one"), "one"), None)
        assert (refused.status, told(refused)) == (401, "invalid_client")


def at_once(setup: Setup, certificate: Written, form: dict[str, str]) -> list[Answer]:
    """What so many connections are told that all are open before the first one asks."""
    sessions = [Session(setup.url("optional"), setup.ca_file, certificate) for _ in range(AT_ONCE)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda session: session.socket, sessions))
        answers = list(pool.map(lambda session: session.post(form), sessions))
    for session in sessions:
        session.connection.close()
    return answers


class TestRaces:
    """Of 50 connections at once exactly one wins."""

    def test_a_code(self, world: World) -> None:
        answers = at_once(world.setup, world.certificates["one"], world.with_code(world.code("one"), "one"))
        assert sorted(answer.status for answer in answers) == [200] + [400] * (AT_ONCE - 1)
        assert {told(answer) for answer in answers if answer.status == 400} == {"invalid_grant"}

    def test_a_refresh_token_that_rotates(self, world: World) -> None:
        token = world.tokens("native")["refresh_token"]
        answers = at_once(
            world.setup, world.certificates["native"], world.with_refresh_token(token, "native")
        )
        assert sorted(answer.status for answer in answers) == [200] + [400] * (AT_ONCE - 1)
