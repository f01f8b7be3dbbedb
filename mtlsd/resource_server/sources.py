"""The two ways to know what a token is worth: the issuer's keys, and the issuer itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Protocol

import attrs

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.resource_server.introspection import Introspection
from mtlsd.resource_server.issuer_keys import IssuerKeys, Keys
from mtlsd.resource_server.values import RefusedToken, TokenRules, Verdict
from mtlsd.resource_server.verifier import kid_of, verify_introspected, verify_jwt

LONGEST_QUEUED: Final = timedelta(seconds=5)


@attrs.frozen
class Question:
    """A token on a connection, and what it is to be good for.

    :ivar at: when the request came.
    """

    token: str = attrs.field(repr=False)
    certificate: bytes | None = attrs.field(repr=False)
    rules: TokenRules
    scope: tuple[str, ...]
    at: datetime


class TokenSource(Protocol):
    """Both raise a Refusal where it cannot be told what the token is worth."""

    def at_once(self, question: Question, now: datetime) -> Verdict | None:
        """The verdict; None where it takes waiting. Never blocks."""

    def waited_for(self, question: Question, now: datetime) -> Verdict:
        """The verdict. May block, within a deadline."""


@attrs.frozen
class ByKeys:
    """Tokens are JWTs, and verified here."""

    keys: IssuerKeys

    def at_once(self, question: Question, now: datetime) -> Verdict | None:
        keys = self.keys.known(kid_of(question.token))
        return None if keys is None else _verify(question, keys, now)

    def waited_for(self, question: Question, now: datetime) -> Verdict:
        return _verify(question, self.keys.awaited(kid_of(question.token)), now)


def _verify(question: Question, keys: Keys, now: datetime) -> Verdict:
    return verify_jwt(question.token, question.certificate, keys, question.rules, now, question.scope)


@attrs.frozen
class ByIntrospection:
    """Tokens are whatever the issuer says that they are: JWTs or opaque ones.

    Any text may be one, so strangers have the issuer asked. Whoever comes without a certificate has nobody
    asked where that is needed in any case; and what has stood in a queue of threads for long is not asked any
    more, or the queue would only grow while the issuer is slow.
    """

    introspection: Introspection

    def at_once(self, question: Question, now: datetime) -> Verdict | None:
        if question.certificate is None and not question.rules.accept_unbound:
            return RefusedToken(Refusal(reasons.ACCESS_TOKEN_CERTIFICATE_ABSENT))
        answer = self.introspection.remembered(question.token, question.certificate)
        if answer is None:
            return None
        return verify_introspected(answer, question.certificate, question.rules, now, question.scope)

    def waited_for(self, question: Question, now: datetime) -> Verdict:
        if now - question.at > LONGEST_QUEUED:
            facts = {"code": "busy", "detail": "the request has waited for a thread for too long"}
            raise Refusal(reasons.ISSUER_INTROSPECTION_UNAVAILABLE, facts)
        answer = self.introspection.ask(question.token, question.certificate)
        return verify_introspected(answer, question.certificate, question.rules, now, question.scope)
