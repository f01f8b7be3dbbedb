"""The resources: ordinary twisted.web resources that translate between HTTP and the core, and do no more.

They work in our own channel and under a stock :class:`twisted.web.server.Site` alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import ClassVar, TypeVar

import attrs
from twisted.logger import Logger
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from mtlsd import reasons
from mtlsd.errors import Fact, Refusal
from mtlsd.judge import Identity, Provisional, Settled
from mtlsd.oauth.forms import Form
from mtlsd.oauth.token_endpoint import TokenIssued
from mtlsd.pki.revocation_check import Failures
from mtlsd.tls.peer import Peer, peer_of
from mtlsd.web.answers import answer, answer_refusal
from mtlsd.web.later import answer_later
from mtlsd.web.refused import refused_facts
from mtlsd.web.serving import Current
from mtlsd.web.strict import ambiguity_of

T = TypeVar("T")

MAX_BODY = 65_536


@attrs.define(slots=False, eq=False)
class Endpoint(Resource):
    """What every resource does: refuse ambiguous requests and other methods, and turn a refusal into JSON."""

    _log: ClassVar[Logger] = Logger()
    isLeaf = True
    methods: ClassVar[tuple[bytes, ...]] = ()

    current: Current
    children: dict[bytes, IResource] = attrs.field(factory=dict, init=False)  # in place of Resource.__init__

    def render(self, request: IRequest) -> bytes | int:
        """Answer, whatever happens, with JSON."""
        correlation_id = self.current.random_id()
        return self.guarded(request, correlation_id, lambda: self._checked(request, correlation_id))

    def guarded(self, request: IRequest, correlation_id: str, respond: Callable[[], T]) -> T | bytes:
        """What `respond` answers, or what a refusal or a fault of ours makes of it."""
        try:
            return respond()
        except Refusal as refused:
            refusal = refused
        except Exception:
            self._log.failure("request.failed {correlation_id}", correlation_id=correlation_id)
            refusal = Refusal(reasons.SERVER_INTERNAL)
        facts = refused_facts(refusal, correlation_id, getattr(request, "transport", None))
        self.current.audit("request.refused", facts)
        return answer_refusal(request, refusal, correlation_id)

    def _checked(self, request: IRequest, correlation_id: str) -> bytes | int:
        ambiguous = ambiguity_of(request)
        if ambiguous is not None:
            raise ambiguous
        if request.method not in self.methods:
            request.setHeader(b"allow", b", ".join(self.methods))
            raise Refusal(reasons.REQUEST_METHOD, {"seen": request.method[:16].decode("latin-1")})
        return self.respond(request, correlation_id)

    def respond(self, request: IRequest, correlation_id: str) -> bytes | int:
        """:raises Refusal: and the caller is told what its public face says."""
        raise NotImplementedError


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


class Token(Endpoint):
    """The token endpoint (RFC 6749 section 3.2)."""

    methods = (b"POST",)

    def respond(self, request: IRequest, correlation_id: str) -> bytes | int:
        call = TokenCall(correlation_id, peer_of(getattr(request, "transport", None)))
        if call.peer is not None:
            found = call.peer.judgement_at(self.current.serving.judge, self.current.now())
            if isinstance(found, Provisional):
                self._wait(request, call, call.peer, found)
                return NOT_DONE_YET
            call.judgement = found
        return self._answer(request, call)

    def _wait(self, request: IRequest, call: TokenCall, peer: Peer, found: Provisional) -> None:
        """Answer when it is known whether the certificate is revoked, or that nobody can tell."""

        def settle(failures: Failures) -> bytes:
            call.judgement = peer.settled(self.current.serving.judge, self.current.now(), failures)
            return self._answer(request, call)

        answer_later(
            request,
            self.current.serving.resolve(found.questions),
            lambda failures: self.guarded(request, call.correlation_id, lambda: settle(failures)),
        )

    def _answer(self, request: IRequest, call: TokenCall) -> bytes:
        now = self.current.now()
        try:
            issued = self._issue(request, call, now)
        except Refusal as refusal:
            self.current.audit("token.refused", call.refused_facts(refusal))
            return answer_refusal(request, refusal, call.correlation_id)
        if call.judgement is not None and call.judgement.certificate is not None:
            self.current.seen(issued.client.client_id, call.judgement.certificate, now)
        self.current.audit("token.issued", call.issued_facts(issued))
        return answer(request, 200, issued.to_json())

    def _issue(self, request: IRequest, call: TokenCall, now: datetime) -> TokenIssued:
        content_type = request.getHeader(b"content-type")
        form = Form.from_body(
            _body(request), None if content_type is None else content_type.decode("latin-1")
        )
        call.client_id = form.get("client_id")
        has_authorization = request.getHeader(b"authorization") is not None
        return self.current.serving.token_endpoint.answer(form, has_authorization, call.judgement, now)


def _body(request: IRequest) -> bytes:
    """The whole body; of a stock Site, which has no limit, only a body of some size."""
    limited = getattr(request, "strictly_parsed", False)  # our channel has kept to the listener's limit
    body: bytes = request.content.read(-1 if limited else MAX_BODY + 1)
    if not limited and len(body) > MAX_BODY:
        raise Refusal(reasons.REQUEST_TOO_LARGE)
    return body


@attrs.define
class TokenCall:
    """What is known of a token request so far, for the audit log."""

    correlation_id: str
    peer: Peer | None
    client_id: str | None = None
    judgement: Settled | None = None

    def issued_facts(self, issued: TokenIssued) -> dict[str, Fact]:
        """The token is named by its jti, never told."""
        unchecked = self.judgement.unchecked if isinstance(self.judgement, Identity) else ()
        return {
            **self._facts(),
            **({"revocation_unchecked": unchecked} if unchecked else {}),
            "jti": issued.token.jti,
            "scope": issued.grant.scope,
            "audience": issued.token.audience,
            "expires_at": issued.token.expires_at,
            "bound_to": issued.token.x5t_s256,
        }

    def refused_facts(self, refusal: Refusal) -> dict[str, Fact]:
        said = refusal.facts_beside({} if self.judgement is None else self.judgement.facts)
        return {**self._facts(), "reason": refusal.reason.code, **said}

    def _facts(self) -> dict[str, Fact]:
        facts: dict[str, Fact] = {"correlation_id": self.correlation_id, "client_id": self.client_id}
        if self.peer is not None:
            facts["listener"], facts["address"] = self.peer.listener, self.peer.address
        if self.judgement is not None:
            facts.update(self.judgement.facts)
        return facts


@attrs.define(slots=False, eq=False)
class Routes(Resource):
    """Finds the resource by its whole path, and says so where there is none."""

    isLeaf = True

    by_path: Mapping[bytes, Endpoint]
    nothing: Endpoint
    children: dict[bytes, IResource] = attrs.field(factory=dict, init=False)

    def render(self, request: IRequest) -> bytes | int:
        return self.by_path.get(request.path, self.nothing).render(request)


class Nothing(Endpoint):
    """The answer at every other path."""

    methods = (b"GET", b"HEAD", b"POST")

    def respond(self, request: IRequest, correlation_id: str) -> bytes:
        raise Refusal(reasons.REQUEST_NOT_FOUND)
