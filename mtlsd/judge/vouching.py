"""Who vouches for a certificate, whether or not it is a client's yet: for those that register."""

from __future__ import annotations

from datetime import datetime

import attrs

from mtlsd.errors import Refusal
from mtlsd.judge.settling import settle
from mtlsd.judge.standing import stand_for_anybody
from mtlsd.judge.trust import Snapshot
from mtlsd.judge.values import PresentedCertificate, Provisional, Refused, Standing
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.revocation_check import NOT_ASKED, Failures, Question


@attrs.frozen
class Vouched:
    """A certificate that trust anchor groups vouch for, none of them knowing that it is revoked.

    It identifies no client.
    """

    certificate: Certificate
    groups: tuple[str, ...]


@attrs.frozen
class Asked:
    """All is well but for what nobody has said yet; have the questions answered, and ask again."""

    standing: Standing = attrs.field(repr=False)
    questions: tuple[Question, ...]


def vouched(presented: PresentedCertificate, snapshot: Snapshot, now: datetime) -> Vouched | Asked | Refusal:
    """Say which groups of the listener vouch for the certificate. It fails closed.

    :param presented: on a connection whose handshake has completed, or it proves nothing (R23).
    """
    standing = stand_for_anybody(presented, snapshot, now)
    if isinstance(standing, Refused):
        return standing.refusal
    return vouched_at(standing, snapshot, now)


def vouched_at(
    standing: Standing, snapshot: Snapshot, now: datetime, failures: Failures = NOT_ASKED
) -> Vouched | Asked | Refusal:
    """The same once the questions have been asked.

    :param failures: why some got no answer.
    """
    judgement = settle(standing, snapshot.revocation, now, failures)
    if isinstance(judgement, Refused):
        return judgement.refusal
    if isinstance(judgement, Provisional):
        return Asked(standing, judgement.questions)
    return Vouched(judgement.certificate, tuple(judgement.clients))
