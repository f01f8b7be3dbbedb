"""What is known of a certificate that is nobody's here, before tokens are bound to it: R20, R38."""

from __future__ import annotations

import attrs
import pytest
from cryptography import x509

from mtlsd import reasons
from mtlsd.errors import Reason
from mtlsd.judge import (
    Asked,
    PresentedCertificate,
    Refused,
    Snapshot,
    Standing,
    judge,
    settle_stranger,
    stand_of_stranger,
)
from mtlsd.oauth.possession import ProvenCertificate
from tests.pki import DNS, NOW, Pki, Presented, dn
from tests.unit.test_judge_revocation import OCSP, KnownHere
from tests.unit.world import PARTNERS, client, group, offline, snapshot

REAL = Pki(NOW)
STRANGER = REAL.leaf(subject=dn(CN="stranger"), names=[x509.DNSName("stranger.example")])
BARE = Presented(STRANGER.leaf, STRANGER.key)
ABOVE = STRANGER.chain


def world(known: KnownHere, *, disabled: bool = False) -> Snapshot:
    checked = attrs.evolve(group(PARTNERS, [REAL.root.der]), revocation=OCSP)
    named = client("a", tls_client_auth_san_dns=DNS, disabled=disabled)
    return attrs.evolve(snapshot([named], checked), revocation=known)


def refused(presented: PresentedCertificate, whole: Snapshot) -> Refused:
    judgement = judge(presented, whole, NOW)
    assert isinstance(judgement, Refused)
    return judgement


def looked_at(
    presented: Presented, known: KnownHere, issuers: tuple[bytes, ...] = ABOVE, *, disabled: bool = False
) -> Refused | Asked | None:
    whole = world(known, disabled=disabled)
    before = refused(offline(presented), whole)
    standing = stand_of_stranger(offline(presented), before, whole, issuers, NOW)
    if not isinstance(standing, Standing):
        return standing
    return settle_stranger(before, standing, known, NOW)


def said(status: str) -> KnownHere:
    known = KnownHere()
    if status != "nothing":
        known.learn(PARTNERS, status)  # type: ignore[arg-type]  # a status
    return known


@pytest.mark.parametrize("presented", [STRANGER, BARE], ids=["with its path", "without its intermediate"])
class TestStranger:
    def test_good(self, presented: Presented) -> None:
        """It stays nobody's; tokens can be bound to it, until its path ends."""
        found = looked_at(presented, said("good"))
        assert isinstance(found, Refused)
        assert found.refusal.reason in (reasons.SUBJECT_UNKNOWN, reasons.CHAIN_UNTRUSTED)
        assert found.vouched is not None
        proven = ProvenCertificate.from_judgement(found, NOW)
        assert proven is not None
        assert proven.valid_until == found.vouched.valid_until

    @pytest.mark.parametrize(
        ("status", "reason"),
        [("revoked", reasons.REVOCATION_REVOKED), ("unknown", reasons.REVOCATION_UNKNOWN)],
    )
    def test_bad(self, presented: Presented, status: str, reason: Reason) -> None:
        found = looked_at(presented, said(status))
        assert isinstance(found, Refused)
        assert found.refusal.reason is reason
        assert ProvenCertificate.from_judgement(found, NOW) is None

    def test_nobody_has_said(self, presented: Presented) -> None:
        assert isinstance(looked_at(presented, said("nothing")), Asked)


def test_nobody_has_looked() -> None:
    """It fails closed."""
    judgement = refused(offline(STRANGER), world(said("good")))
    assert judgement.refusal.reason is reasons.SUBJECT_UNKNOWN
    assert ProvenCertificate.from_judgement(judgement, NOW) is None


def test_a_disabled_client_that_leaves_its_intermediate_out() -> None:
    own = REAL.leaf()
    found = looked_at(Presented(own.leaf, own.key), said("good"), disabled=True)
    assert isinstance(found, Refused)
    assert found.refusal.reason is reasons.CLIENT_DISABLED
    assert ProvenCertificate.from_judgement(found, NOW) is None


def test_a_client_that_leaves_its_intermediate_out() -> None:
    """It is not known by that: what is bound to the certificate is, for whoever comes by other means."""
    own = REAL.leaf()
    found = looked_at(Presented(own.leaf, own.key), said("good"))
    assert isinstance(found, Refused)
    assert found.refusal.reason is reasons.CHAIN_UNTRUSTED
    assert found.vouched is not None


@pytest.mark.parametrize("issuers", [(), (REAL.ca("Another", None).der,)])
def test_where_nobody_knows_who_issued_it(issuers: tuple[bytes, ...]) -> None:
    """Nobody can tell then whether it is revoked: it is as good as one that anybody makes."""
    assert looked_at(BARE, said("revoked"), issuers) is None
    judgement = refused(offline(BARE), world(said("revoked")))
    assert ProvenCertificate.from_judgement(judgement, NOW) is not None
