"""Who vouches for a certificate that is no client's yet: R30, R31, R39."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.judge import Asked, Snapshot, Vouched, vouched, vouched_at
from mtlsd.pki.revocation import RevocationPolicy
from tests.pki import NOW, Pki, Presented, dn
from tests.unit.world import PARTNERS, group, honest_snapshot, offline, snapshot

REAL = Pki(NOW)
OTHER = REAL.ca("Other Root", None)
STRANGER = REAL.leaf(subject=dn(CN="stranger"), names=[x509.DNSName("stranger.example")])


def both(*, revocation: RevocationPolicy | None = None) -> Snapshot:
    """Two groups, and no client."""
    partners = attrs.evolve(group(PARTNERS, [REAL.root.der]), revocation=revocation)
    return snapshot((), partners, group("others", [OTHER.der]))


def test_the_group_whose_anchor_it_is() -> None:
    found = vouched(offline(STRANGER), both(), NOW)
    assert isinstance(found, Vouched)
    assert found.groups == (PARTNERS,)
    assert found.certificate.der == STRANGER.leaf
    other = vouched(offline(REAL.leaf(OTHER)), both(), NOW)
    assert isinstance(other, Vouched)
    assert other.groups == ("others",)


def test_a_client_that_there_is_already() -> None:
    """It is vouched for all the same: it may have several names."""
    found = vouched(offline(REAL.leaf()), honest_snapshot(REAL), NOW)
    assert isinstance(found, Vouched)


@pytest.mark.parametrize(
    ("presented", "reason"),
    [
        (REAL.self_signed("self"), reasons.PIN_UNKNOWN),
        (REAL.leaf(REAL.ca("Nobody's", None)), reasons.CHAIN_UNTRUSTED),
        (REAL.leaf(valid=REAL.valid(-3, -1)), reasons.CERTIFICATE_EXPIRED),
        (REAL.leaf(valid=REAL.valid(1, 3)), reasons.CERTIFICATE_NOT_YET_VALID),
        (REAL.leaf(purposes=[ExtendedKeyUsageOID.SERVER_AUTH]), reasons.CERTIFICATE_EKU),
        (Presented(b"garbage", REAL.pinned.key), reasons.CERTIFICATE_MALFORMED),
    ],
)  # fmt: skip
def test_refused(presented: Presented, reason: object) -> None:
    found = vouched(offline(presented), both(), NOW)
    assert isinstance(found, Refusal)
    assert found.reason is reason


def test_revocation_is_asked_first() -> None:
    """Nobody has registered it, but its CA may have revoked it."""
    judged_by = both(revocation=RevocationPolicy(("ocsp",), ocsp_url="http://ocsp.example/"))
    found = vouched(offline(STRANGER), judged_by, NOW)
    assert isinstance(found, Asked)
    nobody = vouched_at(found.standing, judged_by, NOW, {own.key: "silent" for own in found.questions})
    assert isinstance(nobody, Refusal)
    assert nobody.reason is reasons.REVOCATION_UNKNOWN


def test_it_ends_with_the_certificate() -> None:
    found = vouched(offline(STRANGER), both(), NOW + timedelta(days=300))
    assert isinstance(found, Refusal)
