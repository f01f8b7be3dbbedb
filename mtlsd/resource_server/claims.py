"""What an access token says, whether a JWT says it or the introspection endpoint (RFC 9068 section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.jose.compact import instant_of
from mtlsd.resource_server.confirmation import check_confirmation
from mtlsd.resource_server.tracing import Steps, shown
from mtlsd.resource_server.values import SCOPE, RefusedToken, TokenRules, VerifiedToken

_STRINGS: Final = ("iss", "sub", "client_id", "jti")


def check_claims(
    claims: Mapping[str, Any],
    certificate: bytes | None,
    rules: TokenRules,
    required: tuple[str, ...],
    now: datetime,
    steps: Steps,
) -> VerifiedToken:
    """Check what a genuine token says: issuer, audience, times, binding, and the scope last of all.

    :param required: the names of the scope that the request requires.
    :raises Refusal: for the first check that fails.
    """
    strings = {name: _string(claims, name, steps) for name in _STRINGS}
    steps.check(
        "iss", strings["iss"] == rules.issuer, reasons.ACCESS_TOKEN_ISSUER, rules.issuer, strings["iss"]
    )
    audience = _audience(claims, rules, steps)
    expires_at = _times(claims, rules, now, steps)
    bound_to = check_confirmation(claims, certificate, rules.accept_unbound, steps)
    granted = _scope(claims, required, steps)
    return VerifiedToken(
        claims, strings["iss"], strings["sub"], strings["client_id"], audience, granted, expires_at,
        strings["jti"], bound_to, steps.trace,
    )  # fmt: skip


def refused_token(
    refusal: Refusal, claims: Mapping[str, Any], required: tuple[str, ...], steps: Steps
) -> RefusedToken:
    """What a verification ends with that ends with a refusal.

    :param claims: as far as they are proven: they say in the log whose token it is.
    :param required: as for :func:`check_claims`; told where that is what was missing.
    """
    facts = {name: shown(claims[name]) for name in ("client_id", "sub", "jti") if name in claims}
    missing = required if refusal.reason is reasons.ACCESS_TOKEN_SCOPE else ()
    return RefusedToken(refusal, facts, missing, steps.trace)


def _string(claims: Mapping[str, Any], name: str, steps: Steps) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        steps.failed(name, reasons.ACCESS_TOKEN_CLAIMS, "a string", value)
    return value


def _audience(claims: Mapping[str, Any], rules: TokenRules, steps: Steps) -> tuple[str, ...]:
    aud = claims.get("aud")
    named = [aud] if isinstance(aud, str) else aud
    if not isinstance(named, list) or not named or not all(isinstance(name, str) for name in named):
        steps.failed("aud", reasons.ACCESS_TOKEN_CLAIMS, "a string or a list of strings", aud)
    good = not rules.audiences.isdisjoint(named)
    steps.check("aud", good, reasons.ACCESS_TOKEN_AUDIENCE, sorted(rules.audiences), named)
    return tuple(named)


def _times(claims: Mapping[str, Any], rules: TokenRules, now: datetime, steps: Steps) -> datetime:
    exp, iat = _instant(claims, "exp", steps), _instant(claims, "iat", steps)
    if exp is None or iat is None:
        absent = "exp" if exp is None else "iat"
        steps.failed(absent, reasons.ACCESS_TOKEN_CLAIMS, "a NumericDate", None)
    expected = f"after {(now - rules.leeway).isoformat()}"
    steps.check("exp", exp > now - rules.leeway, reasons.ACCESS_TOKEN_EXPIRED, expected, exp.isoformat())
    for name, instant in (("iat", iat), ("nbf", _instant(claims, "nbf", steps))):
        if instant is not None:
            expected, good = f"until {(now + rules.leeway).isoformat()}", instant <= now + rules.leeway
            steps.check(name, good, reasons.ACCESS_TOKEN_NOT_YET_VALID, expected, instant.isoformat())
    return exp


def _instant(claims: Mapping[str, Any], name: str, steps: Steps) -> datetime | None:
    try:
        return instant_of(claims, name)
    except ValueError:
        steps.failed(name, reasons.ACCESS_TOKEN_CLAIMS, "a NumericDate", claims[name])


def _scope(claims: Mapping[str, Any], required: tuple[str, ...], steps: Steps) -> tuple[str, ...]:
    scope = claims.get("scope", "")
    if not isinstance(scope, str) or not (scope == "" or SCOPE.fullmatch(scope)):
        steps.failed("scope", reasons.ACCESS_TOKEN_CLAIMS, "names with one space between them", scope)
    granted = tuple(scope.split())
    if required:
        steps.check("scope", set(required) <= set(granted), reasons.ACCESS_TOKEN_SCOPE, required, granted)
    return granted
