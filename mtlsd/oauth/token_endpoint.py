"""The token endpoint (RFC 6749 section 3.2), from a request's parts to an answer's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from json.encoder import encode_basestring_ascii as quoted
from types import MappingProxyType
from typing import Final

import attrs

from mtlsd.clients.client import Client
from mtlsd.clients.grant_types import AUTHORIZATION_CODE, CLIENT_CREDENTIALS, REFRESH_TOKEN
from mtlsd.judge import Settled
from mtlsd.oauth.artifacts import Artifact, Artifacts
from mtlsd.oauth.authentication import AuthenticatedClient, Authenticator
from mtlsd.oauth.forms import Form
from mtlsd.oauth.grants import Grant, check_grant_type, client_credentials
from mtlsd.oauth.tokens import AccessToken, AccessTokenIssuer


@attrs.frozen
class TokenIssued:
    """A token that was issued, to whom and for what.

    :ivar refresh_token: a new one that goes with it.
    :ivar issued_token_type: for token exchange (RFC 8693 section 2.2.1).
    :ivar on_behalf_of: the user, where there is one.
    """

    client: Client
    grant: Grant
    token: AccessToken
    refresh_token: str | None = attrs.field(default=None, repr=False)
    issued_token_type: str | None = None
    on_behalf_of: str | None = None

    def to_json(self) -> bytes:
        """RFC 6749 section 5.1; `scope` is always told where there is one.

        A token is base64url, with dots between its parts: nothing in it has to be escaped.
        """
        answer = (
            f'{{"access_token":"{self.token.value}","token_type":"Bearer",'
            f'"expires_in":{self.token.expires_in:d}'
        )
        if self.grant.scope:
            answer += f',"scope":{quoted(" ".join(self.grant.scope))}'
        if self.refresh_token is not None:
            answer += f',"refresh_token":{quoted(self.refresh_token)}'
        if self.issued_token_type is not None:
            answer += f',"issued_token_type":{quoted(self.issued_token_type)}'
        return f"{answer}}}".encode("ascii")


GrantHandler = Callable[[AuthenticatedClient, Form, datetime], Awaitable[TokenIssued]]
"""Answers the requests of one grant type. It raises a Refusal, and then nothing was used up."""

_OF_PUBLIC_CLIENTS: Final = frozenset({AUTHORIZATION_CODE, REFRESH_TOKEN})

NO_HANDLERS: Mapping[str, GrantHandler] = MappingProxyType({})


@attrs.frozen
class TokenEndpoint:
    """Answers token requests by one snapshot of the clients and one signing key.

    :ivar artifacts: where opaque tokens are kept; None where no client has them.
    :ivar handlers: by grant type, those that take the store. client_credentials is answered right here, and
        writes nothing where the token is a JWT.
    """

    authenticator: Authenticator
    access_tokens: AccessTokenIssuer
    artifacts: Artifacts | None = None
    handlers: Mapping[str, GrantHandler] = NO_HANDLERS
    grant_types: tuple[str, ...] = attrs.field(init=False)

    @grant_types.default
    def _grant_types(self) -> tuple[str, ...]:
        return (CLIENT_CREDENTIALS, *self.handlers)

    def answer(
        self, form: Form, authorization: str | None, judgement: Settled | None, now: datetime
    ) -> TokenIssued | Awaitable[TokenIssued]:
        """
        :param authorization: the Authorization header; None where there is none.
        :param judgement: what the connection's certificate was judged to be, or None without one.
        :raises Refusal: with the OAuth error that the caller may see; an awaitable raises it later.
        """
        grant_type = check_grant_type(form, self.grant_types)
        found = self.authenticator.authenticate(
            form, authorization, judgement, now, public=grant_type in _OF_PUBLIC_CLIENTS
        )
        if isinstance(found, AuthenticatedClient):
            return self._issue(grant_type, found, form, now)
        return self._after(grant_type, found, form, now)

    async def _after(
        self, grant_type: str, authenticating: Awaitable[AuthenticatedClient], form: Form, now: datetime
    ) -> TokenIssued:
        issued = self._issue(grant_type, await authenticating, form, now)
        return issued if isinstance(issued, TokenIssued) else await issued

    def _issue(
        self, grant_type: str, authenticated: AuthenticatedClient, form: Form, now: datetime
    ) -> TokenIssued | Awaitable[TokenIssued]:
        handler = self.handlers.get(grant_type)
        if handler is not None:
            return handler(authenticated, form, now)
        client = authenticated.client
        grant = client_credentials(client, form)
        issued = TokenIssued(client, grant, self.access_tokens.issue(authenticated, grant, now))
        artifact = issued.token.artifact
        return issued if artifact is None else self._kept(issued, artifact, now)

    async def _kept(self, issued: TokenIssued, artifact: Artifact, now: datetime) -> TokenIssued:
        if self.artifacts is None:
            raise ValueError("there is no store for opaque tokens")
        await self.artifacts.save(artifact, now=now)
        return issued
