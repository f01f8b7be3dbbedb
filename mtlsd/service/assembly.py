"""From a configuration, a snapshot and the signing keys to what is served: pure composition."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import urlsplit

from mtlsd.clients.grant_types import AUTHORIZATION_CODE, REFRESH_TOKEN, TOKEN_EXCHANGE
from mtlsd.clients.index import ClientIndex
from mtlsd.clients.methods import AuthMethod
from mtlsd.config.model import Config, Listener
from mtlsd.config.urls import origin_of
from mtlsd.forwarded.formats import KNOWN_FIELDS
from mtlsd.forwarded.spellings import CREDENTIALS_FIELD, spellings
from mtlsd.jose.keyring import Keyring
from mtlsd.jose.own import OwnTokens
from mtlsd.judge import Snapshot
from mtlsd.oauth.artifacts import Artifacts
from mtlsd.oauth.assertion import AssertionRules
from mtlsd.oauth.authentication import Authenticator
from mtlsd.oauth.authorization import AuthorizationEndpoint, AuthorizationPolicy
from mtlsd.oauth.bound import BoundCertificates
from mtlsd.oauth.code_grant import CodeGrant
from mtlsd.oauth.exchange_grant import ExchangeGrant
from mtlsd.oauth.granted import StandingOf, everybody
from mtlsd.oauth.introspection import IntrospectionEndpoint
from mtlsd.oauth.live import AccessTokens
from mtlsd.oauth.metadata import (
    PATHS,
    Policy,
    ServedListener,
    authorization_server_metadata,
    well_known_path,
)
from mtlsd.oauth.public_pushes import PublicPushes
from mtlsd.oauth.pushed import PushedAuthorizationEndpoint
from mtlsd.oauth.refresh_grant import RefreshGrant
from mtlsd.oauth.refresh_tokens import RefreshTokens
from mtlsd.oauth.secrets import SecretChecker
from mtlsd.oauth.token_endpoint import GrantHandler, TokenEndpoint
from mtlsd.oauth.token_revocation import RevocationEndpoint
from mtlsd.oauth.tokens import AccessTokenIssuer
from mtlsd.ops.metrics import CONTENT_TYPE
from mtlsd.service.identifiers import random_id, random_secret
from mtlsd.stores.refusing import NoArtifacts
from mtlsd.verdicts import Judge
from mtlsd.web.authorization import Authorization
from mtlsd.web.door import Door, ProxyDoor, ProxyRules
from mtlsd.web.endpoint import Endpoint
from mtlsd.web.forward_auth import PATH as FORWARD_AUTH
from mtlsd.web.forward_auth import ForwardAuth, ForwardAuthBelow
from mtlsd.web.logout import LogOut
from mtlsd.web.metrics import MetricsPage
from mtlsd.web.pushed import PushedAuthorization
from mtlsd.web.registration import Registration as RegistrationPage
from mtlsd.web.registration import RegistrationManagement
from mtlsd.web.resources import Jwks, Metadata, Nothing, Routes, Token
from mtlsd.web.serving import Current, Resolve, Serving, nobody_answers
from mtlsd.web.tokens import Introspection, Revocation

T = TypeVar("T")

NO_ARTIFACTS: Artifacts = NoArtifacts()


def serving(
    config: Config,
    judged_by: Snapshot,
    keyring: Keyring,
    now: datetime,
    resolve: Resolve = nobody_answers,
    artifacts: Artifacts = NO_ARTIFACTS,
    bound: BoundCertificates | None = None,
    secrets: SecretChecker | None = None,
    standing_of: StandingOf = everybody,
    pushes: PublicPushes | None = None,
) -> Serving:
    """What the resources serve.

    :param artifacts: where all is kept that outlives a request; without, nothing of the kind is issued.
    :param bound: the certificates that tokens were bound to before.
    :param secrets: compares clients' secrets; without, that is done at once.
    :param standing_of: tells of a user whether it is still one.
    :param pushes: who has pushed requests of public clients before.
    """
    rules = _assertion_rules(config)
    authenticator = Authenticator(
        judged_by.clients,
        rules,
        artifacts,
        secrets or SecretChecker.make(_at_once, os.urandom),
    )
    judge = Judge(judged_by)
    tokens = AccessTokenIssuer(
        issuer=config.issuer,
        audience=config.tokens.audience,
        lifetime=timedelta(seconds=config.tokens.access_token_seconds),
        signer=keyring.signer,
        random_id=random_id,
    )
    issued = AccessTokens(
        issuer=config.issuer,
        clients=judged_by.clients,
        judge=judge,
        own=OwnTokens.from_keyring(keyring, now),
        artifacts=artifacts,
        bound=bound or BoundCertificates(),
    )
    metadata = authorization_server_metadata(
        config.issuer,
        list(map(_served, config.listeners)),
        keyring.signer.alg,
        Policy(config.requests.require_pushed, _methods(config, judged_by.clients), rules.algorithms),
    )
    authorization = AuthorizationEndpoint(judged_by.clients, artifacts, _policy(config), random_secret)
    return Serving(
        judge=judge,
        authenticator=authenticator,
        token_endpoint=TokenEndpoint(
            authenticator, tokens, artifacts, _handlers(config, issued, tokens, standing_of)
        ),
        metadata=_json(metadata),
        jwks=_json(keyring.jwks(now)),
        resolve=resolve,
        introspection=IntrospectionEndpoint(issued, keyring.signer),
        token_revocation=RevocationEndpoint(issued),
        authorization=authorization,
        pushed_authorization=PushedAuthorizationEndpoint(authorization, pushes or PublicPushes()),
    )


def _assertion_rules(config: Config) -> AssertionRules:
    urls = [own.public_url + PATHS["token"] for own in config.listeners if "token" in own.serves]
    return AssertionRules.for_server(config.issuer, urls, fapi2=config.is_fapi2)


def _methods(config: Config, clients: ClientIndex) -> frozenset[AuthMethod]:
    """Those that clients have, or can register."""
    registrable = config.registration.token_endpoint_auth_methods if config.registration.modes else ()
    return clients.methods.union(registrable)


async def _at_once(work: Callable[[], T]) -> T:
    return work()


def _policy(config: Config) -> AuthorizationPolicy:
    return AuthorizationPolicy(
        issuer=config.issuer,
        require_pushed=config.requests.require_pushed,
        require_pkce=config.requests.require_pkce,
        code_lifetime=timedelta(seconds=config.tokens.code_seconds),
        request_uri_lifetime=timedelta(seconds=config.requests.request_uri_seconds),
        require_redirect_uri=config.is_fapi2,
        public_per_address_per_hour=config.requests.public_per_address_per_hour,
        public_per_hour=config.requests.public_per_hour,
    )


def _handlers(
    config: Config, issued: AccessTokens, access_tokens: AccessTokenIssuer, standing_of: StandingOf
) -> Mapping[str, GrantHandler]:
    """What answers the grant types that take the store."""
    artifacts = issued.artifacts
    refresh_tokens = RefreshTokens(
        lifetime=timedelta(seconds=config.tokens.refresh_token_seconds),
        idle=timedelta(seconds=config.tokens.refresh_token_idle_seconds),
        random_secret=random_secret,
    )
    return {
        AUTHORIZATION_CODE: CodeGrant(artifacts, access_tokens, refresh_tokens, standing_of),
        REFRESH_TOKEN: RefreshGrant(artifacts, access_tokens, refresh_tokens, standing_of),
        TOKEN_EXCHANGE: ExchangeGrant(issued, artifacts, access_tokens, standing_of),
    }


def door(config: Config, listener: Listener, current: Current, judge: Judge | None) -> Door:
    """What requests of one listener come to first, with the resources behind it.

    :param judge: as :func:`proxy_judge` made it.
    """
    behind, guarded = routes(config, listener, current), _guarded(config)
    forwarding = listener.forwarding
    if forwarding is None:
        return Door(current, listener=listener.name, routes=behind, guarded=guarded)
    rules = ProxyRules(
        format=forwarding.format,
        client_address=forwarding.client_address,
        judge=judge,
        credentials=forwarding.proxy_credentials,
        uids=forwarding.proxy_uids,
    )
    # Others of the proxy's fields are as tempting as the certificate's, but everybody's elsewhere
    return ProxyDoor(
        current,
        listener=listener.name,
        routes=behind,
        guarded=guarded | spellings((forwarding.client_address,)),
        rules=rules,
    )


def _guarded(config: Config) -> frozenset[bytes]:
    """The fields that only a proxy sends, and only where it is known."""
    configured = {
        field
        for listener in config.listeners
        if listener.forwarding is not None and listener.forwarding.format is not None
        for field in listener.forwarding.format.fields
    }
    return spellings(KNOWN_FIELDS | configured | {CREDENTIALS_FIELD})


def routes(config: Config, listener: Listener, current: Current) -> Routes:
    """The resource tree of one listener: what it serves, each at its whole path."""
    base = urlsplit(listener.public_url).path.rstrip("/")
    made: dict[str, Endpoint] = {}
    if "token" in listener.serves:
        made[base + PATHS["token"]] = Token(current)
    if "introspection" in listener.serves:
        made[base + PATHS["introspection"]] = Introspection(current)
    if "revocation" in listener.serves:
        made[base + PATHS["revocation"]] = Revocation(current)
    if "par" in listener.serves:
        made[base + PATHS["par"]] = PushedAuthorization(current)
    if "authorization" in listener.serves:
        origin = origin_of(listener.public_url)
        made[base + PATHS["authorization"]] = Authorization(current, origin=origin)
        made[base + "/logout"] = LogOut(current, origin=origin)
    below: dict[str, Endpoint] = {}
    if "registration" in listener.serves:
        path, url = base + PATHS["registration"], listener.public_url + PATHS["registration"]
        made[path], below[path] = RegistrationPage(current, url=url), RegistrationManagement(current, url=url)
    if "jwks" in listener.serves:
        made[base + PATHS["jwks"]] = Jwks(current)
    if "metadata" in listener.serves:
        made[well_known_path(config.issuer)] = Metadata(current)
    if "metrics" in listener.serves:
        everybody = not listener.asks_for_certificate
        made[base + "/metrics"] = MetricsPage(current, content_type=CONTENT_TYPE, for_everybody=everybody)
    under: dict[str, Endpoint] = {}
    if "forward-auth" in listener.serves:
        path = base + FORWARD_AUTH
        made[path] = ForwardAuth(current)
        under[path + "/"] = ForwardAuthBelow(current, path=path.encode("ascii"))
    return Routes(_encoded(made), Nothing(current), _encoded(below), _encoded(under))


def _encoded(endpoints: Mapping[str, Endpoint]) -> dict[bytes, Endpoint]:
    return {path.encode("ascii"): endpoint for path, endpoint in endpoints.items()}


def _served(listener: Listener) -> ServedListener:
    return ServedListener(
        base_url=listener.public_url,
        serves=frozenset(listener.serves),
        asks_for_certificate=not listener.is_for_browsers,
        has_trust_anchors=bool(listener.groups),
    )


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, indent=1).encode("ascii")
