"""Whether an access token is good: values and a time go in, a verdict comes out. No I/O, no clock.

    keys, mistakes = mtlsd.clients.keys.usable_keys(jwks)
    rules = TokenRules("https://as.example.com", "https://api.example.com")
    verdict = verify_jwt(token, certificate, keys, rules, now, scope=["invoices:read"])

`token` is the text behind `Bearer`, `certificate` the DER of the connection's client certificate or None,
`keys` the issuer's, `now` aware, `scope` what this request requires. The verdict is a
:class:`~.values.VerifiedToken`, or a :class:`~.values.RefusedToken` with a Refusal whose reason is one of
:mod:`mtlsd.reasons.protected_resources`. Both have a `trace` of :class:`mtlsd.judge.values.Check` values:
name, expected, seen, and `passed` or `failed`; it ends with the first one that failed.

:func:`verify_introspected` does the same with the answer of an introspection endpoint. :func:`kid_of` tells
which key a token needs, for those who fetch keys. :mod:`mtlsd.resource_server.answer` makes the answer to the
caller, :mod:`mtlsd.resource_server.bearer` finds the token in a request.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.jose.compact import CompactJwt
from mtlsd.jose.jwt import AT_JWT
from mtlsd.jose.verification import VerificationKey, canonical_algorithm
from mtlsd.resource_server.claims import check_claims, refused_token
from mtlsd.resource_server.tracing import Steps
from mtlsd.resource_server.values import TokenRules, Verdict, scope_names

LONGEST_TOKEN: Final = 16_384


def verify_jwt(
    token: str,
    certificate: bytes | None,
    keys: Collection[VerificationKey],
    rules: TokenRules,
    now: datetime,
    scope: str | Iterable[str] = (),
) -> Verdict:
    """Verify a JWT access token (RFC 9068 section 4, RFC 8725 section 3, RFC 8705 section 3).

    :raises ValueError: where the scope is none.
    """
    proven: Mapping[str, Any] = {}
    steps, required = Steps(), scope_names(scope)
    try:
        jwt = _read(token, steps)
        alg = _check_header(jwt, rules, steps)
        _check_signature(jwt, alg, keys, steps)
        proven = jwt.claims
        return check_claims(proven, certificate, rules, required, now, steps)
    except Refusal as refusal:
        return refused_token(refusal, proven, required, steps)


def verify_introspected(
    document: Mapping[str, Any],
    certificate: bytes | None,
    rules: TokenRules,
    now: datetime,
    scope: str | Iterable[str] = (),
) -> Verdict:
    """Verify what the issuer's introspection endpoint has answered (RFC 7662 section 2.2, R18).

    What it says is checked as if a JWT said it: an answer without issuer, audience, end or binding is no
    better than a token without them.

    :param document: of the answer, over a connection that proves whose it is.
    :raises ValueError: where the scope is none.
    """
    steps, required = Steps(), scope_names(scope)
    try:
        if document.get("cnf_matches") is False:  # our own endpoint's word, where it was told the thumbprint
            steps.failed("cnf_matches", reasons.ACCESS_TOKEN_CERTIFICATE_MISMATCH, True, False)
        active = document.get("active")
        steps.check("active", active is True, reasons.ACCESS_TOKEN_INACTIVE, True, active)
        return check_claims(document, certificate, rules, required, now, steps)
    except Refusal as refusal:
        return refused_token(refusal, document, required, steps)


def kid_of(token: str) -> str | None:
    """By which `kid` the token names its key; None where it names none, or is no JWT: nothing is proven."""
    try:
        kid = CompactJwt.from_text(token, LONGEST_TOKEN).header.get("kid")
    except ValueError:
        return None
    return kid if isinstance(kid, str) else None


def _read(token: str, steps: Steps) -> CompactJwt:
    try:
        jwt = CompactJwt.from_text(token, LONGEST_TOKEN)
    except ValueError as error:
        steps.failed("jwt", reasons.ACCESS_TOKEN_MALFORMED, "a signed JWT", str(error))
    steps.passed("jwt", "a signed JWT", "a JWT")
    return jwt


def _check_header(jwt: CompactJwt, rules: TokenRules, steps: Steps) -> str:
    """The algorithm by its name here. Nobody looks at `jwk`, `jku`, `x5c`, `x5u`: a token brings no key."""
    typ, alg = jwt.header.get("typ"), canonical_algorithm(jwt.header.get("alg"))
    good = isinstance(typ, str) and typ.lower().removeprefix("application/") == AT_JWT
    steps.check("typ", good, reasons.ACCESS_TOKEN_MALFORMED, AT_JWT, typ)
    expected, seen = list(rules.algorithms), jwt.header.get("alg")
    if alg is None or alg not in rules.algorithms:
        steps.failed("alg", reasons.ACCESS_TOKEN_ALGORITHM, expected, seen)
    steps.passed("alg", expected, seen)
    return alg


def _check_signature(jwt: CompactJwt, alg: str, keys: Collection[VerificationKey], steps: Steps) -> None:
    """The one key that the token names; keys are not tried in turn."""
    kid = jwt.header.get("kid")
    named = [key for key in keys if key.kid is not None and key.kid == kid]
    known = sorted(key.kid for key in keys if key.kid is not None)
    steps.check("kid", len(named) == 1, reasons.ACCESS_TOKEN_KEY, known, kid)
    steps.check("alg of the key", alg in named[0].algorithms, reasons.ACCESS_TOKEN_ALGORITHM,
                list(named[0].algorithms), alg)  # fmt: skip
    good = named[0].verifies(alg, jwt.signing_input, jwt.signature)
    seen = "a good signature" if good else "another signature"
    steps.check("signature", good, reasons.ACCESS_TOKEN_SIGNATURE, "a good signature", seen)
