"""Authorization server metadata (RFC 8414, RFC 8705 section 5), computed from what the listeners serve."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

import attrs

from mtlsd.clients.grant_types import AUTHORIZATION_CODE, REFRESH_TOKEN
from mtlsd.clients.methods import PKI, SELF_SIGNED
from mtlsd.clients.served import SERVED_GRANT_TYPES
from mtlsd.oauth.pkce import METHOD

PATHS = {
    "token": "/token",
    "introspection": "/introspect",
    "revocation": "/revoke",
    "authorization": "/authorize",
    "par": "/par",
    "registration": "/register",
    "jwks": "/jwks",
}
CLIENT_ENDPOINTS = ("token", "introspection", "revocation", "par")
"""Those at which clients authenticate."""

# What an endpoint is called in the metadata, with `_endpoint` behind it, where that is not our own name
_NAMES = {"par": "pushed_authorization_request"}
_OF_USERS = (AUTHORIZATION_CODE, REFRESH_TOKEN)

_WELL_KNOWN = "/.well-known/oauth-authorization-server"


@attrs.frozen
class ServedListener:
    """What a listener is to a client that reads the metadata.

    :ivar base_url: how clients reach it, without a slash at the end.
    :ivar asks_for_certificate: False for a listener that never asks: the one that browsers can use.
    :ivar has_trust_anchors: whether `tls_client_auth` can succeed there.
    """

    base_url: str
    serves: frozenset[str]
    asks_for_certificate: bool
    has_trust_anchors: bool

    def url(self, endpoint: str) -> str:
        return self.base_url + PATHS[endpoint]


def well_known_path(issuer: str) -> str:
    """Where the metadata of this issuer is found (RFC 8414 section 3.1)."""
    return _WELL_KNOWN + urlsplit(issuer).path.rstrip("/")


def authorization_server_metadata(
    issuer: str, listeners: Sequence[ServedListener], signing_alg: str, require_pushed: bool = False
) -> dict[str, Any]:
    """What the server says of itself. Members without a value are left out (RFC 8414 section 3.2).

    :param signing_alg: that of the key that signs now.
    :param require_pushed: whether authorization requests have to be pushed, whatever the client says.
    """
    endpoints = {
        f"{_NAMES.get(name, name)}_endpoint": listener.url(name)
        for name in CLIENT_ENDPOINTS
        if (listener := _first(listeners, name, asks_for_certificate=True)) is not None
    }
    jwks = _first(listeners, "jwks", asks_for_certificate=False) or _first(listeners, "jwks")
    metadata: dict[str, Any] = {"issuer": issuer}
    authorization = _first(listeners, "authorization", asks_for_certificate=False)
    # RFC 8414 section 2 requires response_types_supported, but without an authorization endpoint there is no
    # response type, and by section 3.2 an array without elements MUST be left out.
    if authorization is not None:
        metadata["authorization_endpoint"] = authorization.url("authorization")
        metadata["response_types_supported"] = ["code"]
        metadata["response_modes_supported"] = ["query"]
        metadata["code_challenge_methods_supported"] = [METHOD]
        metadata["authorization_response_iss_parameter_supported"] = True
    for name, url in endpoints.items():
        metadata[name] = url
        own = name.removesuffix("_endpoint")
        if own in CLIENT_ENDPOINTS:  # that of pushed requests has none of its own
            metadata[f"{name}_auth_methods_supported"] = _methods(listeners, own)
    if "token_endpoint" in endpoints:
        metadata["grant_types_supported"] = [
            name for name in SERVED_GRANT_TYPES if authorization is not None or name not in _OF_USERS
        ]
    if "pushed_authorization_request_endpoint" in endpoints:
        metadata["require_pushed_authorization_requests"] = require_pushed
    if "introspection_endpoint" in endpoints:
        metadata["introspection_signing_alg_values_supported"] = [signing_alg]
    registration = _first(listeners, "registration", asks_for_certificate=False)
    with_certificate = _first(listeners, "registration", asks_for_certificate=True)
    if (anywhere := registration or with_certificate) is not None:
        metadata["registration_endpoint"] = anywhere.url("registration")
    if with_certificate is not None:
        endpoints["registration_endpoint"] = with_certificate.url("registration")
    if jwks is not None:
        metadata["jwks_uri"] = jwks.url("jwks")
    metadata["tls_client_certificate_bound_access_tokens"] = True
    if endpoints and not all(listener.asks_for_certificate for listener in listeners):
        metadata["mtls_endpoint_aliases"] = endpoints
    return metadata


def _first(
    listeners: Iterable[ServedListener], endpoint: str, asks_for_certificate: bool | None = None
) -> ServedListener | None:
    for listener in listeners:
        if endpoint in listener.serves and asks_for_certificate in (None, listener.asks_for_certificate):
            return listener
    return None


def _methods(listeners: Iterable[ServedListener], endpoint: str) -> list[str]:
    trusting = any(endpoint in listener.serves and listener.has_trust_anchors for listener in listeners)
    return [PKI, SELF_SIGNED] if trusting else [SELF_SIGNED]
