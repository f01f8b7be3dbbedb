"""The numbers for Prometheus, on a listener of their own."""

from __future__ import annotations

from typing import ClassVar

import attrs
from twisted.web.iweb import IRequest

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.judge import Identity, Provisional, Settled
from mtlsd.web.answers import answer
from mtlsd.web.endpoint import Endpoint
from mtlsd.web.peers import ClientPeer, client_of


@attrs.define(slots=False, eq=False)
class MetricsPage(Endpoint):
    """What is counted.

    :ivar content_type: of the text that :attr:`Current.metrics` makes.
    :ivar for_everybody: who reaches the listener may read; otherwise a registered client's certificate is
        needed. Fails closed: whatever is not settled gets no answer.
    """

    methods: ClassVar[tuple[bytes, ...]] = (b"GET", b"HEAD")

    content_type: bytes = attrs.field(kw_only=True)
    for_everybody: bool = attrs.field(kw_only=True)

    def respond(self, request: IRequest, correlation_id: str) -> bytes | int:
        if self.for_everybody:
            return self._page(request)
        peer = client_of(request)
        if peer is None:
            raise Refusal(reasons.CERTIFICATE_ABSENT)
        found = peer.judgement_at(self.current.serving.judge, self.current.now())
        if isinstance(found, Provisional):
            return self.later(request, correlation_id, self._settled(request, peer, found))
        return self._page_for(request, found)

    async def _settled(self, request: IRequest, peer: ClientPeer, found: Provisional) -> bytes:
        return self._page_for(request, await self.settled(peer, found))

    def _page_for(self, request: IRequest, found: Settled | None) -> bytes:
        """:raises Refusal: for whom they are not meant"""
        if isinstance(found, Identity):
            return self._page(request)
        raise Refusal(reasons.CERTIFICATE_ABSENT) if found is None else found.refusal

    def _page(self, request: IRequest) -> bytes:
        return answer(request, 200, self.current.metrics(), b"no-store", self.content_type)
