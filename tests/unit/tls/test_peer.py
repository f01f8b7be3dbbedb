"""What a connection knows of its client, and when it says so."""

from __future__ import annotations

import gc
import weakref
from datetime import timedelta

import pytest

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.judge import Identity, Refused
from mtlsd.tls.peer import NotProvenError, Peer, peer_of
from tests.pki import DNS
from tests.unit.tls.memory import (
    LISTENER,
    PKI,
    Handshake,
    client_context,
    creator,
    judge_of,
    now,
    pinned_client,
    pki_client,
    shake,
)

BILLING = pki_client("billing", tls_client_auth_san_dns=DNS)


def known() -> Handshake:
    return shake(creator(judge_of(BILLING)), client_context(PKI.leaf()))


def identity() -> Identity:
    judgement = known().peer.judgement
    assert isinstance(judgement, Identity)
    return judgement


REFUSED = Refused(Refusal(reasons.CHAIN_UNTRUSTED), None, ())


def test_nothing_is_said_before_the_handshake_has_completed() -> None:
    """R1: it fails closed, loudly."""
    peer = Peer(LISTENER)
    peer.propose(identity())
    assert not peer.possession_proven
    assert peer.refused is None
    with pytest.raises(NotProvenError):
        _ = peer.judgement
    with pytest.raises(NotProvenError):
        peer.judgement_at(judge_of(BILLING), now())


def test_a_refusal_is_final() -> None:
    peer = Peer(LISTENER)
    peer.propose(identity())
    peer.refuse(REFUSED)
    peer.propose(identity())
    peer.refuse(Refused(Refusal(reasons.CERTIFICATE_EXPIRED), None, ()))
    assert peer.refused is REFUSED


def test_an_identity_comes_before_the_end_of_the_handshake_or_never() -> None:
    handshake = shake(creator(None, client_certificate="none"), client_context())
    handshake.peer.propose(identity())
    assert handshake.peer.judgement is None


def test_a_certificate_that_nobody_judged_proves_nothing() -> None:
    handshake = known()
    peer = Peer(LISTENER)
    peer.complete(handshake.server)
    assert peer.refused is not None
    assert peer.refused.refusal.reason is reasons.TLS_INTERNAL


class TestAnOpenConnection:
    """P13: a connection can outlive what its identity rests on."""

    def test_the_same_judge_is_not_asked_again(self) -> None:
        judge = judge_of(BILLING)
        handshake = shake(creator(judge), client_context(PKI.leaf()))
        assert handshake.peer.judgement_at(judge, now()) is handshake.peer.judgement

    def test_the_identity_ends_with_its_path(self) -> None:
        judge = judge_of(BILLING)
        handshake = shake(creator(judge), client_context(PKI.leaf()))
        judgement = handshake.peer.judgement_at(judge, now() + timedelta(days=31))
        assert isinstance(judgement, Refused)
        assert judgement.refusal.reason is reasons.CERTIFICATE_EXPIRED
        assert handshake.peer.judgement_at(judge, now()) is judgement

    def test_a_new_judge_judges_anew_by_the_chain_as_sent(self) -> None:
        handshake = known()
        added = judge_of(BILLING, pki_client("more", tls_client_auth_subject_dn="CN=billing,O=Partner,C=DE"))
        judgement = handshake.peer.judgement_at(added, now())
        assert isinstance(judgement, Identity)
        assert set(judgement.clients) == {"billing", "more"}
        assert handshake.peer.judgement_at(added, now()) is judgement

    def test_a_new_judge_may_refuse(self) -> None:
        handshake = known()
        judgement = handshake.peer.judgement_at(judge_of(), now())
        assert isinstance(judgement, Refused)
        assert judgement.refusal.reason is reasons.SUBJECT_UNKNOWN

    def test_a_new_judge_does_not_help_whoever_was_refused(self) -> None:
        made_by = creator(judge_of(BILLING), refuse_in="response")
        handshake = shake(made_by, client_context(PKI.pinned))
        refused = handshake.peer.judgement
        assert isinstance(refused, Refused)
        assert handshake.peer.judgement_at(judge_of(pinned_client("late", PKI.pinned.leaf)), now()) is refused

    def test_it_does_not_keep_an_old_judge(self) -> None:
        """Nor with it the snapshot of an old configuration."""
        judge = judge_of(BILLING)
        gone = weakref.ref(judge)
        made_by = creator(judge)
        handshake = shake(made_by, client_context(PKI.leaf()))
        made_by.swap(made_by.context, judge_of(BILLING))
        del judge
        gc.collect()
        assert gone() is None
        assert handshake.peer.possession_proven


class Transport:
    def __init__(self, handle: object) -> None:
        self.handle = handle

    def getHandle(self) -> object:
        return self.handle


def test_the_peer_of_a_transport() -> None:
    handshake = known()
    assert peer_of(Transport(handshake.server)) is handshake.peer
    assert peer_of(Transport(handshake.client)) is None
    assert peer_of(Transport(object())) is None
    assert peer_of(object()) is None
