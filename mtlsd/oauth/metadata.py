"""Authorization server metadata (RFC 8414, RFC 8705 section 5), computed from what the listeners serve."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import attrs

from mtlsd.clients.grant_types import AUTHORIZATION_CODE, GRANT_TYPES, REFRESH_TOKEN
from mtlsd.clients.methods import NONE, PKI, PRIVATE_KEY_JWT, SECRET_METHODS, SELF_SIGNED, AuthMethod
from mtlsd.jose.verification import VERIFICATION_ALGORITHMS
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
# Whoever asks what a token is has to be somebody
_CONFIDENTIAL_ONLY: Final = frozenset({"introspection"})

_WELL_KNOWN = "/.well-known/oauth-authorization-server"


@attrs.frozen
class Policy:
    """What a client has to know beside what the listeners serve.

    :ivar require_pushed: whether authorization requests have to be pushed, whatever the client says.
    :ivar methods: those that some client has registered, or may: secrets and `none` are told of only then.
    :ivar assertion_algs: with which clients may sign assertions.
    """

    require_pushed: bool = False
    methods: Collection[AuthMethod] = ()
    assertion_algs: tuple[str, ...] = VERIFICATION_ALGORITHMS


NO_POLICY: Final = Policy()


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
    issuer: str, listeners: Sequence[ServedListener], signing_alg: str, policy: Policy = NO_POLICY
) -> dict[str, Any]:
    """What the server says of itself. Members without a value are left out (RFC 8414 section 3.2).

    An endpoint that several listeners serve is that of the first one that asks for no certificate; where
    the certificate is asked for, `mtls_endpoint_aliases` says (RFC 8705 section 5).

    :param signing_alg: that of the key that signs now.
    """
    aliases = _aliases(listeners)
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
    for own in CLIENT_ENDPOINTS:
        metadata.update(_client_endpoint(own, listeners, policy))
    if "token_endpoint" in metadata:
        metadata["grant_types_supported"] = [
            name for name in GRANT_TYPES if authorization is not None or name not in _OF_USERS
        ]
    if "pushed_authorization_request_endpoint" in metadata:
        metadata["require_pushed_authorization_requests"] = policy.require_pushed
    if "introspection_endpoint" in metadata:
        metadata["introspection_signing_alg_values_supported"] = [signing_alg]
    if (registration := _anywhere(listeners, "registration")) is not None:
        metadata["registration_endpoint"] = registration.url("registration")
    if jwks is not None:
        metadata["jwks_uri"] = jwks.url("jwks")
    metadata["tls_client_certificate_bound_access_tokens"] = True
    if aliases and not all(listener.asks_for_certificate for listener in listeners):
        metadata["mtls_endpoint_aliases"] = aliases
    return metadata


def _aliases(listeners: Iterable[ServedListener]) -> dict[str, str]:
    """Where clients are asked for their certificates. Browsers are nowhere among them (R21)."""
    return {
        f"{_NAMES.get(name, name)}_endpoint": listener.url(name)
        for name in (*CLIENT_ENDPOINTS, "registration")
        if (listener := _first(listeners, name, asks_for_certificate=True)) is not None
    }


def _client_endpoint(endpoint: str, listeners: Sequence[ServedListener], policy: Policy) -> Mapping[str, Any]:
    """One endpoint at which clients authenticate, and how they do (RFC 8414 section 2)."""
    listener = _anywhere(listeners, endpoint)
    if listener is None:
        return {}
    name = f"{_NAMES.get(endpoint, endpoint)}_endpoint"
    told: dict[str, Any] = {name: listener.url(endpoint)}
    if endpoint not in _NAMES:  # that of pushed requests has no methods of its own (RFC 9126 section 5)
        told[f"{name}_auth_methods_supported"] = _methods(listeners, endpoint, policy)
        told[f"{name}_auth_signing_alg_values_supported"] = list(policy.assertion_algs)
    return told


def _anywhere(listeners: Sequence[ServedListener], endpoint: str) -> ServedListener | None:
    return _first(listeners, endpoint, asks_for_certificate=False) or _first(listeners, endpoint)


def _first(
    listeners: Iterable[ServedListener], endpoint: str, asks_for_certificate: bool | None = None
) -> ServedListener | None:
    for listener in listeners:
        if endpoint in listener.serves and asks_for_certificate in (None, listener.asks_for_certificate):
            return listener
    return None


def _methods(listeners: Iterable[ServedListener], endpoint: str, policy: Policy) -> list[AuthMethod]:
    here = [listener for listener in listeners if endpoint in listener.serves]
    methods: list[AuthMethod] = []
    if any(listener.has_trust_anchors for listener in here):
        methods.append(PKI)
    if any(listener.asks_for_certificate for listener in here):
        methods.append(SELF_SIGNED)
    methods.append(PRIVATE_KEY_JWT)
    public: tuple[AuthMethod, ...] = () if endpoint in _CONFIDENTIAL_ONLY else (NONE,)
    return [*methods, *(method for method in (*SECRET_METHODS, *public) if method in policy.methods)]
