"""What the authorization endpoint says to a browser: a login page, a page that asks for consent, a redirect.

Everything that belongs to HTTP and HTML is left out: cookies are strings, pages are values.
"""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Final, Protocol

import attrs

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.oauth.authorization import AuthorizationEndpoint
from mtlsd.oauth.authorization_request import AuthorizationRequest, SentBack
from mtlsd.oauth.forms import Form
from mtlsd.oauth.interactions import Interactions
from mtlsd.oauth.seals import opened, sealed
from mtlsd.oauth.sessions import Session, Sessions

INTERACTION: Final = "interaction"
"""The parameter of the query by which a request is found that was pushed."""

_ANSWER_TO_LOGIN: Final = timedelta(minutes=5)
"""How long after a login for a request the request may demand a fresh one and be content."""


class Users(Protocol):
    """Whoever checks passwords."""

    def authenticate(self, name: str, password: str, address: str) -> Awaitable[str]:
        """The user's identifier.

        :param address: where the guess comes from; empty where that is not known.
        :raises Refusal: `user.credentials`, `user.throttled` or `user.unavailable`.
        """

    def standing_of(self, user: str) -> str | None:
        """What the user's sessions stand on: they end when it changes. None for nobody."""


@attrs.frozen
class Browser:
    """What the browser has shown of itself.

    :ivar secret: tells it from others before anybody has logged in; None where it has none yet.
    :ivar session: the secret of a session.
    :ivar address: where it is, for counting guesses.
    """

    secret: str | None
    session: str | None
    address: str


@attrs.frozen
class LoginPage:
    """Ask for name and password.

    :ivar name: to begin with.
    :ivar refused: why the last try failed.
    :ivar new_secret: for a browser that has none.
    """

    request: AuthorizationRequest
    seal: str
    name: str
    refused: Refusal | None = None
    new_secret: str | None = None


@attrs.frozen
class ConsentPage:
    """Ask whether the client shall have what it asks for."""

    request: AuthorizationRequest
    seal: str
    user: str


@attrs.frozen
class Kept:
    """Come back with this interaction; the browser keeps `new_secret` where it is not None."""

    interaction: str
    new_secret: str | None


@attrs.frozen
class LoggedIn:
    """Come back to the same request with this session."""

    client_id: str
    user: str
    session: str


@attrs.frozen
class LoggedOut:
    """Come back to the same request without a session."""


@attrs.frozen
class Granted:
    """Go to the client with a code."""

    request: AuthorizationRequest
    user: str
    location: str


@attrs.frozen
class Denied:
    """Go to the client with the user's no."""

    user: str
    back: SentBack


Step = LoginPage | ConsentPage | Kept | LoggedIn | LoggedOut | Granted | Denied | SentBack


@attrs.frozen
class Conversation:
    """Talks with one browser after the other, by one snapshot of the clients."""

    endpoint: AuthorizationEndpoint
    sessions: Sessions
    interactions: Interactions
    users: Users

    async def ask(self, query: Form, digest: str, browser: Browser, now: datetime) -> Step:
        """What to show for an authorization request.

        :param digest: names the request, so that a form belongs to it alone.
        :raises Refusal: for the user's eyes.
        """
        request = await self._request(query, browser, now)
        if isinstance(request, SentBack):
            return request
        if query.has("request_uri"):
            new_secret = self._new_secret(browser)
            secret = new_secret or browser.secret or ""
            return Kept(await self.interactions.keep(request, secret, now), new_secret)
        session = await self.sessions.find(browser.session, now)
        if session is None or _must_log_in(request, session, digest, now):
            return self._ask_to_log_in(request, digest, browser, now)
        if "none" in request.prompt:
            return request.refused(Refusal(reasons.USER_CONSENT_REQUIRED))
        seal = sealed(browser.session or "", "consent", digest, self.endpoint.random_secret(), now)
        return ConsentPage(request, seal, session.user.sub)

    async def answer(self, query: Form, form: Form, digest: str, browser: Browser, now: datetime) -> Step:
        """What follows from a form that a page has sent.

        :raises Refusal: for the user's eyes.
        """
        answer = form.get("answer")
        if answer not in ("log_in", "grant", "deny", "log_out") or query.has("request_uri"):
            raise Refusal(reasons.REQUEST_FORM, {"detail": "no form of this server"})
        page, secret = ("login", browser.secret) if answer == "log_in" else ("consent", browser.session)
        nonce = opened(form.get("seal"), secret, page, digest, now)  # before anything else is looked at
        request = await self._request(query, browser, now)
        if isinstance(request, SentBack):
            return request
        if answer == "log_in":
            return await self._log_in(request, form, digest, browser, now)
        if answer == "log_out":
            await self.sessions.end(browser.session, now)
            return LoggedOut()
        session = await self.sessions.find(browser.session, now)
        if session is None:
            return LoggedOut()
        await self.interactions.answer(query.get(INTERACTION), nonce, now)
        if answer == "deny":
            return Denied(session.user.sub, request.refused(Refusal(reasons.USER_DENIED)))
        location = await self.endpoint.issue_code(request, session.user, request.scope, now)
        return Granted(request, session.user.sub, location)

    async def _request(self, query: Form, browser: Browser, now: datetime) -> AuthorizationRequest | SentBack:
        interaction = query.get(INTERACTION)
        if interaction is None:
            return await self.endpoint.read(query, now)
        return await self.interactions.find(interaction, browser.secret, now)

    def _ask_to_log_in(
        self, request: AuthorizationRequest, digest: str, browser: Browser, now: datetime
    ) -> Step:
        if "none" in request.prompt:
            return request.refused(Refusal(reasons.USER_LOGIN_REQUIRED))
        new_secret = self._new_secret(browser)
        seal = self._seal_of_login(new_secret or browser.secret or "", digest, now)
        return LoginPage(request, seal, request.login_hint or "", new_secret=new_secret)

    async def _log_in(
        self, request: AuthorizationRequest, form: Form, digest: str, browser: Browser, now: datetime
    ) -> Step:
        name, password = form.get("username"), form.get("password")
        try:
            if name is None or password is None:
                raise Refusal(reasons.USER_CREDENTIALS)
            user = await self.users.authenticate(name, password, browser.address)
            if self.endpoint.clients.by_id(user) is not None:
                raise Refusal(reasons.USER_CONFUSABLE, {"seen": user})
            session = await self.sessions.begin(user, digest, now)
            if session is None:
                raise Refusal(reasons.USER_CREDENTIALS)
        except Refusal as refusal:
            seal = self._seal_of_login(browser.secret or "", digest, now)
            return LoginPage(request, seal, name or "", refusal)
        await self.sessions.end(browser.session, now)
        return LoggedIn(request.client_id, user, session)

    def _seal_of_login(self, secret: str, digest: str, now: datetime) -> str:
        return sealed(secret, "login", digest, self.endpoint.random_secret(), now)

    def _new_secret(self, browser: Browser) -> str | None:
        return self.endpoint.random_secret() if browser.secret is None else None


def _must_log_in(request: AuthorizationRequest, session: Session, digest: str, now: datetime) -> bool:
    """Whether the request demands a login that is newer than the session's."""
    age = now - session.user.auth_time
    too_old = request.max_age is not None and age.total_seconds() > request.max_age
    demanded = too_old or not request.prompt.isdisjoint(("login", "select_account"))
    return demanded and not (session.login_for == digest and age <= _ANSWER_TO_LOGIN)
