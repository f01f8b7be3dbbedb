"""private_key_jwt: a client proves who it is with a signed JWT (RFC 7523, RFC 7521, FAPI 2.0).

The keys are those that the client registered. What the JWT says of keys (`jwk`, `jku`, `x5c`, `x5u`) nobody
looks at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NoReturn, Self

import attrs

from mtlsd import reasons
from mtlsd.clients.client import Client
from mtlsd.clients.fapi import FAPI2_ALGORITHMS
from mtlsd.clients.methods import PRIVATE_KEY_JWT
from mtlsd.errors import Fact, Refusal
from mtlsd.jose.compact import CompactJwt, instant_of
from mtlsd.jose.verification import VERIFICATION_ALGORITHMS, VerificationKey, canonical_algorithm
from mtlsd.oauth.artifacts import Artifact, Artifacts

LONGEST_ASSERTION: Final = 8192
LONGEST_JTI: Final = 256

# RFC 7519 section 5.1, and what its successor calls an assertion of a client; any other type is another token
_TYPES: Final = frozenset({"jwt", "client-authentication+jwt"})
_LONGEST_SHOWN: Final = 128
# the examples of RFC 7517 appendix A.1 and RFC 8037 appendix A.2: what they verify proves nothing
_DECOYS: Final = (
    VerificationKey.from_jwk(
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        }
    ),
    VerificationKey.from_jwk(
        {
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJE"
            "CPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2Q"
            "vzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6"
            "WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            "e": "AQAB",
        }
    ),
    VerificationKey.from_jwk(
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    ),
)


@attrs.frozen
class AssertionRules:
    """What the server demands of assertions.

    :ivar audiences: the strings that mean this server.
    :ivar as_string: whether the audience must be one string, and no list (FAPI 2.0).
    :ivar algorithms: that may be used.
    :ivar longest: how far away the end of an assertion may be: for so long its jti has to be kept.
    :ivar ahead: how far `iat` and `nbf` may be ahead of our clock; FAPI 2.0 wants 10 s accepted and 60 s not.
    """

    audiences: frozenset[str]
    as_string: bool = False
    algorithms: tuple[str, ...] = VERIFICATION_ALGORITHMS
    longest: timedelta = timedelta(hours=1)
    ahead: timedelta = timedelta(seconds=30)

    @classmethod
    def for_server(cls, issuer: str, token_endpoints: Iterable[str] = (), *, fapi2: bool = False) -> Self:
        """
        :param token_endpoints: the URLs that clients may name in place of the issuer; not with FAPI 2.0.
        """
        if fapi2:
            longest = timedelta(minutes=10)
            return cls(frozenset({issuer}), as_string=True, algorithms=FAPI2_ALGORITHMS, longest=longest)
        return cls(frozenset({issuer, *token_endpoints}))


@attrs.frozen
class ClientAssertion:
    """An assertion that has been read. It proves nothing yet."""

    alg: str
    kid: str | None
    client_id: str
    claims: Mapping[str, Any] = attrs.field(repr=False)
    signing_input: bytes = attrs.field(repr=False)
    signature: bytes = attrs.field(repr=False)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read the compact serialization (RFC 7515 section 7.1), strictly.

        :raises Refusal: `client.assertion`
        """
        try:
            jwt = CompactJwt.from_text(text, LONGEST_ASSERTION)
        except ValueError as error:
            _refuse(str(error))
        alg = _check_header(jwt.header)
        client_id = jwt.claims.get("sub")
        if not isinstance(client_id, str) or jwt.claims.get("iss") != client_id:
            _refuse("iss and sub are not the same string")
        return cls(alg, jwt.header.get("kid"), client_id, jwt.claims, jwt.signing_input, jwt.signature)


def prove(assertion: ClientAssertion, client: Client | None) -> Client:
    """The client, if one of its keys has signed the assertion. What the assertion says is not checked yet.

    An unknown client costs as much as a known one: a key is tried in any case.

    :raises Refusal: `client.unknown`, `client.method`, `client.key_unknown` or `client.assertion`: alike to
        the caller.
    """
    key = _key_for(client, assertion)
    good = (key or _decoy(assertion.alg)).verifies(
        assertion.alg, assertion.signing_input, assertion.signature
    )
    if client is None:
        raise Refusal(reasons.CLIENT_UNKNOWN, {"seen": assertion.client_id[:_LONGEST_SHOWN]})
    if client.token_endpoint_auth_method != PRIVATE_KEY_JWT:
        expected = client.token_endpoint_auth_method
        raise Refusal(reasons.CLIENT_METHOD, {"expected": expected, "seen": PRIVATE_KEY_JWT})
    if key is None:
        raise Refusal(reasons.CLIENT_KEY_UNKNOWN, {"alg": assertion.alg, "kid": _kid(assertion)})
    if not good:
        _refuse("its signature is wrong", alg=assertion.alg, kid=_kid(assertion))
    return client


def _key_for(client: Client | None, assertion: ClientAssertion) -> VerificationKey | None:
    """The one key of the client that the assertion can be signed with.

    None for every other client, and where nothing tells which key is meant: they are not tried in turn.
    """
    if client is None or client.token_endpoint_auth_method != PRIVATE_KEY_JWT:
        return None
    if client.token_endpoint_auth_signing_alg not in (None, assertion.alg):
        return None
    fitting = [key for key in client.keys if assertion.alg in key.algorithms]
    named = [key for key in fitting if key.kid is not None and key.kid == assertion.kid]
    candidates = named or [key for key in fitting if assertion.kid is None or key.kid is None]
    return candidates[0] if len(candidates) == 1 else None


def check_claims(assertion: ClientAssertion, rules: AssertionRules, now: datetime) -> datetime:
    """Check what a genuine assertion says (RFC 7523 section 3).

    :return: when it ends, for keeping its jti.
    :raises Refusal: `client.assertion`
    """
    claims = assertion.claims
    _check_audience(claims.get("aud"), rules)
    exp = _instant(claims, "exp")
    if exp is None:
        _refuse("it has no exp")
    if exp <= now:
        _refuse("it has expired", seen=exp.isoformat())
    if exp > now + rules.longest + rules.ahead:
        _refuse(f"it is valid for longer than {rules.longest}", seen=exp.isoformat())
    for name in ("iat", "nbf"):
        instant = _instant(claims, name)
        if instant is not None and instant > now + rules.ahead:
            _refuse(f"its {name} is ahead of our clock", seen=instant.isoformat())
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_JTI:
        _refuse(f"it has no jti of at most {LONGEST_JTI} characters")
    return exp


async def claim_jti(assertion: ClientAssertion, until: datetime, artifacts: Artifacts, now: datetime) -> None:
    """Use the assertion up.

    :raises Refusal: `client.assertion_replayed`
    """
    key = Artifact.key_of("client_assertion", assertion.client_id, assertion.claims["jti"])
    # a second more than it is valid for, since a store may keep instants less exactly than we compare them
    if not await artifacts.claim("replay", key, until + timedelta(seconds=1), now):
        raise Refusal(reasons.CLIENT_ASSERTION_REPLAYED, {"jti": assertion.claims["jti"][:_LONGEST_SHOWN]})


def _kid(assertion: ClientAssertion) -> str | None:
    return None if assertion.kid is None else assertion.kid[:_LONGEST_SHOWN]


def _decoy(alg: str) -> VerificationKey:
    """A key that is nobody's here."""
    return next(key for key in _DECOYS if alg in key.algorithms)


def _check_header(header: Mapping[str, Any]) -> str:
    """RFC 7515 section 4.1; the algorithm by its name here."""
    alg, typ = canonical_algorithm(header.get("alg")), header.get("typ")
    if alg is None:
        _refuse("its algorithm is none that this server has", seen=str(header.get("alg"))[:_LONGEST_SHOWN])
    if typ is not None and not (isinstance(typ, str) and typ.lower().removeprefix("application/") in _TYPES):
        _refuse("it is a JWT for another purpose", seen=str(typ)[:_LONGEST_SHOWN])
    return alg


def _check_audience(audience: object, rules: AssertionRules) -> None:
    """Every audience must be this server: what is for others too, others can use here."""
    if isinstance(audience, list) and not rules.as_string and len(audience) <= len(rules.audiences):
        named = audience
    else:
        named = [audience]
    if not named or not all(isinstance(name, str) and name in rules.audiences for name in named):
        seen = [str(name)[:_LONGEST_SHOWN] for name in named[:8]]
        _refuse("it is meant for another audience", expected=sorted(rules.audiences), seen=seen)


def _instant(claims: Mapping[str, Any], name: str) -> datetime | None:
    try:
        return instant_of(claims, name)
    except ValueError as error:
        _refuse(str(error))


def _refuse(detail: str, **facts: Fact) -> NoReturn:
    raise Refusal(reasons.CLIENT_ASSERTION, {"detail": detail, **facts})
