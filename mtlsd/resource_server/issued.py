"""Checking access tokens where they were issued: with all that the issuer knows of them, at this moment.

Whoever has keys or introspection alone learns less. The rules for what a token says are those of
:mod:`mtlsd.resource_server.claims`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from mtlsd import reasons
from mtlsd.errors import Reason, Refusal
from mtlsd.jose import b64
from mtlsd.judge import PresentedCertificate
from mtlsd.oauth.live import AccessTokens, Ended, FoundToken, LiveToken
from mtlsd.resource_server.claims import check_claims, refused_token
from mtlsd.resource_server.tracing import Steps
from mtlsd.resource_server.values import TokenRules, Verdict, scope_names

# In the order in which AccessTokens looks
_ENDS: Final[tuple[tuple[Ended, str, Reason, str], ...]] = (
    ("unknown", "issued", reasons.ACCESS_TOKEN_UNKNOWN, "by this server"),
    ("expired", "end", reasons.ACCESS_TOKEN_EXPIRED, "to come"),
    ("client", "client", reasons.ACCESS_TOKEN_CLIENT, "registered and enabled, as when it was issued"),
    ("certificate", "bound certificate", reasons.ACCESS_TOKEN_CERTIFICATE, "nothing known against it"),
    ("revoked", "revocation", reasons.ACCESS_TOKEN_REVOKED, "not ended by anybody"),
)


async def verify_issued(
    tokens: AccessTokens,
    token: str,
    presented: PresentedCertificate | None,
    rules: TokenRules,
    now: datetime,
    scope: str | Iterable[str] = (),
) -> Verdict:
    """Verify an access token of ours, whichever format it has.

    :param token: any string.
    :param presented: with which certificate it came; its path is not looked at (R24), but for whether the
        certificate is known to be revoked.
    :raises Refusal: `store.unavailable`; ValueError where the scope is none.
    """
    found = await tokens.find(token, now)
    if found is not None and presented is not None:
        _remember(tokens, found, presented, now)
    end = "unknown" if found is None else await tokens.still_live(found, now)
    claims = {} if found is None else found.claims
    certificate = None if presented is None else presented.leaf
    steps, required = Steps(), scope_names(scope)
    try:
        _check_end(end, steps)
        return check_claims(claims, certificate, rules, required, now, steps)
    except Refusal as refusal:
        return refused_token(refusal, claims, required, steps)


def _check_end(end: LiveToken | Ended, steps: Steps) -> None:
    """Note each way in which a token ends, up to the one in which this one has."""
    for ended, name, reason, expected in _ENDS:
        steps.check(name, end != ended, reason, expected, "otherwise" if end == ended else expected)


def _remember(
    tokens: AccessTokens, found: FoundToken, presented: PresentedCertificate, now: datetime
) -> None:
    """Have it known what the certificate proves that the token is bound to.

    So a revoked one is found out though nobody got a token with it since the start. Strangers cannot fill the
    memory: the token is genuine, and the certificate is the one that it is bound to.
    """
    x5t_s256 = b64.sha256_text(presented.leaf)
    if x5t_s256 != found.x5t_s256 or tokens.bound.knows(x5t_s256):
        return
    standing = tokens.judge.judge(presented, now).standing
    if standing is not None:
        tokens.bound.note(standing, presented.listener, tokens.judge)
