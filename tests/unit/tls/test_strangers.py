"""Certificates of strangers, to which a public client's tokens are bound: RFC 8705 section 4 (R20, R23)."""

from __future__ import annotations

import pytest

from mtlsd.judge import Refused
from mtlsd.oauth.possession import ProvenCertificate
from mtlsd.pki.certificate import Certificate
from mtlsd.tls.peer import NotProvenError
from tests.pki import DNS, Presented
from tests.pki.bad_paths import PATHS
from tests.unit.tls.memory import (
    PKI,
    VERSIONS,
    Handshake,
    client_context,
    creator,
    judge_of,
    now,
    pki_client,
    shake,
    thief_context,
)

pytestmark = pytest.mark.parametrize("version", VERSIONS)

STRANGER = PKI.self_signed("a phone")
OPTIONAL = {"client_certificate": "optional", "refuse_in": "response", "pinned": True}
ABOUT_THE_LEAF = {
    "certificate.expired",
    "certificate.not_yet_valid",
    "certificate.eku",
    "certificate.ku",
    "certificate.is_ca",
    "pin.unknown",
    "chain.untrusted",
}
KINDS = [name for name, kind in PATHS.items() if kind.sendable and ABOUT_THE_LEAF & set(kind.reasons)]
BILLING = pki_client("billing", tls_client_auth_san_dns=DNS)


def shaken(presented: Presented | None, version: int) -> Handshake:
    return shake(creator(judge_of(BILLING), **OPTIONAL), client_context(presented, version))


def test_its_key_is_proven_and_nothing_else(version: int) -> None:
    handshake = shaken(STRANGER, version)
    assert handshake.server_completed
    assert handshake.peer.possession_proven
    judgement = handshake.peer.judgement
    assert isinstance(judgement, Refused)
    proven = ProvenCertificate.from_judgement(judgement, now())
    assert proven is not None
    assert proven.x5t_s256 == Certificate.from_der(STRANGER.leaf).x5t_s256


def test_a_stolen_certificate_binds_nothing(version: int) -> None:
    """Whoever has no key never gets so far that a token could be asked for."""
    handshake = shake(creator(judge_of(BILLING), **OPTIONAL), thief_context(STRANGER, version))
    assert not handshake.server_completed
    assert not handshake.peer.possession_proven
    with pytest.raises(NotProvenError):
        _ = handshake.peer.judgement


def test_without_a_certificate_there_is_nothing(version: int) -> None:
    handshake = shaken(None, version)
    assert handshake.server_completed
    assert handshake.peer.judgement is None
    assert not handshake.peer.possession_proven


@pytest.mark.parametrize(
    "name", [name for name in PATHS if PATHS[name].sendable and ABOUT_THE_LEAF & set(PATHS[name].reasons)]
)
def test_bad_ones(name: str, version: int) -> None:
    """Where the leaf itself is bad, it binds nothing; the leaf is the one that was presented, in any case."""
    presented = PATHS[name].make(PKI)
    peer = shaken(presented, version).peer
    if not peer.handshake_completed:
        return
    judgement = peer.judgement
    assert isinstance(judgement, Refused)
    proven = ProvenCertificate.from_judgement(judgement, now())
    reason = judgement.refusal.reason.code
    if reason.startswith(("certificate.", "revocation.", "client.", "tls.")):
        assert proven is None
    if proven is not None:
        assert proven.certificate.der == presented.leaf
