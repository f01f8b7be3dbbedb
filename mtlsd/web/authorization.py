"""The authorization endpoint for browsers (RFC 6749 section 3.1): it shows pages, and redirects.

What to show is decided by :mod:`mtlsd.oauth.conversation`; here it becomes HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest

from mtlsd import reasons
from mtlsd.errors import Fact, Refusal
from mtlsd.oauth.authorization_request import AuthorizationRequest, SentBack
from mtlsd.oauth.conversation import (
    INTERACTION,
    Browser,
    ConsentPage,
    Denied,
    Granted,
    Kept,
    LoggedIn,
    LoggedOut,
    LoginPage,
    Step,
)
from mtlsd.oauth.forms import Form
from mtlsd.oauth.seals import digest_of
from mtlsd.pages.pages import Page
from mtlsd.tls.peer import peer_of
from mtlsd.web.answers import answer
from mtlsd.web.cookies import BROWSER, SESSION, cookie_of, set_cookie
from mtlsd.web.endpoint import Endpoint
from mtlsd.web.talking import Talking

MAX_BODY = 16_384
FORM = "application/x-www-form-urlencoded"

_HEADERS = (
    (b"x-frame-options", b"DENY"),  # for browsers that do not know frame-ancestors
    (b"x-content-type-options", b"nosniff"),
    # not no-referrer: with it browsers send `Origin: null` with our own forms (Fetch section 3.2)
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"interest-cohort=()"),
)


@attrs.define(slots=False, eq=False)
class Authorization(Endpoint):
    """The authorization endpoint.

    :ivar origin: scheme, host and port of the listener, as browsers know it.
    """

    methods = (b"GET", b"POST")

    origin: str = attrs.field(kw_only=True)

    @property
    def talking(self) -> Talking:
        talking = self.current.serving.talking
        if talking is None:
            raise Refusal(reasons.REQUEST_NOT_FOUND)
        return talking

    def respond(self, request: IRequest, correlation_id: str) -> bytes | int:
        return self.later(request, correlation_id, self._respond(request, correlation_id))

    async def _respond(self, request: IRequest, correlation_id: str) -> bytes:
        try:
            return self._show(request, correlation_id, await self._step(request))
        except Refusal as refusal:
            return self._refuse(request, correlation_id, refusal)

    async def _step(self, request: IRequest) -> Step:
        conversation, now = self.talking.conversation, self.current.now()
        query, digest = _query(request), digest_of(request.uri.decode("latin-1"))
        peer = peer_of(getattr(request, "transport", None))
        address = "" if peer is None else peer.address
        browser = Browser(cookie_of(request, BROWSER), cookie_of(request, SESSION), address)
        if request.method == b"GET":
            return await conversation.ask(query, digest, browser, now)
        self._check_origin(request)
        content_type = request.getHeader(b"content-type")
        form = Form.from_body(_body(request), content_type and content_type.decode("latin-1"))
        return await conversation.answer(query, form, digest, browser, now)

    def _check_origin(self, request: IRequest) -> None:
        """Every browser says where a form comes from: a form of another site stops here.

        :raises Refusal: `interaction.origin`.
        """
        origin, site = request.getHeader(b"origin"), request.getHeader(b"sec-fetch-site")
        if origin != self.origin.encode("ascii") or site not in (None, b"same-origin"):
            seen = b"" if origin is None else origin[:256]
            raise Refusal(
                reasons.INTERACTION_ORIGIN, {"expected": self.origin, "seen": seen.decode("latin-1")}
            )

    # -- what the step becomes --------------------------------------------------------------------------

    def _show(self, request: IRequest, correlation_id: str, step: Step) -> bytes:
        facts = self._facts(request, correlation_id)
        match step:
            case LoginPage():
                return self._login_page(request, step, facts)
            case ConsentPage():
                return _page(request, 200, self._consent_page(request, step))
            case Kept():
                if step.new_secret is not None:
                    set_cookie(request, BROWSER, step.new_secret)
                return _redirect(request, f"{_path(request)}?{INTERACTION}={step.interaction}")
            case LoggedIn():
                self.current.audit(
                    "user.authenticated", {**facts, "client_id": step.client_id, "user": step.user}
                )
                set_cookie(request, SESSION, step.session)
                return _redirect(request, request.uri.decode("ascii"))
            case LoggedOut():
                set_cookie(request, SESSION, None)
                return _redirect(request, request.uri.decode("ascii"))
            case Granted():
                granted: dict[str, Fact] = {"user": step.user, "scope": step.request.scope}
                self.current.audit(
                    "authorization.granted", {**facts, "client_id": step.request.client_id, **granted}
                )
                return _redirect(request, step.location)
            case Denied():
                return self._send_back(request, step.back, {**facts, "user": step.user})
            case SentBack():
                return self._send_back(request, step, facts)

    def _send_back(self, request: IRequest, back: SentBack, facts: dict[str, Fact]) -> bytes:
        reason = back.refusal.reason.code
        said = {**facts, "client_id": back.client_id, "reason": reason, **back.refusal.facts}
        self.current.audit("authorization.refused", said)
        return _redirect(request, back.location)

    def _login_page(self, request: IRequest, step: LoginPage, facts: dict[str, Fact]) -> bytes:
        if step.new_secret is not None:
            set_cookie(request, BROWSER, step.new_secret)
        status, problem, retry_after = 200, "", 0
        if step.refused is not None:
            status, problem = step.refused.reason.status, _PROBLEMS.get(step.refused.reason.code, _NO_LOGIN)
            retry_after = int(str(step.refused.facts.get("retry_after_seconds", 0)))
            self._audit_user_refused(step, step.refused, facts)
        if retry_after:
            request.setHeader(b"retry-after", b"%d" % retry_after)
        wrong = step.refused is not None and step.refused.reason is reasons.USER_CREDENTIALS
        page = self.talking.pages.login(
            **self._client(request, step.request), seal=step.seal, username=step.name[:128], problem=problem,
            wrong=wrong, retry_after_seconds=retry_after,
        )  # fmt: skip
        return _page(request, status, page)

    def _audit_user_refused(self, step: LoginPage, refusal: Refusal, facts: dict[str, Fact]) -> None:
        """A name that nobody has is not written down: now and then it is somebody's password."""
        known = self.talking.conversation.users.standing_of(step.name)
        user = {"user": step.name} if known else {}
        said: dict[str, Fact] = {**facts, "client_id": step.request.client_id, **user}
        self.current.audit("user.refused", {**said, "reason": refusal.reason.code, **refusal.facts})

    def _consent_page(self, request: IRequest, step: ConsentPage) -> Page:
        texts = self.talking.scope_texts
        return self.talking.pages.consent(
            step.request.redirection.uri,
            **self._client(request, step.request),
            seal=step.seal,
            user=step.user,
            scope=[{"name": one, "text": texts.get(one, "")} for one in step.request.scope],
            resources=list(step.request.resources),
        )

    def _client(self, request: IRequest, asked: AuthorizationRequest) -> dict[str, Any]:
        name = self.talking.names.get(asked.client_id, "")
        shown = "".join(character for character in name if character.isprintable())[:80].strip()
        return {
            "client_id": asked.client_id,
            "client_name": shown or asked.client_id,
            "action": request.uri.decode("ascii"),
        }

    # -- refusals -----------------------------------------------------------------------------------------

    def _refuse(self, request: IRequest, correlation_id: str, refusal: Refusal) -> bytes:
        """A page for the user: nothing is sent to a client that is not known to be one (R73)."""
        facts = {**self._facts(request, correlation_id), "reason": refusal.reason.code, **refusal.facts}
        self.current.audit("authorization.refused", facts)
        return self._refused_page(request, correlation_id, refusal)

    def failed(self, failure: Failure, request: IRequest, correlation_id: str) -> bytes:
        """As of every endpoint, but with a page in place of JSON."""
        super().failed(failure, request, correlation_id)
        known = failure.value if isinstance(failure.value, Refusal) else Refusal(reasons.SERVER_INTERNAL)
        return self._refused_page(request, correlation_id, known)

    def _refused_page(self, request: IRequest, correlation_id: str, refusal: Refusal) -> bytes:
        reason = refusal.reason
        text = reason.meaning if reason.error not in _BLAND else "The server cannot answer now."
        if reason.code.startswith("interaction."):
            text += " " + reasons.INTERACTION_EXPIRED.remedy
        page = self.talking.pages.message("This did not work", text, correlation_id=correlation_id)
        return _page(request, reason.status if reason.status != 401 else 400, page)

    def _facts(self, request: IRequest, correlation_id: str) -> dict[str, Fact]:
        facts: dict[str, Fact] = {"correlation_id": correlation_id}
        peer = peer_of(getattr(request, "transport", None))
        if peer is not None:
            facts["listener"], facts["address"] = peer.listener, peer.address
        return facts


_PROBLEMS: Mapping[str, str] = {
    reasons.USER_CREDENTIALS.code: "The user name or the password is wrong.",
    reasons.USER_THROTTLED.code: "There were too many wrong passwords.",
    reasons.USER_UNAVAILABLE.code: "Nobody can sign in at this moment. Try again later.",
}
_NO_LOGIN = "You cannot sign in with this account."
_BLAND = frozenset({"server_error", "temporarily_unavailable"})


def _query(request: IRequest) -> Form:
    return Form.from_body(request.uri.partition(b"?")[2], FORM)


def _path(request: IRequest) -> str:
    path: bytes = request.uri.partition(b"?")[0]
    return path.decode("ascii")


def _body(request: IRequest) -> bytes:
    body: bytes = request.content.read(MAX_BODY + 1)
    if len(body) > MAX_BODY:
        raise Refusal(reasons.REQUEST_TOO_LARGE)
    return body


def _page(request: IRequest, status: int, page: Page) -> bytes:
    for name, value in _HEADERS:
        request.setHeader(name, value)
    request.setHeader(b"content-security-policy", page.policy)
    return answer(request, status, page.html, content_type=b"text/html; charset=utf-8")


def _redirect(request: IRequest, location: str) -> bytes:
    """303, so that no form is sent on to anybody (R76)."""
    request.setHeader(b"location", location.encode("ascii"))
    request.setHeader(b"referrer-policy", b"no-referrer")
    return answer(request, 303, b"", content_type=b"text/plain")
