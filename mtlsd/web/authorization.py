"""The authorization endpoint for browsers (RFC 6749 section 3.1): it shows pages, and redirects.

What to show is decided by :mod:`mtlsd.oauth.conversation`; here it becomes HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import attrs
from twisted.web.iweb import IRequest

from mtlsd import reasons
from mtlsd.errors import Fact, Refusal
from mtlsd.oauth.authorization_request import SentBack
from mtlsd.oauth.conversation import (
    ConsentPage,
    Denied,
    Granted,
    LoggedIn,
    LoggedOut,
    LoginPage,
    Opened,
    Step,
)
from mtlsd.oauth.forms import Form
from mtlsd.oauth.seals import digest_of
from mtlsd.pages.pages import Page
from mtlsd.web.browser_endpoint import BrowserEndpoint, page_answer, redirect
from mtlsd.web.cookies import BROWSER, SESSION, set_cookie

FORM = "application/x-www-form-urlencoded"
_LONGEST_NAME = 80


@attrs.define(slots=False, eq=False)
class Authorization(BrowserEndpoint):
    """The authorization endpoint."""

    async def show(self, request: IRequest, correlation_id: str) -> bytes:
        return self._show(request, correlation_id, await self._step(request))

    async def _step(self, request: IRequest) -> Step:
        conversation, now, browser = self.talking.conversation, self.current.now(), self.browser(request)
        query = Form.from_body(request.uri.partition(b"?")[2], FORM)
        digest = digest_of(request.uri.decode("latin-1"))
        if request.method == b"GET":
            return await conversation.ask(query, digest, browser, now)
        return await conversation.answer(query, self.form(request), digest, browser, now)

    # -- what the step becomes --------------------------------------------------------------------------

    def _show(self, request: IRequest, correlation_id: str, step: Step) -> bytes:
        facts = self.facts(request, correlation_id)
        match step:
            case LoginPage():
                return self._login_page(request, step, facts)
            case ConsentPage():
                return page_answer(request, 200, self._consent_page(request, step))
            case Opened():
                if step.new_secret is not None:
                    set_cookie(request, BROWSER, step.new_secret)
                return redirect(request, f"{request.path.decode('ascii')}?{urlencode(step.query)}")
            case LoggedIn():
                self.current.audit(
                    "user.authenticated", {**facts, "client_id": step.client_id, "user": step.user}
                )
                set_cookie(request, SESSION, step.session)
                return redirect(request, request.uri.decode("ascii"))
            case LoggedOut():
                set_cookie(request, SESSION, None)
                return redirect(request, request.uri.decode("ascii"))
            case Granted():
                granted: dict[str, Fact] = {"user": step.user, "scope": step.request.scope}
                self.current.audit(
                    "authorization.granted", {**facts, "client_id": step.request.client_id, **granted}
                )
                return redirect(request, step.location)
            case Denied():
                return self._send_back(request, step.back, {**facts, "user": step.user})
            case SentBack():
                return self._send_back(request, step, facts)

    def _send_back(self, request: IRequest, back: SentBack, facts: dict[str, Fact]) -> bytes:
        reason = back.refusal.reason.code
        said = {**facts, "client_id": back.client_id, "reason": reason, **back.refusal.facts}
        self.current.audit("authorization.refused", said)
        return redirect(request, back.location)

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
            **self._client(request, step.client_id), seal=step.seal, username=step.name[:128],
            problem=problem, wrong=wrong, retry_after_seconds=retry_after,
        )  # fmt: skip
        return page_answer(request, status, page)

    def _audit_user_refused(self, step: LoginPage, refusal: Refusal, facts: dict[str, Fact]) -> None:
        """A name that nobody has is not written down: now and then it is somebody's password."""
        known = self.talking.conversation.users.standing_of(step.name)
        user = {"user": step.name} if known else {}
        said: dict[str, Fact] = {**facts, "client_id": step.client_id, **user}
        self.current.audit("user.refused", {**said, "reason": refusal.reason.code, **refusal.facts})

    def _consent_page(self, request: IRequest, step: ConsentPage) -> Page:
        texts = self.talking.scope_texts
        return self.talking.pages.consent(
            step.request.redirection.uri,
            **self._client(request, step.request.client_id),
            seal=step.seal,
            user=step.user,
            scope=[{"name": one, "text": texts.get(one, "")} for one in step.request.scope],
            resources=list(step.request.resources),
        )

    def _client(self, request: IRequest, client_id: str) -> dict[str, Any]:
        name = self.talking.names.get(client_id, "")
        shown = "".join(character for character in name if character.isprintable()).strip()
        if len(shown) > _LONGEST_NAME:
            shown = shown[:_LONGEST_NAME] + "…"
        return {
            "client_id": client_id,
            "client_name": shown or client_id,
            "action": request.uri.decode("ascii"),
        }


_PROBLEMS: Mapping[str, str] = {
    reasons.USER_CREDENTIALS.code: "The user name or the password is wrong.",
    reasons.USER_THROTTLED.code: "There were too many wrong passwords.",
    reasons.USER_UNAVAILABLE.code: "Nobody can sign in at this moment. Try again later.",
}
_NO_LOGIN = "You cannot sign in with this account."
