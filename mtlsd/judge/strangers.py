"""Certificates that are nobody's here, and are looked at all the same before tokens are bound to them.

Whoever presents one may be a client that is known by other means, or a public one. Where a path to a trust
anchor is there, its sources may know that the certificate is revoked; where there is none, nobody can tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import attrs

from mtlsd import reasons
from mtlsd.judge.settling import settle
from mtlsd.judge.standing import stand, stand_for_anybody
from mtlsd.judge.trust import Snapshot
from mtlsd.judge.values import PresentedCertificate, Provisional, Refused, Standing
from mtlsd.judge.vouching import Asked
from mtlsd.pki.revocation_check import NOT_ASKED, Failures, Known


def stand_of_stranger(
    presented: PresentedCertificate,
    refused: Refused,
    snapshot: Snapshot,
    issuers: Sequence[bytes],
    now: datetime,
) -> Standing | Refused | None:
    """What there is to be known of a certificate that was refused as nobody's.

    :param refused: what the judge said.
    :param issuers: DER of CAs that could have issued it, for one that came without them.
    :return: what to settle; another refusal, where it is somebody's who is disabled, say; or None, where
        there is no path.
    """
    if refused.refusal.reason is reasons.SUBJECT_UNKNOWN:
        return stand_for_anybody(presented, snapshot, now)
    if refused.refusal.reason is not reasons.CHAIN_UNTRUSTED or not issuers:
        return None
    whole = attrs.evolve(presented, chain=(*presented.chain, *issuers), path=None)
    found = stand(whole, snapshot, now)
    if isinstance(found, Refused) and found.refusal.reason is reasons.SUBJECT_UNKNOWN:
        found = stand_for_anybody(whole, snapshot, now)
    untrusted = isinstance(found, Refused) and found.refusal.reason is reasons.CHAIN_UNTRUSTED
    return None if untrusted else found


def settle_stranger(
    refused: Refused, standing: Standing, known: Known, now: datetime, failures: Failures = NOT_ASKED
) -> Refused | Asked:
    """The refusal that stays: that it is revoked or may be; or that it is nobody's, and vouched for.

    It never becomes an identity: that takes a certificate that was presented with its path.

    :param failures: the questions that were asked in vain.
    """
    judgement = settle(standing, known, now, failures)
    if isinstance(judgement, Provisional):
        return Asked(standing, judgement.questions)
    return judgement if isinstance(judgement, Refused) else attrs.evolve(refused, vouched=standing)
