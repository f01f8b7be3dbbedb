"""Token exchange (RFC 8693): a service acts for whom it was called, under its own name.

A resource server that was called with a token asks for another one, to call the next service. The new token
is bound to the resource server's own certificate, says for whom it acts (`sub`) and who acts (`act`), and is
never worth more than the one it was made of.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import attrs

from mtlsd import reasons
from mtlsd.clients.client import Client
from mtlsd.clients.grant_types import TOKEN_EXCHANGE
from mtlsd.errors import Refusal
from mtlsd.oauth.artifacts import Artifacts
from mtlsd.oauth.authentication import AuthenticatedClient
from mtlsd.oauth.forms import Form
from mtlsd.oauth.granted import StandingOf, everybody
from mtlsd.oauth.grants import Grant, check_may_use
from mtlsd.oauth.live import Ended, LiveToken
from mtlsd.oauth.token_endpoint import TokenIssued
from mtlsd.oauth.tokens import GRANT_ID, AccessTokenIssuer

ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  # a name, and no secret
JWT: Final = "urn:ietf:params:oauth:token-type:jwt"
MOST_ACTORS: Final = 8
"""How many services in a row may have acted for somebody."""

_KEPT = ("sub", "auth_time", GRANT_ID)


class LiveTokens(Protocol):
    """Tells what an access token is worth: :class:`mtlsd.oauth.live.AccessTokens`."""

    def live(self, token: str, now: datetime, /) -> Awaitable[LiveToken | Ended]: ...


@attrs.frozen
class ExchangeGrant:
    """Exchanges access tokens of ours for others.

    :ivar artifacts: where opaque tokens are kept.
    """

    tokens: LiveTokens
    artifacts: Artifacts
    access_tokens: AccessTokenIssuer
    standing_of: StandingOf = everybody

    async def __call__(self, authenticated: AuthenticatedClient, form: Form, now: datetime) -> TokenIssued:
        """:raises Refusal: with the errors of RFC 8693 section 2.2.2."""
        client = authenticated.client
        check_may_use(client, TOKEN_EXCHANGE)
        if client.is_public:  # nothing proves who would act
            raise Refusal(reasons.GRANT_UNAUTHORIZED, {"seen": TOKEN_EXCHANGE})
        subject = await self._subject(form, now)
        own = _check_may_exchange(authenticated, subject)
        grant = Grant(
            _scope(client, subject, form.get("scope")), _targets(client, subject if own else None, form)
        )
        more = {name: subject.claims[name] for name in _KEPT if name in subject.claims}
        act = _act(client, subject, own)
        if act is not None:
            more["act"] = act
        until = datetime.fromtimestamp(subject.expires_at, UTC)
        token = self.access_tokens.issue(authenticated, grant, now, more, until)
        if token.artifact is not None:
            await self.artifacts.save(token.artifact, now=now)
        return TokenIssued(
            client, grant, token, issued_token_type=ACCESS_TOKEN, on_behalf_of=subject.claims["sub"]
        )

    async def _subject(self, form: Form, now: datetime) -> LiveToken:
        token, token_type = form.get("subject_token"), form.get("subject_token_type")
        if token is None or token_type is None:
            raise Refusal(reasons.EXCHANGE_TOKEN_ABSENT)
        wanted = form.get("requested_token_type")
        if (
            token_type not in (ACCESS_TOKEN, JWT)
            or wanted not in (None, ACCESS_TOKEN)
            or form.has("actor_token")
        ):
            raise Refusal(reasons.EXCHANGE_TOKEN_TYPE, {"expected": ACCESS_TOKEN})
        found = await self.tokens.live(token, now)
        if not isinstance(found, LiveToken):
            raise Refusal(reasons.EXCHANGE_TOKEN_INVALID, {"seen": found})
        if GRANT_ID in found.claims and self.standing_of(found.claims["sub"]) is None:
            raise Refusal(reasons.EXCHANGE_TOKEN_INVALID, {"seen": "the user is gone"})
        return found


def _check_may_exchange(authenticated: AuthenticatedClient, subject: LiveToken) -> bool:
    """Whether the token is the client's own, over the certificate that it is bound to; otherwise it has to be
    meant for the client (R68). A bound token of somebody else, for somebody else, is a stolen one.

    :raises Refusal: `exchange.not_allowed`
    """
    client, binding = authenticated.client, authenticated.binding
    presented = None if binding is None else binding.x5t_s256
    if subject.client_id == client.client_id and subject.x5t_s256 in (None, presented):
        return True
    if not set(subject.audience) & set(client.exchanges_for):
        facts = {"expected": client.exchanges_for, "seen": subject.audience, "issued_to": subject.client_id}
        raise Refusal(reasons.EXCHANGE_NOT_ALLOWED, facts)
    return False


def _scope(client: Client, subject: LiveToken, asked: str | None) -> tuple[str, ...]:
    """What the token has and the client may have; never more of either."""
    had = frozenset(str(subject.claims.get("scope", "")).split())
    most = tuple(token for token in client.scope if token in had)
    if asked is None:
        return most
    tokens = frozenset(asked.split(" "))
    if not tokens <= frozenset(most):
        raise Refusal(reasons.SCOPE_INVALID, {"expected": most, "seen": asked[:256]})
    return tuple(token for token in most if token in tokens)


def _targets(client: Client, own: LiveToken | None, form: Form) -> tuple[str, ...]:
    """RFC 8693 section 2.1: `resource` and `audience` name the same here.

    :param own: the client's own token, which leads nowhere else than it did: the user has agreed to that.
    """
    possible = [one for one in client.resources if own is None or one in own.audience]
    asked = tuple(dict.fromkeys((*form.all("resource"), *form.all("audience"))))
    for target in asked:
        if target not in possible:
            raise Refusal(reasons.EXCHANGE_TARGET, {"expected": possible, "seen": target[:256]})
    if not asked:
        raise Refusal(reasons.EXCHANGE_TARGET, {"expected": possible})
    return asked


def _act(client: Client, subject: LiveToken, own: bool) -> Mapping[str, Any] | None:
    """Who acts (RFC 8693 section 4.1); whoever acted before stands inside."""
    before: Mapping[str, Any] | None = subject.claims.get("act")
    if own:
        return before
    if _depth(before) >= MOST_ACTORS:
        raise Refusal(reasons.EXCHANGE_DEPTH, {"expected": MOST_ACTORS})
    return {"sub": client.client_id} if before is None else {"sub": client.client_id, "act": before}


def _depth(act: Mapping[str, Any] | None) -> int:
    depth = 0
    while act is not None:
        depth, act = depth + 1, act.get("act")
    return depth
