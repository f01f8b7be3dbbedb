"""Authlib, over requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url

from tests.end_to_end.programs.python.telling import browser, did, say_version, told


# ---- connect
def connect(client_id: str, certificate: str, key: str, ca: str, **more: str) -> OAuth2Session:
    """With "none" the library sends client_id in the form and no secret: the certificate is what counts."""
    session = OAuth2Session(
        client_id,
        token_endpoint_auth_method="none",
        revocation_endpoint_auth_method="none",
        code_challenge_method="S256",
        **more,
    )
    session.cert, session.verify = (certificate, key), ca
    return session


def discover(issuer: str, ca: str) -> AuthorizationServerMetadata:
    url = get_well_known_url(issuer, external=True, suffix="oauth-authorization-server")
    server = AuthorizationServerMetadata(requests.get(url, verify=ca, timeout=15).json())
    server.validate()
    if server["issuer"] != issuer:  # RFC 8414 section 3.3
        raise ValueError(f"this is another server: {server['issuer']}")
    return server


# ---- client_credentials
def client_credentials(session: OAuth2Session, endpoints: dict[str, str]) -> dict[str, Any]:
    token: dict[str, Any] = session.fetch_token(
        endpoints["token_endpoint"], grant_type="client_credentials", scope="invoices:read"
    )
    return token


# ---- code
def answer_of(server: AuthorizationServerMetadata, url: str) -> str:
    """By hand: the library looks at state, but not at who has answered (RFC 9207)."""
    if parse_qs(urlsplit(url).query).get("iss") != [server["issuer"]]:
        raise ValueError(f"another server has answered: {url}")
    return url


def code(
    session: OAuth2Session, server: AuthorizationServerMetadata, browser: Callable[[str], str]
) -> dict[str, Any]:
    verifier = generate_token(64)
    url, _ = session.create_authorization_url(server["authorization_endpoint"], code_verifier=verifier)
    token: dict[str, Any] = session.fetch_token(
        server["mtls_endpoint_aliases"]["token_endpoint"],
        authorization_response=answer_of(server, browser(url)),
        code_verifier=verifier,
    )
    return token


# ---- par
def pushed(
    session: OAuth2Session, server: AuthorizationServerMetadata, browser: Callable[[str], str]
) -> dict[str, Any]:
    """The library makes the request, pushing it is by hand."""
    verifier, endpoints = generate_token(64), server["mtls_endpoint_aliases"]
    url, _ = session.create_authorization_url(server["authorization_endpoint"], code_verifier=verifier)
    answer = session.post(
        endpoints["pushed_authorization_request_endpoint"],
        data=url.partition("?")[2],
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        withhold_token=True,
    )
    asking = {"client_id": session.client_id, "request_uri": answer.json()["request_uri"]}
    short = requests.Request("GET", server["authorization_endpoint"], params=asking).prepare().url
    token: dict[str, Any] = session.fetch_token(
        endpoints["token_endpoint"],
        authorization_response=answer_of(server, browser(str(short))),
        code_verifier=verifier,
    )
    return token


# ---- refresh
def refresh(session: OAuth2Session, endpoints: dict[str, str], refresh_token: str) -> dict[str, Any]:
    token: dict[str, Any] = session.refresh_token(endpoints["token_endpoint"], refresh_token)
    return token


# ---- introspection
def introspect(session: OAuth2Session, endpoints: dict[str, str], token: str) -> dict[str, Any]:
    answer = session.introspect_token(endpoints["introspection_endpoint"], token)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


# ---- revocation
def revoke(session: OAuth2Session, endpoints: dict[str, str], token: str) -> None:
    session.revoke_token(endpoints["revocation_endpoint"], token).raise_for_status()


# ---- registration
def register(
    session: OAuth2Session, endpoints: dict[str, str], metadata: dict[str, Any], initial_access_token: str
) -> dict[str, Any]:
    """By hand: the library has a server's side of it alone."""
    answer = session.post(
        endpoints["registration_endpoint"],
        json=metadata,
        headers={"Authorization": f"Bearer {initial_access_token}"},
        withhold_token=True,
    )
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


# ----
def main(told: dict[str, Any]) -> None:
    say_version("Authlib")

    def connected(client: dict[str, str], **more: str) -> OAuth2Session:
        whole = {**told, **client}
        return connect(whole["client_id"], whole["certificate"], whole["key"], told["ca"], **more)

    server = discover(told["issuer"], told["ca"])
    did("discovery", **server)
    endpoints = server["mtls_endpoint_aliases"]
    did("client_credentials", **client_credentials(connected({}), endpoints))
    session = connected({}, redirect_uri=told["redirect_uri"], scope="invoices:read")
    token = code(session, server, browser)
    did("code", **token)
    did("par", **pushed(session, server, browser))
    fresh = refresh(session, endpoints, token["refresh_token"])
    did("refresh", **fresh)
    did("introspection", **introspect(connected(told["resource_server"]), endpoints, fresh["access_token"]))
    revoke(session, endpoints, fresh["access_token"])
    did("revocation", access_token=fresh["access_token"])
    new = connected(told["registering"])
    registered = register(new, endpoints, told["metadata"], told["initial_access_token"])
    new = connected({**told["registering"], "client_id": registered["client_id"]})
    did("registration", **{**registered, **client_credentials(new, endpoints)})


main(told())
