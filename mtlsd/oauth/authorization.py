"""The authorization endpoint (RFC 6749 section 3.1) without its pages: from a request to a redirect."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import attrs

from mtlsd import reasons
from mtlsd.clients.client import Client
from mtlsd.clients.index import ClientIndex
from mtlsd.errors import Refusal
from mtlsd.oauth.artifacts import Artifact, Artifacts
from mtlsd.oauth.authorization_request import AuthorizationRequest, Redirection, SentBack
from mtlsd.oauth.forms import Form

REQUEST_URI: Final = "urn:ietf:params:oauth:request_uri:"

ANSWERED_WITHIN: Final = timedelta(minutes=30)
"""How long a user may take to answer a pushed request that was opened in time."""


@attrs.frozen
class AuthorizationPolicy:
    """What the server demands of authorization requests, whoever asks.

    :ivar require_pushed: whether requests have to be pushed (RFC 9126); a client can demand it for its own.
    :ivar require_pkce: whether confidential clients have to use PKCE too; public ones always have to (R73).
    :ivar require_redirect_uri: whether pushed requests have to name it, even where one is registered (R81).
    :ivar code_lifetime: at most 60 seconds (R81).
    :ivar public_per_address_per_hour: how many requests of public clients anybody may push.
    :ivar public_per_hour: how many of one public client all together may.
    """

    issuer: str
    require_pushed: bool = False
    require_pkce: bool = True
    code_lifetime: timedelta = timedelta(seconds=60)
    request_uri_lifetime: timedelta = timedelta(seconds=60)
    require_redirect_uri: bool = False
    public_per_address_per_hour: int = 600
    public_per_hour: int = 3000


@attrs.frozen
class UserAuthenticated:
    """A user who has logged in: having this value is the proof.

    :ivar sub: the user's identifier, never given to another user, and never the client_id of a client.
    :ivar standing: what the user stood on at the login; when it is another, all of it has ended.
    """

    sub: str
    auth_time: datetime
    standing: str = ""


@attrs.frozen
class AuthorizationEndpoint:
    """Reads authorization requests and issues codes, by one snapshot of the clients.

    :ivar random_secret: makes a string of 128 unguessable bits at least, of base64url's characters.
    """

    clients: ClientIndex
    artifacts: Artifacts
    policy: AuthorizationPolicy
    random_secret: Callable[[], str]

    async def read(self, form: Form, now: datetime, opened: bool = False) -> AuthorizationRequest | SentBack:
        """Read an authorization request. Nothing is used up by it, so a page can be loaded again.

        :param form: the parameters of the query.
        :param opened: whether the browser has opened this request when its `request_uri` was good; it can
            be answered :data:`ANSWERED_WITHIN` then.
        :return: what the user is to be asked, or what the client is told where the request is not right.
        :raises Refusal: for the user's eyes: the client or the redirect URI is not known, so the browser must
            not be sent anywhere (R73).
        """
        client = self._client(form.get("client_id"))
        request_uri = form.get("request_uri")
        pushed = None
        if request_uri is not None:
            pushed = Artifact.key_of(request_uri)
            form = await self._pushed(client, pushed, now, opened)
        redirection = Redirection.from_form(form, client, self.policy.issuer, pushed)
        try:
            if request_uri is None and self._must_push(client):
                raise Refusal(reasons.REQUEST_NOT_PUSHED)
            return AuthorizationRequest.from_form(form, client, redirection, self.policy.require_pkce)
        except Refusal as refusal:
            return SentBack.from_form(form, client, redirection, refusal)

    async def issue_code(
        self, request: AuthorizationRequest, user: UserAuthenticated, scope: tuple[str, ...], now: datetime
    ) -> str:
        """A code for what the user has granted. A pushed request is used up by it: of all who come, one wins.

        :param scope: some of what the request asked for.
        :return: where to redirect to, by 303 (R76).
        :raises Refusal: for the user's eyes, where the client is gone meanwhile; `user.confusable`;
            `request_uri.used` or `request_uri.expired`.
        """
        if not set(scope) <= set(request.scope):
            raise ValueError("the user grants more than the client asked for")
        client = self._client(request.client_id)
        if not client.allows_redirect_uri(request.redirection.uri):
            raise Refusal(reasons.REDIRECT_URI_UNKNOWN, {"seen": request.redirection.uri[:256]})
        if self.clients.by_id(user.sub) is not None:
            raise Refusal(reasons.USER_CONFUSABLE, {"seen": user.sub[:256]})
        code = self.random_secret()
        content = {
            "redirect_uri": request.redirection.uri,
            "redirect_uri_named": request.redirection.named,
            "code_challenge": request.code_challenge,
            "scope": scope,
            "resources": request.resources,
            "sub": user.sub,
            "auth_time": int(user.auth_time.timestamp()),
            "standing": user.standing,
        }
        until = now + self.policy.code_lifetime
        key, grant_id = Artifact.key_of(code), self.random_secret()
        issued = Artifact("code", key, client.client_id, grant_id, content, until)
        if request.redirection.pushed is None:
            await self.artifacts.save(issued, now=now)
        else:
            await self._use_up(request.redirection.pushed, now, issued)
        return request.redirection.answered(code=code)

    async def tell(self, back: SentBack, now: datetime) -> SentBack:
        """What the client is told in place of a code. A pushed request is used up by it.

        :raises Refusal: for the user's eyes: `request_uri.used` or `request_uri.expired`.
        """
        if back.pushed is not None:
            await self._use_up(back.pushed, now)
        return back

    async def _use_up(self, pushed: bytes, now: datetime, *then: Artifact) -> None:
        found = await self.artifacts.consume("request_uri", pushed, now, then)
        if found is None:
            raise Refusal(reasons.REQUEST_URI_EXPIRED)
        if found.consumed_at is not None:
            raise Refusal(reasons.REQUEST_URI_USED)

    def _must_push(self, client: Client) -> bool:
        """Fails closed: either of the two demands it."""
        return self.policy.require_pushed or client.require_pushed_authorization_requests

    def _client(self, client_id: str | None) -> Client:
        if client_id is None:
            raise Refusal(reasons.CLIENT_ID_ABSENT)
        client = self.clients.by_id(client_id)
        if client is None:
            raise Refusal(reasons.CLIENT_UNKNOWN)
        if client.disabled:
            raise Refusal(reasons.CLIENT_DISABLED)
        return client

    async def _pushed(self, client: Client, key: bytes, now: datetime, opened: bool) -> Form:
        """The parameters that the client pushed; nothing else of the request counts (RFC 9126 section 4).

        It is bound to its client and to its time, and to nothing else: a reload finds it again.
        """
        found = await self.artifacts.find("request_uri", key, now)
        if found is None or found.artifact.client_id != client.client_id:
            raise Refusal(reasons.REQUEST_URI_INVALID)
        if found.consumed_at is not None:
            raise Refusal(reasons.REQUEST_URI_USED)
        content = found.artifact.content
        if not opened and now.timestamp() >= content.get("opened_before", 0):
            raise Refusal(reasons.REQUEST_URI_EXPIRED)
        return Form({name: tuple(values) for name, values in content["parameters"].items()})
