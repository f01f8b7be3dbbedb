"""The endpoints that tell of tokens and end them."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import Final

from twisted.web.iweb import IRequest

from mtlsd.web.client_endpoint import Call, ClientEndpoint, Done

INTROSPECTION_JWT: Final = "application/token-introspection+jwt"
"""The media type of RFC 9701 section 4."""

_JSON: Final = "application/json"
_RANGE = re.compile(r"\s*([^\s;,]+)\s*(?:;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*)?", re.IGNORECASE)


class Introspection(ClientEndpoint):
    """The introspection endpoint (RFC 7662), which answers with a JWT whoever asks for one (RFC 9701)."""

    refused = "introspection.refused"

    def read(self, request: IRequest, call: Call) -> None:
        super().read(request, call)
        accept = request.getHeader(b"accept")
        call.wants_jwt = accept is not None and prefers_jwt(accept.decode("latin-1"))

    def perform(self, call: Call) -> Awaitable[Done]:
        return self._introspect(call)

    async def _introspect(self, call: Call) -> Done:
        caller = await self.authenticated(call)
        endpoint = self.current.serving.introspection
        introspected = await endpoint.answer(caller, call.form, call.now)
        if call.wants_jwt:
            body = endpoint.signed(introspected, call.now).encode("ascii")
            media_type = INTROSPECTION_JWT.encode("ascii")
            return Done("token.introspected", introspected.facts, body, content_type=media_type)
        return Done("token.introspected", introspected.facts, introspected.to_json())


class Revocation(ClientEndpoint):
    """The revocation endpoint (RFC 7009)."""

    refused = "revocation.refused"

    def perform(self, call: Call) -> Awaitable[Done]:
        return self._revoke(call)

    async def _revoke(self, call: Call) -> Done:
        """Whatever became of it, the client hears the same: nothing of tokens that are not its own."""
        caller = await self.authenticated(call, public=True)
        done = await self.current.serving.token_revocation.answer(caller, call.form, call.now)
        if done.outcome == "revoked":
            return Done("token.revoked", done.facts, b"{}")
        if done.outcome == "foreign":
            return Done("token.foreign", done.facts, b"{}")
        return Done("token.unknown", done.facts, b"{}")


def prefers_jwt(accept: str) -> bool:
    """Whether an Accept header names the signed response, and JSON not rather (RFC 9110 section 12.5.1).

    A range with a star means JSON: whoever wants a JWT says so.
    """
    qualities = {_JSON: 0.0, INTROSPECTION_JWT: 0.0}
    for part in accept.split(","):
        match = _RANGE.fullmatch(part)
        if match is not None and match[1].lower() in qualities:
            qualities[match[1].lower()] = float(match[2] or 1)
    return 0 < qualities[INTROSPECTION_JWT] >= qualities[_JSON]
