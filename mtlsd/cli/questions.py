"""Whom a daemon would ask whether a certificate is revoked."""

from __future__ import annotations

import attrs

from mtlsd.judge import Provisional
from mtlsd.pki.revocation import Source
from mtlsd.pki.revocation_check import Question
from mtlsd.revocation.inquiry import urls_of


@attrs.frozen
class WouldAsk:
    """One question, for people.

    :ivar urls: the first is asked first.
    :ivar certificate: the subject of the one in question.
    :ivar trust_anchors: the group whose policy says so.
    """

    source: Source
    urls: tuple[str, ...]
    certificate: str
    trust_anchors: str


def would_ask(judgement: Provisional) -> tuple[WouldAsk, ...]:
    """The questions that are open, in order, each once."""
    found = (
        WouldAsk(own.source, _urls(own, judgement), own.certificate.subject.to_string(), own.group)
        for own in judgement.questions
    )
    return tuple(dict.fromkeys(found))


def nobody_to_ask(judgement: Provisional) -> tuple[Question, ...]:
    """The open questions that nobody outside could answer, such as those about files of lists."""
    return tuple(own for own in judgement.questions if not _urls(own, judgement))


def _urls(question: Question, judgement: Provisional) -> tuple[str, ...]:
    group = next(own.group for own in judgement.standing.vouching if own.group.name == question.group)
    policy, certificate = group.revocation, question.certificate
    if policy is None:
        return ()
    if question.source == "ocsp":
        return urls_of(policy, certificate)
    return (*(certificate.crl_urls if policy.crl_from_certificate else ()), *policy.crl_urls)
