"""What tokens may be bound to: any certificate whose key is held (R20, R23)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mtlsd import reasons
from mtlsd.errors import Reason, Refusal
from mtlsd.judge import Refused
from mtlsd.oauth.possession import ProvenCertificate
from tests.pki import BAD, NOW
from tests.unit.oauth.test_authentication import REAL, STRANGER, judged


def test_what_binds_is_never_an_identity() -> None:
    judgement = judged(STRANGER)
    assert isinstance(judgement, Refused)
    proven = ProvenCertificate.from_judgement(judgement, NOW)
    assert proven is not None
    assert not hasattr(proven, "clients")


@pytest.mark.parametrize("kind", BAD.values(), ids=BAD)
def test_bad_ones(kind: Any) -> None:
    """What the certificate itself is bad at binds nothing; whose path is bad may be a stranger's."""
    judgement = judged(kind.make(REAL))
    assert isinstance(judgement, Refused)
    code = judgement.refusal.reason.code
    proven = ProvenCertificate.from_judgement(judgement, NOW)
    if not code.startswith(("chain.", "pin.unknown", "subject.unknown")):
        assert proven is None
    if proven is not None:
        assert proven.valid_until == proven.certificate.not_after >= NOW


def test_its_times_hold() -> None:
    judgement = judged(STRANGER)
    assert ProvenCertificate.from_judgement(judgement, NOW + timedelta(days=31)) is None
    assert ProvenCertificate.from_judgement(judgement, NOW - timedelta(days=2)) is None


def test_none() -> None:
    assert ProvenCertificate.from_judgement(None, NOW) is None


@pytest.mark.parametrize(
    "reason",
    [
        reasons.REVOCATION_REVOKED,
        reasons.REVOCATION_UNKNOWN,
        reasons.CLIENT_DISABLED,
        reasons.TLS_INTERNAL,
        reasons.CERTIFICATE_EXPIRED,
    ],
)
def test_other_refusals_bind_nothing(reason: Reason) -> None:
    stranger = judged(STRANGER)
    assert stranger is not None
    refused = Refused(Refusal(reason), stranger.certificate, ())
    assert ProvenCertificate.from_judgement(refused, NOW) is None
