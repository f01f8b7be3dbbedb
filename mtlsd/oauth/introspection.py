"""The introspection endpoint (RFC 7662), from a request's parts to what is said of a token.

Beside what RFC 7662 has, a resource server may say by the parameter `x5t#S256` which certificate it saw: the
thumbprint of RFC 8705 section 3.1. It is then told by `cnf_matches` whether the token is bound to that one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import attrs

from mtlsd import reasons
from mtlsd.clients.client import Client
from mtlsd.errors import Fact, Refusal
from mtlsd.jose.jwt import INTROSPECTION_JWT, sign_jwt
from mtlsd.jose.signer import Signer
from mtlsd.oauth.authentication import AuthenticatedClient
from mtlsd.oauth.forms import Form
from mtlsd.oauth.live import AccessTokens, Ended, LiveToken
from mtlsd.oauth.tokens import GRANT_ID

THUMBPRINT: Final = "x5t#S256"

_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")
_INACTIVE: Mapping[str, Any] = {"active": False}


@attrs.frozen
class Introspected:
    """What a resource server is told of a token.

    :ivar caller: the resource server.
    :ivar document: the response (RFC 7662 section 2.2).
    :ivar ended: why it is told that the token is not active; None where it is.
    :ivar token: None for one that is not valid.
    """

    caller: Client
    document: Mapping[str, Any] = attrs.field(repr=False)
    ended: Ended | str | None
    token: LiveToken | None

    def to_json(self) -> bytes:
        return json.dumps(self.document).encode("ascii")

    @property
    def facts(self) -> dict[str, Fact]:
        """For the audit log: the token is named by its jti, never told."""
        facts: dict[str, Fact] = {"active": self.ended is None, "inactive": self.ended}
        if self.token is not None:
            facts |= {
                "jti": self.token.jti,
                "issued_to": self.token.client_id,
                "audience": self.token.audience,
                "bound_to": self.token.x5t_s256,
            }
        return facts


@attrs.frozen
class IntrospectionEndpoint:
    """Answers introspection requests by one snapshot of the clients and one signing key."""

    tokens: AccessTokens
    signer: Signer

    async def answer(self, authenticated: AuthenticatedClient, form: Form, now: datetime) -> Introspected:
        """:raises Refusal: with the OAuth error that the caller may see."""
        caller = authenticated.client
        if not caller.introspects or caller.is_public:
            raise Refusal(reasons.INTROSPECTION_UNAUTHORIZED)
        token, seen = form.get("token"), _thumbprint(form)
        if token is None:
            raise Refusal(reasons.TOKEN_ABSENT)
        live = await self.tokens.live(token, now)
        if not isinstance(live, LiveToken):
            return Introspected(caller, _INACTIVE, live, None)
        if not set(live.audience) & set(caller.introspects):
            return Introspected(caller, _INACTIVE, "audience", live)
        if seen is not None and seen != live.x5t_s256:
            return Introspected(caller, {**_INACTIVE, "cnf_matches": False}, "thumbprint", live)
        return Introspected(caller, _document(live, seen is not None), None, live)

    def signed(self, introspected: Introspected, now: datetime) -> str:
        """The response as a JWT (RFC 9701 section 5).

        It has no `sub` and no `exp` of its own, and a type of its own, so that nobody takes it for a token.

        :raises Refusal: `signer.unavailable`.
        """
        claims = {
            "iss": self.tokens.issuer,
            "aud": introspected.caller.client_id,
            "iat": int(now.timestamp()),
            "token_introspection": introspected.document,
        }
        return sign_jwt(claims, self.signer, INTROSPECTION_JWT)


def _thumbprint(form: Form) -> str | None:
    seen = form.get(THUMBPRINT)
    if seen is not None and not _THUMBPRINT.fullmatch(seen):
        raise Refusal(reasons.THUMBPRINT_MALFORMED)
    return seen


def _document(token: LiveToken, compared: bool) -> dict[str, Any]:
    """The claims of the token, whatever its format is (R18: `cnf` stands at the top)."""
    told = {name: value for name, value in token.claims.items() if name != GRANT_ID}
    document = {"active": True, **told, "token_type": "Bearer"}
    return {**document, "cnf_matches": True} if compared else document
