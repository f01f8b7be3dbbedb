"""The token endpoint (RFC 6749 section 3.2), from a request's parts to an answer's."""

from __future__ import annotations

import json
from datetime import datetime

import attrs

from mtlsd.clients.client import Client
from mtlsd.clients.index import ClientIndex
from mtlsd.judge import Settled
from mtlsd.oauth.authentication import authenticate
from mtlsd.oauth.forms import Form
from mtlsd.oauth.grants import Grant, check_grant_type, client_credentials
from mtlsd.oauth.tokens import AccessToken, AccessTokenIssuer

_encode = json.JSONEncoder(ensure_ascii=True).encode


@attrs.frozen
class TokenIssued:
    """A token that was issued, to whom and for what."""

    client: Client
    grant: Grant
    token: AccessToken

    def to_json(self) -> bytes:
        """RFC 6749 section 5.1; `scope` is always told where there is one."""
        answer = (
            f'{{"access_token":{_encode(self.token.value)},"token_type":"Bearer",'
            f'"expires_in":{self.token.expires_in:d}'
        )
        if self.grant.scope:
            answer += f',"scope":{_encode(" ".join(self.grant.scope))}'
        return f"{answer}}}".encode("ascii")


@attrs.frozen
class TokenEndpoint:
    """Answers token requests by one snapshot of the clients and one signing key."""

    clients: ClientIndex
    access_tokens: AccessTokenIssuer

    def answer(
        self, form: Form, has_authorization: bool, judgement: Settled | None, now: datetime
    ) -> TokenIssued:
        """
        :param judgement: what the connection's certificate was judged to be, or None without one.
        :raises Refusal: with the OAuth error that the caller may see.
        """
        check_grant_type(form)
        authenticated = authenticate(form, has_authorization, judgement, self.clients)
        grant = client_credentials(authenticated.client, form)
        return TokenIssued(authenticated.client, grant, self.access_tokens.issue(authenticated, grant, now))
