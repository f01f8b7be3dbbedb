"""From a pushed request to a refresh token by 50 connections at a time: TLS, HTTP, and the store on the disk.

Assertions and the tokens of public clients are raced for where these are tested.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from urllib.parse import parse_qs, urlsplit

import attrs
import pytest
from cryptography import x509

from mtlsd.oauth.pkce import challenge_of
from tests.end_to_end.clients import Answer, Session, python
from tests.end_to_end.daemon import MTLSD, Daemon, running
from tests.end_to_end.setup import Setup
from tests.end_to_end.surfer import Surfer, pushed_target
from tests.end_to_end.test_grants import AT_ONCE, CALLBACK, SERVES, asking, at_once
from tests.pki import Written
from tests.unit.oauth.grants_world import VERIFIER

PASSWORD = "correct horse battery"
BROWSERS = 5


@attrs.frozen
class World:
    setup: Setup
    daemon: Daemon
    certificate: Written

    def post(self, form: dict[str, str], path: str = "/token") -> Answer:
        return python(self.setup.url("optional", path), self.setup.ca_file, self.certificate, form)

    def push(self, **changes: str) -> str:
        pushed = self.post({**asking("one", code_challenge=challenge_of(VERIFIER)), **changes}, "/par")
        assert pushed.status == 201, pushed.body
        return pushed_target("one", pushed.json["request_uri"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    setup = Setup(tmp_path_factory.mktemp("races"))
    setup.add_listener("optional", "optional", serves=SERVES)
    setup.listener("public")["serves"] += ["authorization"]
    named = {"tls_client_auth_san_dns": "one.example", "redirect_uris": [CALLBACK]}
    setup.add_client("one", **named, grant_types=["authorization_code", "refresh_token"])
    setup.write()
    for user in ("alice", "bob"):
        command = [MTLSD, "user", "add", "-c", str(setup.config), user]
        subprocess.run(command, input=PASSWORD + "\n", text=True, check=True, capture_output=True, timeout=20)
    certificate = setup.leaf("one", x509.DNSName("one.example"))
    with running(setup) as daemon:
        yield World(setup, daemon, certificate)


Work = tuple[tuple[Surfer, tuple[str, Answer]], str, int]


def _open(work: Work) -> Session:
    (browser, (target, _)), _, _ = work
    return browser.open(target)


def _answer(session: Session, work: Work) -> Answer:
    (browser, (_, page)), said, _ = work
    return browser.send(session, page, answer=said)


def code_form(code: str) -> dict[str, str]:
    form = {"grant_type": "authorization_code", "client_id": "one", "redirect_uri": CALLBACK}
    return {**form, "code": code, "code_verifier": VERIFIER}


def refresh_form(world: World, user: str) -> dict[str, str]:
    """With the refresh token that the client gets when the user has logged in and consented."""
    browser = Surfer(world.setup)
    target, page = browser.log_in(world.push(), user, PASSWORD)
    location = browser.post(target, page, answer="grant").headers["location"]
    tokens = world.post(code_form(parse_qs(urlsplit(location).query)["code"][0])).json
    return {"grant_type": "refresh_token", "client_id": "one", "refresh_token": tokens["refresh_token"]}


def answers_at_once(world: World, target: str, *answers: str) -> list[Answer]:
    """What so many connections of some browsers are told that are all open before the first one answers."""
    browsers = [Surfer(world.setup) for _ in range(BROWSERS)]
    pages = [browser.log_in(target, "alice", PASSWORD) for browser in browsers]
    each = AT_ONCE // BROWSERS // len(answers)
    work = list(product(zip(browsers, pages, strict=True), answers, range(each)))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        sessions = list(pool.map(_open, work))
        told = list(pool.map(_answer, sessions, work))
    for session in sessions:
        session.connection.close()
    assert len(told) == AT_ONCE
    return told


def winner_of(told: list[Answer]) -> dict[str, str]:
    """What the client is told: by one of them."""
    (won,) = (answer for answer in told if answer.status == 303)
    lost = [answer for answer in told if answer is not won]
    assert {answer.status for answer in lost} == {400}
    assert all(b"The request_uri was answered before." in answer.body for answer in lost)
    assert not any("location" in answer.headers for answer in lost)
    location = won.headers["location"]
    assert location.startswith(CALLBACK + "?")
    return {name: value for name, (value,) in parse_qs(urlsplit(location).query).items()}


def test_a_request_uri_and_its_code(world: World) -> None:
    """One consent gives one code, and one who comes with it gets tokens. Whoever comes after him with it
    ends them (RFC 6749 section 4.1.2): nobody knows which of them is the thief.
    """
    mark = world.daemon.mark()
    told = winner_of(answers_at_once(world, world.push(), "grant"))
    assert len(world.daemon.events("authorization.granted", mark)) == 1
    answers = at_once(world.setup, world.certificate, code_form(told["code"]))
    assert sorted(answer.status for answer in answers) == [200] + [400] * (AT_ONCE - 1)
    (won,) = (answer.json for answer in answers if answer.status == 200)
    refresh = {"grant_type": "refresh_token", "client_id": "one", "refresh_token": won["refresh_token"]}
    assert world.post(refresh).json["error"] == "invalid_grant"


def test_yes_and_no(world: World) -> None:
    """The user says both at once: the client hears one of them."""
    told = winner_of(answers_at_once(world, world.push(), "grant", "deny"))
    assert ("code" in told) != ("error" in told)


def test_a_changed_password_ends_refresh_tokens(world: World) -> None:
    """Of the user who has another one, with the daemon running."""
    refresh = {name: refresh_form(world, name) for name in ("alice", "bob")}
    assert [world.post(form).status for form in refresh.values()] == [200, 200]
    command = [MTLSD, "user", "passwd", "-c", str(world.setup.config), "alice"]
    subprocess.run(command, input="another one\n", text=True, check=True, capture_output=True, timeout=20)
    mark = world.daemon.mark()
    for _ in range(2):
        refused = world.post(refresh["alice"])
        assert (refused.status, refused.json["error"]) == (400, "invalid_grant")
    said = [event["reason"] for event in world.daemon.events("token.refused", mark)]
    assert said == ["refresh_token.user", "refresh_token.unknown"]
    assert world.post(refresh["bob"]).status == 200
