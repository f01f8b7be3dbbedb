"""What an access token is checked by, and what comes out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

import attrs

from mtlsd.errors import Fact, Refusal
from mtlsd.jose.verification import VERIFICATION_ALGORITHMS
from mtlsd.judge.values import Trace

MOST_LEEWAY: Final = timedelta(minutes=5)

_NAME: Final = r"[!#-\[\]-~]+"
_SCOPE_NAME: Final = re.compile(_NAME)
SCOPE: Final = re.compile(f"{_NAME}(?: {_NAME})*")
"""Names as strangers have to write them: with one space between them (RFC 6749 section 3.3)."""


def _one_or_more(audiences: str | Iterable[str]) -> frozenset[str]:
    return frozenset({audiences} if isinstance(audiences, str) else audiences)


def scope_names(scope: str | Iterable[str]) -> tuple[str, ...]:
    """The names in a scope (RFC 6749 section 3.3), sorted.

    :param scope: names with spaces between them, or the names.
    :raises ValueError: where one is no name.
    """
    names = tuple(sorted(set(scope.split() if isinstance(scope, str) else scope)))
    for name in names:
        if not _SCOPE_NAME.fullmatch(name):
            raise ValueError(f"not a name of a scope: {name!r}")
    return names


@attrs.frozen
class TokenRules:
    """What a resource server demands of an access token.

    :ivar issuer: exactly as the authorization server writes it.
    :ivar audiences: the names of this resource server; a token is for it when it names one of them.
    :ivar algorithms: with which tokens may be signed.
    :ivar leeway: how far the clocks of issuer and resource server may be apart.
    :ivar accept_unbound: whether a token without `cnf` is good for everybody who has it. One with `cnf` is
        compared in any case.
    :raises ValueError: where one of these could let everything through.
    """

    issuer: str
    audiences: frozenset[str] = attrs.field(converter=_one_or_more)
    algorithms: tuple[str, ...] = VERIFICATION_ALGORITHMS
    leeway: timedelta = timedelta(seconds=10)
    accept_unbound: bool = False

    def __attrs_post_init__(self) -> None:
        if not self.issuer or not self.audiences or "" in self.audiences:
            raise ValueError("issuer and audiences are not empty")
        if not self.algorithms or not set(self.algorithms) <= set(VERIFICATION_ALGORITHMS):
            raise ValueError(f"algorithms are some of {', '.join(VERIFICATION_ALGORITHMS)}")
        if not timedelta(0) <= self.leeway <= MOST_LEEWAY:
            raise ValueError(f"leeway is between 0 and {MOST_LEEWAY}")


@attrs.frozen
class VerifiedToken:
    """An access token that is good here, now, on this connection: having this value is the proof.

    :ivar claims: all of them.
    :ivar subject: `sub`: a user, or the client itself.
    :ivar x5t_s256: the thumbprint of the certificate that it is bound to, which is the connection's; None for
        a token that is bound to none, where the rules accept such.
    :ivar trace: each check with what was expected and what was seen.
    """

    claims: Mapping[str, Any] = attrs.field(repr=False)
    issuer: str
    subject: str
    client_id: str
    audience: tuple[str, ...]
    scope: tuple[str, ...]
    expires_at: datetime
    jti: str
    x5t_s256: str | None
    trace: Trace = attrs.field(repr=False, default=())

    @property
    def facts(self) -> dict[str, Fact]:
        """For a log: the token is named by its jti, never told."""
        return {
            "client_id": self.client_id,
            "sub": self.subject,
            "jti": self.jti,
            "scope": self.scope,
            "x5t#S256": self.x5t_s256,
        }


@attrs.frozen
class RefusedToken:
    """An access token, or a request, that is refused.

    :ivar facts: whose token it is, as far as that is proven; nothing where it is not.
    :ivar scope: what would have been required, where the reason is `access_token.scope`.
    :ivar trace: as :attr:`VerifiedToken.trace`; the last check has failed.
    """

    refusal: Refusal
    facts: Mapping[str, Fact] = attrs.field(factory=dict)
    scope: tuple[str, ...] = ()
    trace: Trace = attrs.field(repr=False, default=())


Verdict: TypeAlias = VerifiedToken | RefusedToken
