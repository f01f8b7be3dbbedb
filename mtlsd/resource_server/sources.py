"""The two ways to know what a token is worth: the issuer's keys, and the issuer itself."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

import attrs

from mtlsd.resource_server.introspection import Introspection
from mtlsd.resource_server.issuer_keys import IssuerKeys, Keys
from mtlsd.resource_server.values import TokenRules, Verdict
from mtlsd.resource_server.verifier import kid_of, verify_introspected, verify_jwt


@attrs.frozen
class Question:
    """A token on a connection, and what it is to be good for."""

    token: str = attrs.field(repr=False)
    certificate: bytes | None = attrs.field(repr=False)
    rules: TokenRules
    scope: Iterable[str]


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
    """Tokens are whatever the issuer says that they are: JWTs or opaque ones."""

    introspection: Introspection

    def at_once(self, question: Question, now: datetime) -> Verdict | None:
        answer = self.introspection.remembered(question.token, question.certificate)
        if answer is None:
            return None
        return verify_introspected(answer, question.certificate, question.rules, now, question.scope)

    def waited_for(self, question: Question, now: datetime) -> Verdict:
        answer = self.introspection.ask(question.token, question.certificate)
        return verify_introspected(answer, question.certificate, question.rules, now, question.scope)
