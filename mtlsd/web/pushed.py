"""The pushed authorization request endpoint (RFC 9126 section 2)."""

from __future__ import annotations

from collections.abc import Awaitable

from mtlsd.errors import Fact
from mtlsd.web.client_endpoint import Call, ClientEndpoint, Done


class PushedAuthorization(ClientEndpoint):
    """Takes authorization requests before any browser has them."""

    refused = "push.refused"

    def perform(self, call: Call) -> Awaitable[Done]:
        return self._push(call)

    async def _push(self, call: Call) -> Done:
        client = await self.authenticated(call, public=True)
        address = "" if call.peer is None else call.peer.address
        pushing = self.current.serving.pushed_authorization
        pushed = await pushing.answer(client, call.form, call.now, address)
        facts: dict[str, Fact] = {
            "scope": pushed.request.scope,
            "audience": pushed.request.resources,
            "redirect_uri": pushed.request.redirection.uri,
        }
        return Done("request.pushed", facts, pushed.to_json(), status=201)
