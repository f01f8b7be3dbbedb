"""What all endpoints do at which clients authenticate: judge the connection, read the form, audit.

The usual request is answered at once. One that has to wait, for a responder or for the store, goes on as a
coroutine; nothing of it is answered where the client goes away meanwhile.
"""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime
from typing import ClassVar

import attrs
from twisted.web.iweb import IRequest

from mtlsd import reasons
from mtlsd.errors import Fact, Refusal
from mtlsd.judge import Identity, Provisional, Refused, Settled
from mtlsd.oauth.authentication import AuthenticatedClient
from mtlsd.oauth.forms import Form
from mtlsd.web.answers import JSON, answer, answer_refusal
from mtlsd.web.endpoint import Endpoint
from mtlsd.web.peers import ClientPeer, client_of
from mtlsd.web.strangers import looked_at, may_bind

MAX_BODY = 65_536
NO_FORM = Form({})


@attrs.define
class Call:
    """One request, and what is known of it so far.

    :ivar peer: None where the connection is not one of ours.
    :ivar judgement: what the connection's certificate was judged to be; None when it came without one.
    :ivar form: empty until it has been read.
    :ivar client_id: as the form has it, and nobody has proven anything by it; or, once a client has
        authenticated, that client's.
    :ivar authorization: the Authorization header, decoded as Latin-1. It may hold a secret.
    :ivar wants_jwt: whether the answer should be signed, where there is such a one.
    """

    correlation_id: str
    peer: ClientPeer | None
    now: datetime
    judgement: Settled | None = None
    form: Form = NO_FORM
    client_id: str | None = None
    authorization: str | None = attrs.field(default=None, repr=False)
    wants_jwt: bool = False

    def facts(self) -> dict[str, Fact]:
        """Who and where from, for the audit log."""
        facts: dict[str, Fact] = {"correlation_id": self.correlation_id, "client_id": self.client_id}
        if self.peer is not None:
            facts["listener"], facts["address"] = self.peer.listener, self.peer.address
        if self.judgement is not None:
            facts.update(self.judgement.facts)
        if isinstance(self.judgement, Identity) and self.judgement.unchecked:
            facts["revocation_unchecked"] = self.judgement.unchecked
        return facts

    def refused_facts(self, refusal: Refusal) -> dict[str, Fact]:
        said = refusal.facts_beside({} if self.judgement is None else self.judgement.facts)
        if refusal.reason is reasons.BINDING_ABSENT and isinstance(self.judgement, Refused):
            said = {**said, "certificate_refused": self.judgement.refusal.reason.code}
        return {**self.facts(), "reason": refusal.reason.code, **said}


@attrs.frozen
class Done:
    """What an endpoint did.

    :ivar event: the name of the audit event, and `facts` beside those of the call.
    :ivar body: JSON, where `content_type` says nothing else.
    """

    event: str
    facts: dict[str, Fact]
    body: bytes
    status: int = 200
    content_type: bytes = JSON


@attrs.define(slots=False, eq=False)
class ClientEndpoint(Endpoint):
    """An endpoint that takes a form from a client.

    :cvar refused: the audit event for a refusal.
    """

    methods: ClassVar[tuple[bytes, ...]] = (b"POST",)
    refused: ClassVar[str]

    def perform(self, call: Call) -> Done | Awaitable[Done]:
        """Do what the form asks for.

        :raises Refusal: with the OAuth error that the caller may see; an awaitable raises it later.
        """
        raise NotImplementedError

    def respond(self, request: IRequest, correlation_id: str) -> bytes | int:
        peer = client_of(request)
        call = Call(correlation_id, peer, self.current.now())
        if peer is not None:
            found = peer.judgement_at(self.current.serving.judge, call.now)
            if isinstance(found, Provisional):
                return self.later(request, correlation_id, self._after_judging(request, call, peer, found))
            call.judgement = found
        try:
            done = self._perform(request, call)
        except Refusal as refusal:
            return self._refuse(request, call, refusal)
        if isinstance(done, Done):
            return self._answer(request, call, done)
        return self.later(request, correlation_id, self._after(request, call, done))

    async def _after_judging(
        self, request: IRequest, call: Call, peer: ClientPeer, found: Provisional
    ) -> bytes:
        """Go on when it is known whether the certificate is revoked, or that nobody can tell."""
        call.judgement = await self.settled(peer, found)
        call.now = self.current.now()
        try:
            done = self._perform(request, call)
        except Refusal as refusal:
            return self._refuse(request, call, refusal)
        return (
            self._answer(request, call, done)
            if isinstance(done, Done)
            else await self._after(request, call, done)
        )

    async def _after(self, request: IRequest, call: Call, doing: Awaitable[Done]) -> bytes:
        try:
            return self._answer(request, call, await doing)
        except Refusal as refusal:
            return self._refuse(request, call, refusal)

    def _perform(self, request: IRequest, call: Call) -> Done | Awaitable[Done]:
        self.read(request, call)
        if may_bind(call.judgement, self.current.serving):
            return self._performed_for_stranger(call)
        return self.perform(call)

    async def _performed_for_stranger(self, call: Call) -> Done:
        await self.look_at_stranger(call)
        done = self.perform(call)
        return done if isinstance(done, Done) else await done

    async def look_at_stranger(self, call: Call) -> None:
        """Have it known of a certificate that is nobody's whether it is revoked."""
        presented, judgement = None if call.peer is None else call.peer.presented, call.judgement
        if presented is not None and isinstance(judgement, Refused):
            call.judgement = await looked_at(presented, judgement, self.current.serving, self.current.now)
            call.now = self.current.now()

    def read(self, request: IRequest, call: Call) -> None:
        """Take from the request what it takes to perform.

        :raises Refusal: where it cannot be read.
        """
        content_type = request.getHeader(b"content-type")
        call.form = Form.from_body(
            body_of(request), None if content_type is None else content_type.decode("latin-1")
        )
        call.client_id = call.form.get("client_id")
        authorization = request.getHeader(b"authorization")
        call.authorization = None if authorization is None else authorization.decode("latin-1")

    async def authenticated(self, call: Call, *, public: bool = False) -> AuthenticatedClient:
        """The client that sends the request.

        :param public: whether public clients may come here.
        :raises Refusal: where nobody has proven to be it.
        """
        found = self.current.serving.authenticator.authenticate(
            call.form, call.authorization, call.judgement, call.now, public=public
        )
        client = found if isinstance(found, AuthenticatedClient) else await found
        call.client_id = client.client.client_id
        return client

    def _answer(self, request: IRequest, call: Call, done: Done) -> bytes:
        facts = call.facts()
        facts.update(done.facts)
        self.current.audit(done.event, facts)
        return answer(request, done.status, done.body, content_type=done.content_type)

    def _refuse(self, request: IRequest, call: Call, refusal: Refusal) -> bytes:
        self.current.audit(self.refused, call.refused_facts(refusal))
        return answer_refusal(request, refusal, call.correlation_id)


def body_of(request: IRequest) -> bytes:
    """The whole body; of a stock Site, which has no limit, only a body of some size."""
    limited = getattr(request, "strictly_parsed", False)  # our channel has kept to the listener's limit
    body: bytes = request.content.read(-1 if limited else MAX_BODY + 1)
    if not limited and len(body) > MAX_BODY:
        raise Refusal(reasons.REQUEST_TOO_LARGE)
    return body
