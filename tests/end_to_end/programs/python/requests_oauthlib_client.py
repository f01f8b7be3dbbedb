"""Authlib, over requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session

from tests.end_to_end.programs.python.telling import browser, did, say_version, told


# ---- connect
def connect(session: OAuth2Session, certificate: str, key: str, ca: str) -> OAuth2Session:
    session.cert, session.verify = (certificate, key), ca
    return session


def discover(issuer: str, ca: str) -> dict[str, Any]:
    """By hand: the library does not read metadata."""
    answer = requests.get(f"{issuer}/.well-known/oauth-authorization-server", verify=ca, timeout=15)
    server: dict[str, Any] = answer.json()
    if server["issuer"] != issuer:
        raise ValueError(f"this is another server: {server['issuer']}")
    return server


# ---- client_credentials
def client_credentials(session: OAuth2Session, token_endpoint: str) -> dict[str, Any]:
    """For a session with client=BackendApplicationClient(client_id)."""
    token: dict[str, Any] = session.fetch_token(token_endpoint, include_client_id=True)
    return token


# ---- code
def code(session: OAuth2Session, server: dict[str, Any], browser: Callable[[str], str]) -> dict[str, Any]:
    """For a session with client_id, redirect_uri, scope, and pkce="S256"."""
    url, _ = session.authorization_url(server["authorization_endpoint"])
    back = browser(url)
    if parse_qs(urlsplit(back).query).get("iss") != [server["issuer"]]:  # RFC 9207, by hand
        raise ValueError(f"another server has answered: {back}")
    token: dict[str, Any] = session.fetch_token(
        server["mtls_endpoint_aliases"]["token_endpoint"],
        authorization_response=back,
        include_client_id=True,
    )
    return token


# ---- refresh
def refresh(session: OAuth2Session, token_endpoint: str) -> dict[str, Any]:
    token: dict[str, Any] = session.refresh_token(token_endpoint, client_id=session.client_id)
    return token


# ---- revocation
def revoke(session: OAuth2Session, revocation_endpoint: str, token: str) -> None:
    """The request is the library's, sending it is by hand."""
    url, headers, body = session._client.prepare_token_revocation_request(revocation_endpoint, token)
    form = f"{body}&client_id={session.client_id}"
    session.post(url, data=form, headers=headers, withhold_token=True).raise_for_status()


# ----
def main(told: dict[str, Any]) -> None:
    say_version("requests-oauthlib")
    server = discover(told["issuer"], told["ca"])
    did("discovery", **server)
    endpoints = server["mtls_endpoint_aliases"]
    presented = told["certificate"], told["key"], told["ca"]
    itself = OAuth2Session(client=BackendApplicationClient(told["client_id"], scope=["invoices:read"]))
    connect(itself, *presented)
    did("client_credentials", **client_credentials(itself, endpoints["token_endpoint"]))
    session = OAuth2Session(
        told["client_id"], redirect_uri=told["redirect_uri"], scope=["invoices:read"], pkce="S256"
    )
    connect(session, *presented)
    did("code", **code(session, server, browser))
    fresh = refresh(session, endpoints["token_endpoint"])
    did("refresh", **fresh)
    revoke(session, endpoints["revocation_endpoint"], fresh["access_token"])
    did("revocation", access_token=fresh["access_token"])


main(told())
