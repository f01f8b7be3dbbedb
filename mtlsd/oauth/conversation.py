"""What the authorization endpoint says to a browser: a login page, a page that asks for consent, a redirect.

Everything that belongs to HTTP and HTML is left out: cookies are strings, pages are values.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol

import attrs

from mtlsd import reasons
from mtlsd.errors import Reason, Refusal
from mtlsd.oauth.artifacts import Artifact
from mtlsd.oauth.authorization import AuthorizationEndpoint
from mtlsd.oauth.authorization_request import AuthorizationRequest, SentBack
from mtlsd.oauth.forms import Form
from mtlsd.oauth.seals import LIFETIME, digest_of, opened, sealed
from mtlsd.oauth.sessions import Session, Sessions

INTERACTION: Final = "interaction"
"""The parameter of the query that tells that this browser opened a pushed request when that was good."""

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

    :ivar client_id: whose request it is for.
    :ivar name: to begin with.
    :ivar refused: why the last try failed.
    :ivar new_secret: for a browser that has none.
    """

    client_id: str
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
class Opened:
    """Come back with this query: it tells that the pushed request was opened in time.

    :ivar new_secret: for a browser that has none.
    """

    query: Mapping[str, str]
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


Step = LoginPage | ConsentPage | Opened | LoggedIn | LoggedOut | Granted | Denied | SentBack


@attrs.frozen
class Conversation:
    """Talks with one browser after the other, by one snapshot of the clients."""

    endpoint: AuthorizationEndpoint
    sessions: Sessions
    users: Users

    async def ask(self, query: Form, digest: str, browser: Browser, now: datetime) -> Step:
        """What to show for an authorization request.

        :param digest: names the request, so that a form belongs to it alone.
        :raises Refusal: for the user's eyes.
        """
        request = await self._request(query, browser, now)
        if query.has("request_uri") and not query.has(INTERACTION):
            return self._opened(query, browser, now)
        session = await self.sessions.find(browser.session, now)
        if isinstance(request, SentBack):
            # RFC 9700 section 4.11.2: nobody is sent on who is not known
            if session is None and not request.silent:
                return self._login_page(request.client_id, "", digest, browser, now)
            return await self.endpoint.tell(request, now)
        if session is None or _must_log_in(request, session, digest, now):
            if "none" in request.prompt:
                return await self._tell(request, reasons.USER_LOGIN_REQUIRED, now)
            return self._login_page(request.client_id, request.login_hint or "", digest, browser, now)
        if "none" in request.prompt:
            return await self._tell(request, reasons.USER_CONSENT_REQUIRED, now)
        seal = sealed(browser.session or "", "consent", digest, self.endpoint.random_secret(), now)
        return ConsentPage(request, seal, session.user.sub)

    async def answer(self, query: Form, form: Form, digest: str, browser: Browser, now: datetime) -> Step:
        """What follows from a form that a page has sent.

        :raises Refusal: for the user's eyes.
        """
        answer = form.get("answer")
        if answer not in ("log_in", "grant", "deny", "log_out"):
            raise Refusal(reasons.REQUEST_FORM, {"detail": "no form of this server"})
        page, secret = ("login", browser.secret) if answer == "log_in" else ("consent", browser.session)
        nonce = opened(form.get("seal"), secret, page, digest, now)  # before anything else is looked at
        request = await self._request(query, browser, now)
        if answer == "log_in":
            return await self._log_in(request.client_id, form, digest, browser, now)
        if answer == "log_out":
            await self.sessions.end(browser.session, now)
            return LoggedOut()
        session = await self.sessions.find(browser.session, now)
        if session is None:
            return LoggedOut()
        if isinstance(request, SentBack):
            return await self.endpoint.tell(request, now)
        if request.redirection.pushed is None:
            await self._answer_once(nonce, now)
        if answer == "deny":
            return Denied(session.user.sub, await self._tell(request, reasons.USER_DENIED, now))
        location = await self.endpoint.issue_code(request, session.user, request.scope, now)
        return Granted(request, session.user.sub, location)

    async def _request(self, query: Form, browser: Browser, now: datetime) -> AuthorizationRequest | SentBack:
        return await self.endpoint.read(query, now, _has_opened(query, browser, now))

    async def _answer_once(self, nonce: str, now: datetime) -> None:
        """Use up a page whose request was not pushed; a pushed request is used up itself.

        The request waits in the URL of its page, pushed or not: nothing is kept of it, so strangers fill no
        store.

        :param nonce: of the page's seal.
        :raises Refusal: `interaction.replayed` for everybody but the first.
        """
        key = Artifact.key_of("answered", nonce)
        if not await self.endpoint.artifacts.claim("interaction", key, now + LIFETIME, now):
            raise Refusal(reasons.INTERACTION_REPLAYED)

    def _opened(self, query: Form, browser: Browser, now: datetime) -> Step:
        """Nothing is kept of it: whoever has a `request_uri` may open it as often as he likes."""
        request_uri = query.get("request_uri") or ""
        new_secret, nonce = self._new_secret(browser), self.endpoint.random_secret()
        seal = sealed(new_secret or browser.secret or "", INTERACTION, digest_of(request_uri), nonce, now)
        again = {"client_id": query.get("client_id") or "", "request_uri": request_uri, INTERACTION: seal}
        return Opened(again, new_secret)

    async def _tell(self, request: AuthorizationRequest, reason: Reason, now: datetime) -> SentBack:
        return await self.endpoint.tell(request.refused(Refusal(reason)), now)

    def _login_page(
        self, client_id: str, name: str, digest: str, browser: Browser, now: datetime
    ) -> LoginPage:
        new_secret = self._new_secret(browser)
        seal = self._seal_of_login(new_secret or browser.secret or "", digest, now)
        return LoginPage(client_id, seal, name, new_secret=new_secret)

    async def _log_in(self, client_id: str, form: Form, digest: str, browser: Browser, now: datetime) -> Step:
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
            return LoginPage(client_id, seal, name or "", refusal)
        await self.sessions.end(browser.session, now)
        return LoggedIn(client_id, user, session)

    def _seal_of_login(self, secret: str, digest: str, now: datetime) -> str:
        return sealed(secret, "login", digest, self.endpoint.random_secret(), now)

    def _new_secret(self, browser: Browser) -> str | None:
        return self.endpoint.random_secret() if browser.secret is None else None


def _has_opened(query: Form, browser: Browser, now: datetime) -> bool:
    """Whether this browser has opened the pushed request in time, and not too long ago."""
    seal, request_uri = query.get(INTERACTION), query.get("request_uri")
    if seal is None or request_uri is None:
        return False
    try:
        opened(seal, browser.secret, INTERACTION, digest_of(request_uri), now)
    except Refusal:
        return False
    return True


def _must_log_in(request: AuthorizationRequest, session: Session, digest: str, now: datetime) -> bool:
    """Whether the request demands a login that is newer than the session's."""
    age = now - session.user.auth_time
    too_old = request.max_age is not None and age.total_seconds() > request.max_age
    demanded = too_old or not request.prompt.isdisjoint(("login", "select_account"))
    return demanded and not (session.login_for == digest and age <= _ANSWER_TO_LOGIN)
