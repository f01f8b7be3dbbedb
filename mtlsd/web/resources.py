"""The resources: ordinary twisted.web resources that translate between HTTP and the core, and do no more.

They work in our own channel and under a stock :class:`twisted.web.server.Site` alike.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

import attrs
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource

from mtlsd import reasons
from mtlsd.errors import Fact, Refusal
from mtlsd.judge import Identity, Standing
from mtlsd.oauth.token_endpoint import TokenIssued
from mtlsd.web.answers import answer
from mtlsd.web.client_endpoint import Call, ClientEndpoint, Done
from mtlsd.web.endpoint import Endpoint


class Document(Endpoint):
    """A JSON document for everybody."""

    methods = (b"GET", b"HEAD")

    def respond(self, request: IRequest, correlation_id: str) -> bytes:
        request.setHeader(b"access-control-allow-origin", b"*")
        return answer(request, 200, self.body(), b"public, max-age=300")

    def body(self) -> bytes:
        raise NotImplementedError


class Metadata(Document):
    """RFC 8414."""

    def body(self) -> bytes:
        return self.current.serving.metadata


class Jwks(Document):
    """RFC 7517 section 5."""

    def body(self) -> bytes:
        return self.current.serving.jwks


class Token(ClientEndpoint):
    """The token endpoint (RFC 6749 section 3.2)."""

    refused = "token.refused"

    def perform(self, call: Call) -> Done | Awaitable[Done]:
        issued = self.current.serving.token_endpoint.answer(
            call.form, call.authorization, call.judgement, call.now
        )
        return self._issued(call, issued) if isinstance(issued, TokenIssued) else self._later(call, issued)

    async def _later(self, call: Call, issuing: Awaitable[TokenIssued]) -> Done:
        return self._issued(call, await issuing)

    def _issued(self, call: Call, issued: TokenIssued) -> Done:
        """The token is named by its jti, never told."""
        token, call.client_id = issued.token, issued.client.client_id
        if isinstance(call.judgement, Identity):
            self._note(call.judgement.standing, call, issued)
        elif call.judgement is not None and call.judgement.vouched is not None:
            self._note_bound(call.judgement.vouched, call, issued)
        facts: dict[str, Fact] = {
            "grant_type": call.form.get("grant_type"),
            "jti": token.jti,
            "scope": issued.grant.scope,
            "audience": token.audience,
            "expires_at": token.expires_at,
            "bound_to": token.x5t_s256,
        }
        if issued.on_behalf_of is not None:
            facts["sub"] = issued.on_behalf_of
        return Done("token.issued", facts, issued.to_json())

    def _note(self, standing: Standing, call: Call, issued: TokenIssued) -> None:
        """Remember the certificate: for those who ask for it, and for what becomes of the token."""
        self.current.seen(issued.client.client_id, standing, call.now)
        self._note_bound(standing, call, issued)

    def _note_bound(self, standing: Standing, call: Call, issued: TokenIssued) -> None:
        if issued.token.x5t_s256 is not None and call.peer is not None:
            serving = self.current.serving
            serving.bound.note(standing, call.peer.listener, serving.judge)


@attrs.define(slots=False, eq=False)
class Routes(Resource):
    """Finds the resource by its whole path, and says so where there is none.

    :ivar below: what is served at every path that has one segment more than the one here.
    :ivar under: what is served at every path that begins so.
    """

    isLeaf = True

    by_path: Mapping[bytes, Endpoint]
    nothing: Endpoint
    below: Mapping[bytes, Endpoint] = attrs.field(factory=dict)
    under: Mapping[bytes, Endpoint] = attrs.field(factory=dict)
    children: dict[bytes, IResource] = attrs.field(factory=dict, init=False)

    def render(self, request: IRequest) -> bytes | int:
        found = self.by_path.get(request.path) or self.below.get(request.path.rpartition(b"/")[0])
        return (found or self._under(request.path) or self.nothing).render(request)

    def _under(self, path: bytes) -> Endpoint | None:
        return next((own for prefix, own in self.under.items() if path.startswith(prefix)), None)


class Nothing(Endpoint):
    """The answer at every other path."""

    methods = (b"GET", b"HEAD", b"POST")

    def respond(self, request: IRequest, correlation_id: str) -> bytes:
        raise Refusal(reasons.REQUEST_NOT_FOUND)
