"""What every resource does: refuse ambiguous requests and other methods, and turn a refusal into JSON."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, ClassVar

import attrs
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.judge import Provisional, Settled
from mtlsd.web.answers import answer_refusal
from mtlsd.web.later import answer_later
from mtlsd.web.peers import ClientPeer
from mtlsd.web.refused import refused_facts
from mtlsd.web.serving import Current
from mtlsd.web.strict import ambiguity_of


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
        try:
            return self._checked(request, correlation_id)
        except Exception:
            return self.failed(Failure(), request, correlation_id)

    def later(self, request: IRequest, correlation_id: str, work: Coroutine[Any, Any, bytes | int]) -> int:
        """Answer when the work is done; a client that goes away ends it."""
        answer_later(
            request,
            Deferred.fromCoroutine(work),
            lambda failure: self.failed(failure, request, correlation_id),
        )
        return NOT_DONE_YET

    async def settled(self, peer: ClientPeer, found: Provisional) -> Settled | None:
        """What the certificate proves, once everybody has been asked whether it is revoked."""
        failures = await self.current.serving.resolve(found.questions)
        return peer.settled(self.current.serving.judge, self.current.now(), failures)

    def failed(self, failure: Failure, request: IRequest, correlation_id: str) -> bytes:
        """What a refusal, or a fault of ours, makes of the answer; audited as the request's."""
        if isinstance(failure.value, Refusal):
            refusal = failure.value
        else:
            self._log.failure("request.failed {correlation_id}", failure, correlation_id=correlation_id)
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
