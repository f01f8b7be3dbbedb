"""Whom a daemon would ask whether a certificate is revoked."""

from __future__ import annotations

import attrs

from mtlsd.judge import Provisional
from mtlsd.pki.revocation import RevocationPolicy, Source
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
    policies = {own.group.name: own.group.revocation for own in judgement.standing.vouching}
    found = dict.fromkeys(_shown(own, policies[own.group]) for own in judgement.questions)
    return tuple(found)


def _shown(question: Question, policy: RevocationPolicy | None) -> WouldAsk:
    certificate = question.certificate
    urls: tuple[str, ...] = ()
    if policy is not None and question.source == "ocsp":
        urls = urls_of(policy, certificate)
    elif policy is not None:
        urls = (*(certificate.crl_urls if policy.crl_from_certificate else ()), *policy.crl_urls)
    return WouldAsk(question.source, urls, certificate.subject.to_string(), question.group)
