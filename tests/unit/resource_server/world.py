"""An issuer, a resource server and tokens, all at one instant."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import attrs

from mtlsd.errors import Reason
from mtlsd.jose import b64
from mtlsd.jose.jwk import public_jwk
from mtlsd.jose.jwt import AT_JWT
from mtlsd.jose.signer import Signer
from mtlsd.jose.verification import VerificationKey
from mtlsd.resource_server.guard import ResourceServer
from mtlsd.resource_server.https import Document
from mtlsd.resource_server.issuer_keys import IssuerKeys, KeyTiming
from mtlsd.resource_server.sources import ByKeys
from mtlsd.resource_server.values import RefusedToken, TokenRules, Verdict, VerifiedToken
from mtlsd.resource_server.verifier import verify_jwt
from tests.unit.jose.keys import KIND_OF, NOW, private_key

ISSUER, AUDIENCE = "https://as.example", "https://api.example"
RULES = TokenRules(ISSUER, AUDIENCE)
CERTIFICATE, ANOTHER = b"the certificate of the client", b"the certificate of another one"
NOW_SECONDS = int(NOW.timestamp())


def x5t_s256(der: bytes) -> str:
    return b64.encode_text(hashlib.sha256(der).digest())


CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "billing",
    "client_id": "billing",
    "aud": AUDIENCE,
    "scope": "invoices:read invoices:write",
    "cnf": {"x5t#S256": x5t_s256(CERTIFICATE)},
    "iat": NOW_SECONDS,
    "exp": NOW_SECONDS + 300,
    "jti": "1",
}


def signer(alg: str = "ES256", number: int = 0) -> Signer:
    key: Any = private_key(KIND_OF[alg], number)
    return Signer(f"{alg}-{number}", alg, key)


def key_of(own: Signer) -> VerificationKey:
    return VerificationKey.from_jwk(public_jwk(own.public_key, own.kid, own.alg))


SIGNER = signer()
KEYS = (key_of(SIGNER), key_of(signer(number=1)))
NO_CLAIM = object()
"""What takes a claim or a member of the header away."""


def changed(members: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: own for name, own in {**members, **changes}.items() if own is not NO_CLAIM}


def encoded(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return b64.encode_text(data)


def token(own: Signer = SIGNER, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A token, signed whatever it says."""
    members = changed({"alg": own.alg, "typ": AT_JWT, "kid": own.kid}, header or {})
    signing_input = f"{encoded(members)}.{encoded(changed(CLAIMS, claims))}"
    return f"{signing_input}.{b64.encode_text(own.sign(signing_input.encode()))}"


def verdict(text: str, certificate: bytes | None = CERTIFICATE, rules: TokenRules = RULES) -> Verdict:
    return verify_jwt(text, certificate, KEYS, rules, NOW)


def accepted(found: Verdict) -> VerifiedToken:
    assert isinstance(found, VerifiedToken), found
    return found


def refused(found: Verdict, reason: Reason) -> RefusedToken:
    assert isinstance(found, RefusedToken), found
    assert found.refusal.reason is reason, found.refusal
    return found


JWKS = {"keys": [key.to_jwk() for key in KEYS]}


@attrs.define
class Later:
    """Work that is not started before the test says so."""

    waiting: list[Callable[[], None]] = attrs.field(factory=list)

    def __call__(self, work: Callable[[], None]) -> None:
        self.waiting.append(work)

    def run(self) -> None:
        work, self.waiting = self.waiting, []
        for own in work:
            own()


def at_once(work: Callable[[], None]) -> None:
    work()


def guarding(start: Callable[[Callable[[], None]], None] = at_once, **more: Any) -> ResourceServer:
    """A resource server whose issuer publishes :data:`KEYS`."""
    keys = IssuerKeys(lambda: Document(JWKS), KeyTiming(wait_seconds=0), start=start)
    return ResourceServer(RULES, ByKeys(keys), now=lambda: NOW, **more)
