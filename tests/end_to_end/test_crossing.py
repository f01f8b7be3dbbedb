"""Every pair of (certificate of one client, credentials of another), at every endpoint and grant.

Nothing crosses. And whoever is refused hears the same, whatever was wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pytest

from mtlsd.errors import Refusal
from mtlsd.jose import b64
from mtlsd.oauth.forms import Form
from tests.end_to_end.actors import (
    METHODS,
    SECRET,
    Actor,
    Sent,
    World,
    assertion,
    basic,
    with_assertion,
    world_in,
)
from tests.end_to_end.clients import Answer, Session
from tests.end_to_end.daemon import Daemon, running
from tests.end_to_end.openssl_ca import der_of
from tests.end_to_end.test_grants import VERIFIER, asking, authorization, claims_of, issue_code
from tests.pki import Written
from tests.unit.oauth.grants_world import now_of

NAMES = tuple(METHODS)
OTHERS = pytest.mark.parametrize("owner", NAMES)
ENDPOINTS: Mapping[str, Mapping[str, str]] = {
    "/token": {"grant_type": "client_credentials"},
    "/introspect": {"token": "x"},
    "/revoke": {"token": "x"},
    "/par": {name: value for name, value in asking("one").items() if name != "client_id"},
}
EVERYWHERE = pytest.mark.parametrize("path", ENDPOINTS)
PUBLIC_TOO = ("/revoke", "/par")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return world_in(tmp_path_factory.mktemp("crossing"))


@pytest.fixture(scope="module", autouse=True)
def daemon(world: World) -> Iterator[Daemon]:
    with running(world.setup) as running_daemon:
        yield running_daemon


def thumbprint(certificate: Written) -> str:
    return b64.encode_text(hashlib.sha256(der_of(certificate.certificate)).digest())


def error(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["error"]


def may(of: Actor, over: Actor) -> bool:
    """Whether these credentials may come over that certificate: over any, if they are none (R50)."""
    return of is over or not of.by_certificate


def form_at(path: str, of: str) -> Mapping[str, str]:
    if path != "/par":
        return ENDPOINTS[path]
    return {name: value for name, value in asking(of).items() if name != "client_id"}


@EVERYWHERE
def test_every_pair(world: World, path: str) -> None:
    for of in world.actors.values():
        for over in world.actors.values():
            answer = world.ask(path, form_at(path, of.client_id), of.client_id, over.client_id)
            who = f"{of.client_id} over the certificate of {over.client_id}: {answer.body!r}"
            if not may(of, over) or (of.is_public and path not in PUBLIC_TOO):
                assert error(answer) == (401, "invalid_client"), who
                continue
            assert answer.status == (201 if path == "/par" else 200), who
            if path == "/token":
                claims = claims_of(answer.token)
                assert claims["client_id"] == of.client_id, who
                assert claims["cnf"] == {"x5t#S256": thumbprint(over.certificate)}, who


@EVERYWHERE
def test_credentials_of_one_with_the_client_id_of_another(world: World, path: str) -> None:
    for of in ("jwt-one", "basic"):
        for named in NAMES:
            if named != of:
                form = {**form_at(path, of), "client_id": named}
                assert error(world.ask(path, form, of)) == (401, "invalid_client"), (of, named)


def code_form(code: str, owner: str) -> dict[str, str]:
    redirect_uri = asking(owner)["redirect_uri"]
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": VERIFIER,
    }


def check_worthless(world: World, owner: str, form: Mapping[str, str]) -> None:
    """To everybody but the owner, over every certificate."""
    for of in world.actors.values():
        for over in world.actors.values():
            if of.client_id != owner:
                expected = (400, "invalid_grant") if may(of, over) else (401, "invalid_client")
                answer = world.ask("/token", form, of.client_id, over.client_id)
                assert error(answer) == expected, (of.client_id, over.client_id)
            elif not may(of, over):
                assert error(world.ask("/token", form, owner, over.client_id)) == (401, "invalid_client")


@OTHERS
def test_codes_and_refresh_tokens(world: World, owner: str) -> None:
    form = code_form(issue_code(world.setup.config, asking(owner)), owner)
    check_worthless(world, owner, form)
    answer = world.ask("/token", form, owner)
    assert answer.status == 200, answer.body
    refresh = {"grant_type": "refresh_token", "refresh_token": answer.json["refresh_token"]}
    check_worthless(world, owner, refresh)
    refreshed = world.ask("/token", refresh, owner)
    assert claims_of(refreshed.token)["client_id"] == owner


@OTHERS
def test_tokens_that_others_would_end(world: World, owner: str) -> None:
    form = code_form(issue_code(world.setup.config, asking(owner)), owner)
    tokens = world.ask("/token", form, owner).json
    for name in NAMES:
        if name != owner:
            for kind in ("access_token", "refresh_token"):
                assert world.ask("/revoke", {"token": tokens[kind]}, name).status == 200
    asked = world.ask("/introspect", {"token": tokens["access_token"]}, "one")
    assert asked.json["active"] is True
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert world.ask("/token", refresh, owner).status == 200


@OTHERS
def test_pushed_requests(world: World, owner: str) -> None:
    pushed = world.ask("/par", form_at("/par", owner), owner)
    request_uri = pushed.json["request_uri"]
    with authorization(world.setup.config) as endpoint:
        for name in NAMES:
            if name != owner:
                query = Form({"client_id": (name,), "request_uri": (request_uri,)})
                with pytest.raises(Refusal, match=r"request_uri\.invalid"):
                    now_of(endpoint.read(query, datetime.now(UTC)))
    assert issue_code(world.setup.config, {"client_id": owner, "request_uri": request_uri})


class TestBoundButNotPresented:
    """R19: whoever has to get bound tokens, and comes without a certificate, gets none."""

    LISTENERS = pytest.mark.parametrize("listener", ["optional", "public"])

    @LISTENERS
    @pytest.mark.parametrize("name", [name for name in NAMES if METHODS[name] != "none"])
    def test_client_credentials(self, world: World, name: str, listener: str) -> None:
        self.check(world, name, listener, ENDPOINTS["/token"])

    @LISTENERS
    @OTHERS
    def test_codes_and_refresh_tokens(self, world: World, owner: str, listener: str) -> None:
        """And they are not used up by it."""
        form = code_form(issue_code(world.setup.config, asking(owner)), owner)
        self.check(world, owner, listener, form)
        answer = world.ask("/token", form, owner)
        refresh = {"grant_type": "refresh_token", "refresh_token": answer.json["refresh_token"]}
        self.check(world, owner, listener, refresh)
        assert world.ask("/token", refresh, owner).status == 200

    def check(self, world: World, name: str, listener: str, form: Mapping[str, str]) -> None:
        actor = world.actors[name]
        answer = world.post("/token", form, actor.sends(), None, listener)
        expected = (401, "invalid_client") if actor.by_certificate else (400, "invalid_request")
        assert error(answer) == expected
        assert "access_token" not in answer.json


def wrong(world: World) -> dict[str, tuple[Sent, Written | None]]:
    """Everything that may be wrong with who a client is."""
    issuer = world.setup.issuer
    own = {name: actor.certificate for name, actor in world.actors.items()}
    stranger = world.setup.present("stranger", world.setup.pki.self_signed("a stranger"))

    def jwt_of(client_id: str, key: int, **change: object) -> Sent:
        return with_assertion(assertion(client_id, issuer, key, **change)), {}

    index = NAMES.index("jwt-one")
    return {
        "an unknown client": (({"client_id": "nobody"}, {}), own["one"]),
        "an unknown client without a certificate": (({"client_id": "nobody"}, {}), None),
        "another's certificate": (({"client_id": "one"}, {}), own["two"]),
        "a pinned one": (({"client_id": "one"}, {}), own["pinned"]),
        "a stranger's certificate": (({"client_id": "one"}, {}), stranger),
        "no certificate": (({"client_id": "one"}, {}), None),
        "no certificate of a pinned client": (({"client_id": "pinned"}, {}), None),
        "no credentials but a certificate": (({"client_id": "jwt-one"}, {}), own["jwt-one"]),
        "no credentials of a client with a secret": (({"client_id": "post"}, {}), own["post"]),
        "a wrong secret": (({"client_id": "post", "client_secret": "wrong"}, {}), own["post"]),
        "a secret of nobody": (({"client_id": "nobody", "client_secret": SECRET}, {}), own["post"]),
        "a secret where none is": (({"client_id": "jwt-one", "client_secret": SECRET}, {}), own["post"]),
        "a secret sent in another way": (({"client_id": "basic", "client_secret": SECRET}, {}), own["post"]),
        "an assertion by another key": (jwt_of("jwt-one", 99), own["jwt-one"]),
        "an assertion of nobody": (jwt_of("nobody", 99), own["jwt-one"]),
        "an assertion of a client that has no keys": (jwt_of("native", 99), own["native"]),
        "an assertion for others": (jwt_of("jwt-one", index, aud="https://other.example"), own["jwt-one"]),
        "an assertion that has expired": (jwt_of("jwt-one", index, exp=1), own["jwt-one"]),
        "an assertion without a jti": (jwt_of("jwt-one", index, jti=None), own["jwt-one"]),
        "no JWT": ((with_assertion("x"), {}), own["jwt-one"]),
    }


def by_header(world: World) -> dict[str, tuple[Sent, Written | None]]:
    own = world.actors["basic"].certificate
    return {
        "a wrong secret": (({}, basic("basic", "wrong")), own),
        "without a certificate": (({}, basic("basic", "wrong")), None),
        "nobody": (({}, basic("nobody", SECRET)), own),
        "a client of another method": (({}, basic("post", SECRET)), own),
        "a client with a certificate": (({}, basic("one", SECRET)), own),
        "what is no header of the kind": (({}, {"Authorization": "Basic !"}), own),
    }


def told(answer: Answer) -> tuple[object, ...]:
    """All that the caller sees, but for what is new in every answer."""
    body = {name: value for name, value in answer.json.items() if name != "correlation_id"}
    headers = {name: value for name, value in answer.headers.items() if name != "date"}
    return answer.status, sorted(body.items()), sorted(headers.items())


@EVERYWHERE
@pytest.mark.parametrize("how", [wrong, by_header])
def test_whatever_is_wrong_sounds_the_same(world: World, path: str, how: object) -> None:
    """R53: who guesses learns nothing of who is registered, and how."""
    assert callable(how)
    answers = {
        what: told(world.post(path, ENDPOINTS[path], sent, certificate))
        for what, (sent, certificate) in how(world).items()
    }
    first = next(iter(answers.values()))
    assert first[0] == 401
    assert {what: answer for what, answer in answers.items() if answer != first} == {}


@EVERYWHERE
def test_two_methods_are_refused(world: World, path: str) -> None:
    """R50: a certificate by which the client is known, a secret and an assertion: any two of these."""
    one, jwt_one = world.actors["one"], world.actors["jwt-one"]
    twice: list[tuple[Sent, Written]] = [
        (({"client_id": "one", "client_secret": SECRET}, {}), one.certificate),
        (({"client_id": "one"}, basic("one", SECRET)), one.certificate),
        (
            ({**jwt_one.sends()[0], "client_id": "jwt-one", "client_secret": SECRET}, {}),
            jwt_one.certificate,
        ),
        ((jwt_one.sends()[0], basic("jwt-one", SECRET)), jwt_one.certificate),
    ]
    for sent, certificate in twice:
        assert error(world.post(path, ENDPOINTS[path], sent, certificate)) == (400, "invalid_request")


@EVERYWHERE
def test_other_http_methods(world: World, path: str) -> None:
    """R51, R64"""
    with Session(
        world.setup.url("optional", path), world.setup.ca_file, world.actors["one"].certificate
    ) as session:
        for method in ("GET", "PUT", "DELETE"):
            answer = session.request(method)
            assert (answer.status, answer.headers["allow"]) == (405, "POST")
