"""What all endpoints for browsers do: know the browser, believe their own forms alone, answer with pages."""

from __future__ import annotations

import attrs
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest

from mtlsd import reasons
from mtlsd.errors import Fact, Refusal
from mtlsd.oauth.conversation import Browser
from mtlsd.oauth.forms import Form
from mtlsd.pages.pages import Page
from mtlsd.web.answers import answer
from mtlsd.web.cookies import BROWSER, SESSION, cookie_of
from mtlsd.web.endpoint import Endpoint
from mtlsd.web.peers import client_of
from mtlsd.web.talking import Talking

MAX_BODY = 16_384

_HEADERS = (
    (b"x-frame-options", b"DENY"),  # for browsers that do not know frame-ancestors
    (b"x-content-type-options", b"nosniff"),
    # not no-referrer: with it browsers send `Origin: null` with our own forms (Fetch section 3.2)
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_BLAND = frozenset({"server_error", "temporarily_unavailable"})


@attrs.define(slots=False, eq=False)
class BrowserEndpoint(Endpoint):
    """An endpoint that people see.

    :ivar origin: scheme, host and port of the listener, as browsers know it.
    """

    methods = (b"GET", b"POST")

    origin: str = attrs.field(kw_only=True)

    @property
    def talking(self) -> Talking:
        """:raises Refusal: `request.not_found`, where a reload has just taken it away."""
        talking = self.current.serving.talking
        if talking is None:
            raise Refusal(reasons.REQUEST_NOT_FOUND)
        return talking

    async def show(self, request: IRequest, correlation_id: str) -> bytes:
        """:raises Refusal: for the user's eyes."""
        raise NotImplementedError

    def respond(self, request: IRequest, correlation_id: str) -> bytes | int:
        return self.later(request, correlation_id, self._shown(request, correlation_id))

    async def _shown(self, request: IRequest, correlation_id: str) -> bytes:
        try:
            return await self.show(request, correlation_id)
        except Refusal as refusal:
            facts = {**self.facts(request, correlation_id), "reason": refusal.reason.code, **refusal.facts}
            self.current.audit("authorization.refused", facts)
            return self._refused_page(request, correlation_id, refusal)

    def browser(self, request: IRequest) -> Browser:
        """Where it is says the connection, or the listener's own proxy: never a browser's header."""
        peer = client_of(request)
        host = getattr(request.getClientAddress(), "host", "")  # of a Site without connections of ours
        address = (host or "") if peer is None else peer.address
        return Browser(cookie_of(request, BROWSER), cookie_of(request, SESSION), address)

    def form(self, request: IRequest) -> Form:
        """The form that was posted, from a page of ours: every browser says where a form comes from.

        :raises Refusal: `interaction.origin` for one of another site, `request.too_large`, and what forms
            are refused for.
        """
        origin, site = request.getHeader(b"origin"), request.getHeader(b"sec-fetch-site")
        if origin != self.origin.encode("ascii") or site not in (None, b"same-origin"):
            seen = (origin or b"")[:256].decode("latin-1")
            raise Refusal(reasons.INTERACTION_ORIGIN, {"expected": self.origin, "seen": seen})
        content_type = request.getHeader(b"content-type")
        body: bytes = request.content.read(MAX_BODY + 1)
        if len(body) > MAX_BODY:
            raise Refusal(reasons.REQUEST_TOO_LARGE)
        return Form.from_body(body, None if content_type is None else content_type.decode("latin-1"))

    def facts(self, request: IRequest, correlation_id: str) -> dict[str, Fact]:
        """Where a request came from, for the audit log."""
        facts: dict[str, Fact] = {"correlation_id": correlation_id}
        peer = client_of(request)
        if peer is not None:
            facts["listener"], facts["address"] = peer.listener, peer.address
        return facts

    def failed(self, failure: Failure, request: IRequest, correlation_id: str) -> bytes:
        """As of every endpoint, but with a page in place of JSON."""
        body = super().failed(failure, request, correlation_id)
        if self.current.serving.talking is None:
            return body
        known = failure.value if isinstance(failure.value, Refusal) else Refusal(reasons.SERVER_INTERNAL)
        return self._refused_page(request, correlation_id, known)

    def _refused_page(self, request: IRequest, correlation_id: str, refusal: Refusal) -> bytes:
        """Nothing is sent to a client that is not known to be one (R73): it is told to the user."""
        reason = refusal.reason
        text = "The server cannot answer now." if reason.error in _BLAND else reason.meaning
        if reason.code.startswith("interaction."):
            text += " " + reasons.INTERACTION_EXPIRED.remedy
        page = self.talking.pages.message("This did not work", text, correlation_id=correlation_id)
        return page_answer(request, 400 if reason.status == 401 else reason.status, page)


def page_answer(request: IRequest, status: int, page: Page) -> bytes:
    """A page that nobody keeps, frames or adds anything to."""
    for name, value in _HEADERS:
        request.setHeader(name, value)
    request.setHeader(b"content-security-policy", page.policy)
    return answer(request, status, page.html, content_type=b"text/html; charset=utf-8")


def redirect(request: IRequest, location: str) -> bytes:
    """303, so that no form is sent on to anybody (R76)."""
    request.setHeader(b"location", location.encode("ascii"))
    request.setHeader(b"referrer-policy", b"no-referrer")
    return answer(request, 303, b"", content_type=b"text/plain")
