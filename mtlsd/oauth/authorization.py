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


@attrs.frozen
class AuthorizationPolicy:
    """What the server demands of authorization requests, whoever asks.

    :ivar require_pushed: whether requests have to be pushed (RFC 9126); a client can demand it for its own.
    :ivar require_pkce: whether confidential clients have to use PKCE too; public ones always have to (R73).
    :ivar require_redirect_uri: whether pushed requests have to name it, even where one is registered (R81).
    :ivar code_lifetime: at most 60 seconds (R81).
    """

    issuer: str
    require_pushed: bool = False
    require_pkce: bool = True
    code_lifetime: timedelta = timedelta(seconds=60)
    request_uri_lifetime: timedelta = timedelta(seconds=60)
    require_redirect_uri: bool = False


@attrs.frozen
class UserAuthenticated:
    """A user who has logged in: having this value is the proof.

    :ivar sub: the user's identifier, never given to another user, and never the client_id of a client.
    """

    sub: str
    auth_time: datetime


@attrs.frozen
class AuthorizationEndpoint:
    """Reads authorization requests and issues codes, by one snapshot of the clients.

    :ivar random_secret: makes a string of 128 unguessable bits at least, of base64url's characters.
    """

    clients: ClientIndex
    artifacts: Artifacts
    policy: AuthorizationPolicy
    random_secret: Callable[[], str]

    async def read(self, form: Form, now: datetime) -> AuthorizationRequest | SentBack:
        """Read an authorization request. A pushed one is used up by it.

        :param form: the parameters of the query.
        :return: what the user is to be asked, or what the client is told where the request is not right.
        :raises Refusal: for the user's eyes: the client or the redirect URI is not known, so the browser must
            not be sent anywhere (R73).
        """
        client = self._client(form.get("client_id"))
        request_uri = form.get("request_uri")
        if request_uri is not None:
            form = await self._pushed(client, request_uri, now)
        redirection = Redirection.from_form(form, client, self.policy.issuer)
        try:
            if request_uri is None and self._must_push(client):
                raise Refusal(reasons.REQUEST_NOT_PUSHED)
            return AuthorizationRequest.from_form(form, client, redirection, self.policy.require_pkce)
        except Refusal as refusal:
            return SentBack(client.client_id, refusal, redirection.refused(refusal))

    async def issue_code(
        self, request: AuthorizationRequest, user: UserAuthenticated, scope: tuple[str, ...], now: datetime
    ) -> str:
        """A code for what the user has granted.

        :param scope: some of what the request asked for.
        :return: where to redirect to, by 303 (R76).
        :raises Refusal: for the user's eyes, where the client is gone meanwhile; `user.confusable`.
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
        }
        until = now + self.policy.code_lifetime
        key, grant_id = Artifact.key_of(code), self.random_secret()
        await self.artifacts.save(Artifact("code", key, client.client_id, grant_id, content, until), now=now)
        return request.redirection.answered(code=code)

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

    async def _pushed(self, client: Client, request_uri: str, now: datetime) -> Form:
        """The parameters that the client pushed; nothing else of the request counts (RFC 9126 section 4).

        What another client sends does not use it up.
        """
        key = Artifact.key_of(request_uri)
        found = await self.artifacts.find("request_uri", key, now)
        if found is None or found.artifact.client_id != client.client_id:
            raise Refusal(reasons.REQUEST_URI_INVALID)
        found = await self.artifacts.consume("request_uri", key, now)
        if found is None:
            raise Refusal(reasons.REQUEST_URI_INVALID)
        if found.consumed_at is not None:
            raise Refusal(reasons.REQUEST_URI_USED)
        parameters = found.artifact.content["parameters"]
        return Form({name: tuple(values) for name, values in parameters.items()})
