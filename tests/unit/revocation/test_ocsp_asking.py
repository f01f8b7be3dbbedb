"""Asking OCSP responders: what is kept of what they say, and who is asked how."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from mtlsd.fetch.exchange import Fetched
from mtlsd.fetch.refused import FetchRefused
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.crl_issuer import read_list
from mtlsd.pki.crl_table import CrlTable
from mtlsd.pki.path import Path
from tests.ocsp_responses import HONEST, HOSTILE, Kind
from tests.pki.crls import crl_of, entry, path_of
from tests.unit.revocation.ocsp_world import A, Asking, B, Reaction, World


@pytest.mark.parametrize("kind", HONEST.values(), ids=lambda kind: kind.name)
def test_honest(kind: Kind) -> None:
    """R41 and R42: what counts is kept, whatever it says."""
    world = World()
    world.react = world.honest(kind.name)
    assert world.get() is None
    assert world.why() is None
    assert world.status() == kind.status
    assert world.changes == 1
    answer = world.get()
    assert answer is not None
    assert answer.source == f"ocsp {A}/ocsp"


@pytest.mark.parametrize("kind", HOSTILE.values(), ids=lambda kind: kind.name)
def test_hostile(kind: Kind) -> None:
    """R41 to R43: what does not count leaves nothing, and says why."""
    world = World()
    world.react = lambda asking: kind.make(world.responder, asking.request)
    assert world.why() in kind.why
    assert world.get() is None
    assert world.changes == 0


@pytest.mark.parametrize("kind", [kind for kind in HOSTILE.values() if kind.with_nonce], ids=lambda k: k.name)
def test_hostile_to_nonces(kind: Kind) -> None:
    """A nonce that is not ours is never taken for an old responder's."""
    world = World()
    world.react = lambda asking: kind.make(world.responder, asking.request)
    assert world.why() in kind.why
    assert [own.has_nonce for own in world.askings] == [True]


# -- what went wrong is no answer ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reaction", "why"),
    [
        (FetchRefused("connection", "refused"), "fetch.connection"),
        (FetchRefused("redirect", "302"), "fetch.redirect"),
        (FetchRefused("too_large", "70000"), "fetch.too_large"),
        (FetchRefused("status", "503", 503), "fetch.status"),
        (FetchRefused("address", "127.0.0.1"), "fetch.address"),
        (b"", "ocsp.malformed"),
        (Fetched(200, {"content-type": "text/html"}, b"<html>"), "ocsp.content_type"),
    ],
)
def test_failures(reaction: Reaction, why: str) -> None:
    world = World()
    world.react = lambda asking: reaction
    assert world.why() == why
    assert world.get() is None
    assert len(world.askings) == 1, "another way of asking would not help"


def test_content_type() -> None:
    """It may be missing, and have parameters; another one is refused whatever comes with it."""
    world = World()
    honest = world.honest()

    def react(asking: Asking) -> Reaction:
        body = honest(asking)
        assert isinstance(body, bytes)
        return Fetched(200, {"content-type": kind} if kind else {}, body)

    for kind in ("", "Application/OCSP-Response; x=y"):
        world.react = react
        assert world.why(world.another()) is None, kind
    kind = "application/octet-stream"
    assert world.why() == "ocsp.content_type"


def test_a_failure_answers_for_a_moment() -> None:
    world = World()
    world.react = lambda asking: FetchRefused("connection", "refused")
    assert [world.why(), world.why()] == ["fetch.connection"] * 2
    assert len(world.askings) == 1
    world.react = world.honest()
    world.wait(2)
    assert world.why() is None
    assert world.status() == "good"


# -- who is asked ----------------------------------------------------------------------------------------


def test_nobody_to_ask() -> None:
    world = World(ocsp_url=None)
    assert world.why() == "ocsp.no_url"


def test_from_the_certificate() -> None:
    world = World(ocsp_url=None)
    path = world.another(f"{A}/x")
    assert world.why(path) is None
    assert [own.origin for own in world.askings] == [A]
    assert world.askings[0].rules is None, "the operator has not named it"


def test_the_operators_responder_comes_first() -> None:
    world = World(ocsp_url=f"{B}/")
    assert world.why(world.another(f"{A}/x")) is None
    assert [own.origin for own in world.askings] == [B]
    rules = world.askings[0].rules
    assert rules is not None
    assert rules.hosts == {"b.example"}


def test_an_issuer_is_asked_about_too() -> None:
    world = World()
    world.responder.issuer = world.pki.root
    world.path = Path((world.client, world.issuer, world.root))
    why = world.ask(Path(world.path.certificates[1:]))
    assert why.result is None
    assert world.answers.get("partners", world.issuer, world.root) is not None
    assert world.get() is None


def test_the_next_responder() -> None:
    """Whatever the first one says, as long as it does not count."""
    world = World(ocsp_url=None)
    honest = world.honest()
    world.react = lambda asking: b"garbage" if asking.origin == A else honest(asking)
    path = world.another(f"{A}/", f"{B}/")
    assert world.why(path) is None
    answer = world.get(path)
    assert answer is not None
    assert answer.source == f"ocsp {B}/"


def test_no_more_than_three() -> None:
    world = World(ocsp_url=None)
    world.react = lambda asking: b""
    path = world.another(*(f"http://{number}.example/" for number in range(6)))
    assert world.why(path) == "ocsp.malformed"
    assert len(world.askings) == 3


def test_another_groups_answer_is_not_taken() -> None:
    world = World()
    assert world.why() is None
    assert world.answers.get("others", world.client, world.issuer) is None
    assert world.answers.get("partners", world.client, world.root) is None


def test_configured_responder() -> None:
    """R42: trusted by itself, without any certificate of the issuer's."""
    stranger = World().responder.delegate(World().responder.impostor)
    world = World(ocsp_responders=(Certificate.from_der(stranger.der),))
    world.react = lambda asking: world.responder.by_delegate(asking.asked, stranger).to_der()
    assert world.why() is None
    answer = world.get()
    assert answer is not None
    assert answer.facts["signer"] == "configured"


# -- how it is asked -------------------------------------------------------------------------------------


def test_nonce_as_long_as_it_comes_back() -> None:
    """R43."""
    world = World()
    for _ in range(3):
        assert world.why(world.another()) is None
    assert [(own.method, own.has_nonce) for own in world.askings] == [("POST", True)] * 3


def test_get_for_who_answers_from_files() -> None:
    """R43, RFC 5019: caches understand it. A day later it may have learned better."""
    world = World()
    world.react = world.honest("without_nonce")
    for _ in range(3):
        assert world.why(world.another()) is None
    assert [(own.method, own.has_nonce) for own in world.askings] == [("POST", True), *[("GET", False)] * 2]
    world.react = world.honest()
    world.clock.advance(86_400)
    assert world.why(world.another()) is None
    assert world.askings[-1].has_nonce


def test_a_nonce_may_be_required() -> None:
    world = World(require_nonce=True)
    world.react = world.honest("without_nonce")
    assert [world.why(world.another()) for _ in range(2)] == ["ocsp.nonce"] * 2
    assert [(own.method, own.has_nonce) for own in world.askings] == [("POST", True)] * 2
    world.react = world.honest()
    assert world.why() is None


@pytest.mark.parametrize(
    "refusal",
    [FetchRefused("status", "answers 405", 405), bytes.fromhex("30030a0101")],
    ids=["405", "malformed"],
)
def test_ways_that_are_not_understood(refusal: Reaction) -> None:
    """Neither a nonce nor GET; and it is remembered what was."""
    world = World()
    honest = world.honest()

    def react(asking: Asking) -> Reaction:
        if asking.method == "POST" and not asking.has_nonce:
            return honest(asking)
        return refusal

    world.react = react
    assert [world.why(world.another()) for _ in range(2)] == [None, None]
    expected = [("POST", True), ("GET", False), ("POST", False), ("POST", False)]
    assert [(own.method, own.has_nonce) for own in world.askings] == expected


def test_who_refuses_get_and_repeats_no_nonce() -> None:
    world = World()
    honest = world.honest("without_nonce")
    world.react = lambda asking: (
        honest(asking) if asking.method == "POST" else FetchRefused("redirect", "answers 301")
    )
    assert [world.why(world.another()) for _ in range(3)] == [None] * 3
    expected = [("POST", True), ("GET", False), ("POST", False), ("POST", False)]
    assert [(own.method, own.has_nonce) for own in world.askings] == expected


# -- what follows what -----------------------------------------------------------------------------------


def test_nothing_is_asked_while_the_answer_is_fresh() -> None:
    world = World()
    assert [world.why(), world.why()] == [None, None]
    assert len(world.askings) == 1


@pytest.mark.parametrize("first", ["issuer_by_name", "revoked"])
def test_an_older_answer_never_follows(first: str) -> None:
    """A replay within its own life, where no nonce comes back."""
    world = World()
    world.react = world.honest(first)
    assert world.why() is None
    before = world.get()

    def older(asking: Asking) -> Reaction:
        """Of half an hour before, but good for a week."""
        world.responder.now = world.now()
        reply = world.responder.reply(asking.asked)
        at = world.pki.now - timedelta(hours=1, minutes=30)
        single = attrs.evolve(reply.singles[0], this_update=at, next_update=at + timedelta(days=6))
        return attrs.evolve(reply, singles=(single,)).to_der()

    world.react = older
    world.clock.advance(90_000)
    assert world.why() == "ocsp.older"
    assert world.get() is before


def test_of_two_of_one_moment_the_revoked_one_stands() -> None:
    world = World()
    moment = world.now()
    world.react = world.honest("revoked", now=moment)
    assert world.why() is None
    world.react = world.honest(now=moment)
    world.clock.advance(86_390)
    world.wait(20)
    assert world.status() == "revoked"


def test_good_that_turns_revoked_is_told() -> None:
    world = World()
    assert world.why() is None
    world.clock.advance(90_000)
    world.react = world.honest("revoked")
    assert world.why() is None
    assert world.status() == "revoked"
    assert world.changes == 2
    (event, facts) = world.events[-1]
    assert event == "ocsp.revoked"
    assert facts["x5t#S256"] == world.client.x5t_s256
    assert (facts["source"], facts["reason"]) == (f"ocsp {A}/ocsp", "keyCompromise")


@pytest.mark.parametrize("nocheck", [True, False])
@pytest.mark.parametrize("revoked", [True, False])
def test_lists_tell_of_delegates(nocheck: bool, revoked: bool) -> None:
    """R42: one that a list of the group has revoked signs nothing; one that it has not needs no nocheck."""
    world = World()
    made = world.responder.delegate(nocheck=nocheck)
    delegate = Certificate.from_der(made.der)
    entries = [entry(delegate.serial_number, revoked_at=world.now() - timedelta(days=1))] if revoked else []
    times = {"this_update": world.now() - timedelta(hours=1), "next_update": world.now() + timedelta(days=1)}
    crl = crl_of(world.responder.issuer, *entries, **times)
    signers = [path_of(world.issuer.der, world.root.der)]
    world.lists = CrlTable.build([read_list(crl.der(), signers, world.now(), name="list")])
    world.react = lambda asking: world.responder.by_delegate(asking.asked, made).to_der()
    assert world.why() == ("ocsp.signer.revoked" if revoked else None)


def test_issuers_are_held_once() -> None:
    """However many connections have read them."""
    world = World()
    for _ in range(3):
        ders = [own.der for own in world.another().certificates]
        assert world.why(Path(tuple(map(Certificate.from_der, ders)))) is None
    issuers = {id(kept.inquiry.issuers) for kept in world.answers._table if kept.inquiry is not None}
    assert len(issuers) == 1
