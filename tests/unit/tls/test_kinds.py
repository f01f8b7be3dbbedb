"""Every kind of good and bad certificate in a real handshake, beside the judge's word on it offline."""

from __future__ import annotations

import pytest
from OpenSSL import SSL

from mtlsd.judge import Identity, Judgement, PresentedCertificate, Provisional
from mtlsd.tls.failures import library_reasons
from tests.pki import BAD, DNS, EMAIL, GOOD, IP, SUBJECT, URI, Presented
from tests.unit.tls.memory import (
    LISTENER,
    PKI,
    client_context,
    creator,
    judge_of,
    now,
    pinned_client,
    pki_client,
    present_bytes,
    shake,
)

KINDS = {**GOOD, **BAD}

JUDGE = judge_of(
    pki_client("dn", tls_client_auth_subject_dn=SUBJECT),
    pki_client("dns", tls_client_auth_san_dns=DNS),
    pki_client("uri", tls_client_auth_san_uri=URI),
    pki_client("ip", tls_client_auth_san_ip=IP),
    pki_client("email", tls_client_auth_san_email=EMAIL),
    *(pinned_client(f"pinned {at}", der) for at, der in enumerate(PKI.pins)),
    anchors=PKI.anchors,
)
LISTENING = creator(JUDGE, anchors=PKI.anchors, pinned=True)

NOT_JUDGED = {
    "chain_of_1000": "excessive message size",
    "sans_20000": "excessive message size",
    "ec_192": "peer did not return a certificate",  # TLS 1.3 has no signatures for these keys
    "dsa_key": "peer did not return a certificate",
}
"""OpenSSL ends the handshake before anybody looks at the certificate."""

BER = {"indefinite_length"}
"""OpenSSL reads it, and hands the same certificate on in DER, as it was issued."""


def outcome(judgement: Judgement | None) -> object:
    """The clients, or the reason."""
    if isinstance(judgement, Identity):
        return set(judgement.clients)
    assert not isinstance(judgement, Provisional)
    return None if judgement is None else judgement.refusal.reason.code


def sending(presented: Presented) -> SSL.Context | None:
    """A client that sends it; None where OpenSSL's cannot even load it."""
    try:
        return client_context(presented)
    except Exception:  # each library has its own ways to say so
        return None


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.parametrize("name", KINDS)
def test_a_handshake_and_the_judge_alone_say_the_same(name: str) -> None:
    """One judge for every source of certificates."""
    presented = KINDS[name].make(PKI)
    context = sending(presented)
    if context is None:
        handshake = present_bytes(LISTENING, presented.leaf, *presented.chain)
        assert (handshake.server_error is None) == (name in BER)
        assert handshake.refused_for is None or handshake.refused_for in KINDS[name].reasons
        return
    handshake = shake(LISTENING, context)
    assert handshake.server_completed == (name in GOOD)
    if name in NOT_JUDGED:
        assert NOT_JUDGED[name] in library_reasons(handshake.server_error)
        assert handshake.peer.claimed is None
        return
    offline = outcome(JUDGE.judge(PresentedCertificate(presented.leaf, presented.chain, LISTENER), now()))
    peer = handshake.peer
    assert outcome(peer.judgement if name in GOOD else peer.refused) == offline
    assert name in GOOD or offline in KINDS[name].reasons
