"""kill -9 under load, a hundred times.

What was answered is there afterwards; what was consumed is not usable again; what was asked for and not
answered any more happens once at most. Nobody but the daemon has its store open when it dies.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache
from http.client import HTTPException
from itertools import count
from multiprocessing.process import BaseProcess
from pathlib import Path
from signal import SIGKILL
from threading import Event
from typing import Any

import attrs
import pytest
from cryptography import x509

from mtlsd.errors import Refusal
from tests.end_to_end.actors import assertion, with_assertion
from tests.end_to_end.clients import Answer, Session, request_token
from tests.end_to_end.daemon import DEADLINE
from tests.end_to_end.forked import running
from tests.end_to_end.setup import Setup
from tests.end_to_end.test_grants import CALLBACK, NATIVE_CALLBACK, VERIFIER, asking, authorization, issued
from tests.pki import Written
from tests.unit.oauth.signing import jwk

KILLS = 100
MOST_ANSWERS = 40
"""After so many at the latest a daemon is killed."""

CODES = 3
"""For each client of codes, beside those of the requests that were pushed."""

SERVES = ["token", "introspection", "revocation", "par", "registration"]
SIGNS: dict[str, Any] = {"token_endpoint_auth_method": "private_key_jwt"}
JSON = {"Content-Type": "application/json"}


@attrs.define(eq=False)
class Deed:
    """What a client asks for, and the answer if there was one before the daemon died."""

    what: str
    client_id: str
    path: str
    form: Mapping[str, str]
    answer: Answer | None = None

    @property
    def told(self) -> dict[str, Any]:
        return self.answer.json if self.answer is not None and self.answer.body else {}

    def do(self, session: Session) -> Answer:
        session.path = self.path
        if self.what == "register":
            return session.request("POST", registration(), JSON)
        return session.post(self.form)


@cache
def registration() -> str:
    return json.dumps({**SIGNS, "jwks": {"keys": [jwk("P-256", 1)]}})


def exchange(code: str, client_id: str) -> Deed:
    redirect_uri = NATIVE_CALLBACK if client_id == "native" else CALLBACK
    form = {"code": code, "redirect_uri": redirect_uri, "code_verifier": VERIFIER, "client_id": client_id}
    return Deed("exchange", client_id, "/token", {"grant_type": "authorization_code", **form})


def refresh(token: str, client_id: str) -> Deed:
    what = "rotate" if client_id == "native" else "refresh"
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": client_id}
    return Deed(what, client_id, "/token", form)


def sign(client_id: str, issuer: str, key: int) -> Deed:
    form = {"grant_type": "client_credentials", **with_assertion(assertion(client_id, issuer, key))}
    return Deed("sign", "signing", "/token", form)


@attrs.frozen
class World:
    """One listener, and clients of codes (`native` is public), of opaque tokens and with assertions."""

    setup: Setup
    certificates: Mapping[str, Written]

    def session(self, client_id: str) -> Session:
        return Session(self.setup.url("every", ""), self.setup.ca_file, self.certificates[client_id])


@pytest.fixture
def world(tmp_path: Path) -> World:
    setup = Setup(tmp_path)
    setup.document["listener"].clear()
    setup.add_listener("every", "optional", serves=SERVES)
    acting = {"grant_types": ["authorization_code", "refresh_token"]}
    one = {
        "tls_client_auth_san_dns": "one.example",
        "redirect_uris": [CALLBACK],
        "introspects": [setup.issuer],
    }
    setup.add_client("one", **one, **acting)
    native = {"token_endpoint_auth_method": "none", "redirect_uris": [NATIVE_CALLBACK]}
    setup.add_client("native", **native, **acting)
    setup.add_client("opaque", tls_client_auth_san_dns="opaque.example", access_token_format="opaque")
    setup.add_client("signing", **SIGNS, jwks={"keys": [jwk("P-256", 0)]})
    setup.document["registration"] = {
        "modes": ["open"],
        "token_endpoint_auth_methods": ["private_key_jwt"],
        "open_per_hour": 1_000_000,
        "per_address_per_hour": 1_000_000,
        "most_clients": 1_000_000,
    }
    setup.document["authorization"] = {"request_uri_seconds": 600}
    setup.write()
    names = ("one", "native", "opaque", "signing")
    return World(setup, {name: setup.leaf(name, x509.DNSName(f"{name}.example")) for name in names})


# -- the load -------------------------------------------------------------------------------------------


@attrs.frozen
class Life:
    """What is asked of one daemon, by several clients at once, until it is killed."""

    world: World
    codes: Mapping[str, Sequence[str]]
    answers: int
    deeds: list[Deed] = attrs.field(factory=list)
    counted: Iterator[int] = attrs.field(factory=lambda: count(1))
    enough: Event = attrs.field(factory=Event)

    def live(self, daemon: BaseProcess) -> None:
        """Kill the daemon after so many answers. Others are being asked for then."""
        work = {
            self.exchange("one"): "one",
            self.exchange("native"): "native",
            self.push(): "one",
            self.issue_and_revoke(): "opaque",
            self.register_and_sign(): "signing",
        }
        with ThreadPoolExecutor(len(work)) as pool:
            done = [pool.submit(self.do, deeds, client_id) for deeds, client_id in work.items()]
            there_were = self.enough.wait(DEADLINE)
            daemon.kill()
        for own in done:
            own.result()
        assert there_were, "it answers no more"

    def do(self, deeds: Iterator[Deed], client_id: str) -> None:
        try:
            with self.world.session(client_id) as session:
                for deed in deeds:
                    self.deeds.append(deed)
                    answer = deed.do(session)
                    assert answer.status in (200, 201), (deed, answer)
                    deed.answer = answer
                    if next(self.counted) == self.answers:
                        self.enough.set()
        except (OSError, HTTPException):
            if not self.enough.is_set():
                raise
        except BaseException:
            self.enough.set()
            raise

    def exchange(self, client_id: str) -> Iterator[Deed]:
        for code in self.codes[client_id]:
            yield (exchanged := exchange(code, client_id))
            yield refresh(exchanged.told["refresh_token"], client_id)

    def push(self) -> Iterator[Deed]:
        while True:
            yield Deed("push", "one", "/par", asking("one"))

    def issue_and_revoke(self) -> Iterator[Deed]:
        while True:
            yield Deed("issue", "opaque", "/token", request_token("opaque"))
            yield (issued := Deed("issue", "opaque", "/token", request_token("opaque")))
            form = {"client_id": "opaque", "token": issued.told["access_token"]}
            yield Deed("revoke", "opaque", "/revoke", form)

    def register_and_sign(self) -> Iterator[Deed]:
        while True:
            yield Deed("register", "signing", "/register", {})
            for _ in range(3):
                yield sign("signing", self.world.setup.issuer, 0)


# -- what the next daemon knows -------------------------------------------------------------------------


@attrs.frozen
class Next:
    """The daemon that came after one that was killed, and connections to it."""

    world: World
    sessions: dict[str, Session]

    def ask(self, deed: Deed) -> Answer:
        return deed.do(self.sessions[deed.client_id])

    def is_active(self, token: str) -> bool:
        answer = self.ask(Deed("introspect", "one", "/introspect", {"client_id": "one", "token": token}))
        active: bool = answer.json["active"]
        return active

    def has_what_was_answered(self, deeds: Iterable[Deed]) -> None:
        """The newest refresh tokens, tokens that nobody revoked, and clients."""
        used = {own.form.get("refresh_token") for own in deeds if own.what == "rotate"}
        revoked = {own.form["token"] for own in deeds if own.what == "revoke"}
        for own in deeds:
            if (token := own.told.get("refresh_token")) is not None and token not in used:
                assert self.ask(refresh(token, own.client_id)).status == 200, own
            if own.what == "issue" and own.answer is not None:
                token = own.answer.token
                assert token in revoked or self.is_active(token), own
            if own.what == "revoke" and own.answer is not None:
                assert not self.is_active(own.form["token"]), own
        self.knows_clients(deeds)

    def knows_clients(self, deeds: Iterable[Deed]) -> None:
        for own in deeds:
            if own.what == "register" and own.answer is not None:
                mine = sign(own.told["client_id"], self.world.setup.issuer, 1)
                assert self.ask(mine).status == 200, own

    def refuses_what_was_used(self, deeds: Iterable[Deed]) -> None:
        """Whatever had been asked for when the daemon died may be had once, if it had not happened.

        Rotated tokens come first: with a code that comes again all that came of it ends.
        """
        for own in sorted(deeds, key=lambda own: own.what != "rotate"):
            if (expected := ONCE.get(own.what)) is not None:
                answer = self.ask(own)
                if own.answer is None and answer.status == 200:
                    own.answer = answer
                    answer = self.ask(own)
                assert (answer.status, answer.json["error"]) == expected, own
                assert self.has_ended(own.told.get("refresh_token"), own.client_id), own

    def has_ended(self, token: str | None, client_id: str) -> bool:
        """Whether nothing comes of a refresh token any more since what it came of came twice."""
        return token is None or self.ask(refresh(token, client_id)).status == 400

    def codes(self, uris: Iterable[str], used: Iterable[str]) -> dict[str, list[str]]:
        """Codes of requests that were pushed, and others. Nothing comes of what was used before."""
        with authorization(self.world.setup.config) as endpoint:
            for uri in used:
                with pytest.raises(Refusal, match=r"request_uri\.used"):
                    issued(endpoint, {"client_id": "one", "request_uri": uri})
            pushed = [issued(endpoint, {"client_id": "one", "request_uri": uri}) for uri in uris]
            usual = {
                client_id: [issued(endpoint, asking(client_id)) for _ in range(CODES)]
                for client_id in ("one", "native")
            }
        return {**usual, "one": [*pushed, *usual["one"]]}


ONCE = {
    "exchange": (400, "invalid_grant"),
    "rotate": (400, "invalid_grant"),
    "sign": (401, "invalid_client"),
}


@contextmanager
def connected(world: World) -> Iterator[Next]:
    with ExitStack() as stack:
        yield Next(world, {name: stack.enter_context(world.session(name)) for name in world.certificates})


def pushed(deeds: Iterable[Deed]) -> list[str]:
    return [own.told["request_uri"] for own in deeds if own.what == "push" and own.answer is not None]


def test_a_hundred_times(world: World) -> None:
    moments = random.Random(8705)
    lives: list[list[Deed]] = [[], []]
    for _ in range(KILLS):
        with running(world.setup, "every") as daemon:
            with connected(world) as found:
                found.has_what_was_answered(lives[-1])
                found.refuses_what_was_used(lives[-1])
                codes = found.codes(pushed(lives[-1]), used=pushed(lives[-2]))
            life = Life(world, codes, moments.randint(1, MOST_ANSWERS))
            life.live(daemon)
        assert daemon.exitcode == -SIGKILL
        lives.append(life.deeds)
    with running(world.setup, "every") as daemon:
        with connected(world) as found:
            found.has_what_was_answered(lives[-1])
            for deeds in lives:
                found.knows_clients(deeds)
                found.refuses_what_was_used(deeds)
        daemon.terminate()
        daemon.join(DEADLINE)
        assert daemon.exitcode == 0
    assert "Traceback" not in (world.setup.directory / "err").read_text()
    told = {own.what for deeds in lives for own in deeds if own.answer is not None}
    assert told == {*ONCE, "refresh", "push", "issue", "revoke", "register"}
