"""Looking at a stranger's certificate before tokens are bound to it: whether it is revoked, or somebody's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from mtlsd import reasons
from mtlsd.clients.methods import CERTIFICATE_METHODS
from mtlsd.errors import Refusal
from mtlsd.judge import Asked, PresentedCertificate, Refused, Settled, settle_stranger, stand_of_stranger
from mtlsd.web.serving import Serving


def may_bind(judgement: Settled | None, serving: Serving) -> bool:
    """Whether it is nobody's certificate, but tokens could be bound to it, and more may be known of it."""
    if not isinstance(judgement, Refused):
        return False
    others = serving.judge.snapshot.clients.methods.difference(CERTIFICATE_METHODS)
    return bool(others) and is_worth_looking_at(judgement, serving)


def is_worth_looking_at(judgement: Refused, serving: Serving) -> bool:
    """Whether there may be a path to a trust anchor."""
    certificate, reason = judgement.certificate, judgement.refusal.reason
    if certificate is None:
        return False
    untrusted = reason is reasons.CHAIN_UNTRUSTED and serving.bound.issuers.above(certificate)
    return reason is reasons.SUBJECT_UNKNOWN or bool(untrusted)


async def looked_at(
    presented: PresentedCertificate, judgement: Refused, serving: Serving, clock: Callable[[], datetime]
) -> Refused:
    """The judgement with all that can be known, once everybody has been asked. It never grows into more."""
    snapshot, certificate = serving.judge.snapshot, judgement.certificate
    issuers = () if certificate is None else serving.bound.issuers.above(certificate)
    standing = stand_of_stranger(presented, judgement, snapshot, issuers, clock())
    if standing is None:
        return judgement
    if isinstance(standing, Refused):
        return standing
    settled = settle_stranger(judgement, standing, snapshot.revocation, clock())
    if isinstance(settled, Asked):
        failures = await serving.resolve(settled.questions)
        settled = settle_stranger(judgement, standing, snapshot.revocation, clock(), failures)
    if isinstance(settled, Asked):  # another list came meanwhile, and asks for more: nobody waits twice
        return Refused(Refusal(reasons.REVOCATION_UNKNOWN), certificate, judgement.trace)
    return settled
