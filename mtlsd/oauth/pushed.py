"""Pushed authorization requests (RFC 9126): a client asks where nobody can read or change what it wants."""

from __future__ import annotations

import json
from datetime import datetime

import attrs

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.oauth.artifacts import Artifact, ContentTooLarge
from mtlsd.oauth.authentication import AuthenticatedClient
from mtlsd.oauth.authorization import ANSWERED_WITHIN, REQUEST_URI, AuthorizationEndpoint
from mtlsd.oauth.authorization_request import PARAMETERS, AuthorizationRequest, Redirection
from mtlsd.oauth.forms import Form
from mtlsd.oauth.public_pushes import PublicPushes


@attrs.frozen
class Pushed:
    """A request that was pushed.

    :ivar request_uri: names it, for one answer; never to be logged.
    """

    request: AuthorizationRequest
    request_uri: str = attrs.field(repr=False)
    expires_in: int

    def to_json(self) -> bytes:
        """RFC 9126 section 2.2."""
        return json.dumps({"request_uri": self.request_uri, "expires_in": self.expires_in}).encode("ascii")


@attrs.frozen
class PushedAuthorizationEndpoint:
    """Takes authorization requests from clients that have authenticated.

    :ivar authorization: which reads them when the browser comes.
    :ivar public: counts those of public clients.
    """

    authorization: AuthorizationEndpoint
    public: PublicPushes

    async def answer(
        self, authenticated: AuthenticatedClient, form: Form, now: datetime, address: str = ""
    ) -> Pushed:
        """Keep a request for the browser that will come with its `request_uri`.

        :param address: where the request comes from; empty where that is not known.
        :raises Refusal: what the authorization endpoint would refuse, `request_uri.pushed` and
            `push.throttled`.
        """
        client, policy = authenticated.client, self.authorization.policy
        if client.is_public:
            self.public.check_place(address, policy, now)
        if form.has("request_uri"):
            raise Refusal(reasons.REQUEST_URI_PUSHED)
        if policy.require_redirect_uri and not form.has("redirect_uri"):
            raise Refusal(reasons.REDIRECT_URI_ABSENT, {"expected": client.redirect_uris})
        redirection = Redirection.from_form(form, client, policy.issuer)
        request = AuthorizationRequest.from_form(form, client, redirection, policy.require_pkce)
        request_uri = REQUEST_URI + self.authorization.random_secret()
        artifact = _artifact(request_uri, client.client_id, form, now + policy.request_uri_lifetime)
        if client.is_public:
            self.public.check_client(client.client_id, policy, now)
        await self.authorization.artifacts.save(artifact, now=now)
        return Pushed(request, request_uri, int(policy.request_uri_lifetime.total_seconds()))


def _artifact(request_uri: str, client_id: str, form: Form, until: datetime) -> Artifact:
    """The parameters as they came; they are read again when the browser comes.

    :param until: when it can no longer be opened. It is kept for longer, for those who have opened it.
    """
    kept = {name: values for name, values in form.parameters.items() if name in PARAMETERS}
    key = Artifact.key_of(request_uri)
    content = {"parameters": kept, "opened_before": until.timestamp()}
    try:
        return Artifact("request_uri", key, client_id, None, content, until + ANSWERED_WITHIN)
    except ContentTooLarge as error:
        raise Refusal(reasons.REQUEST_TOO_LARGE) from error
