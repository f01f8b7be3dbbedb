"""Logging out: of this server, in this browser. Clients are not told, and keep the tokens that they have."""

from __future__ import annotations

import attrs
from twisted.web.iweb import IRequest

from mtlsd.oauth.seals import digest_of, opened, sealed
from mtlsd.web.browser_endpoint import BrowserEndpoint, page_answer, redirect
from mtlsd.web.cookies import SESSION, set_cookie

_PAGE = "logout"


@attrs.define(slots=False, eq=False)
class LogOut(BrowserEndpoint):
    """Says who is logged in, and ends that."""

    async def show(self, request: IRequest, correlation_id: str) -> bytes:
        browser, now, talking = self.browser(request), self.current.now(), self.talking
        sessions, path = talking.conversation.sessions, request.path.decode("ascii")
        digest = digest_of(path)
        if request.method == b"POST":
            opened(self.form(request).get("seal"), browser.session, _PAGE, digest, now)
            await sessions.end(browser.session, now)
            set_cookie(request, SESSION, None)
            return redirect(request, path)
        session = await sessions.find(browser.session, now)
        if session is None or browser.session is None:
            return page_answer(request, 200, talking.pages.message("You are signed out", ""))
        nonce = talking.conversation.endpoint.random_secret()
        seal = sealed(browser.session, _PAGE, digest, nonce, now)
        text = f"You are signed in as {session.user.sub}."
        page = talking.pages.message("Sign out?", text, log_out=True, seal=seal, action=path)
        return page_answer(request, 200, page)
