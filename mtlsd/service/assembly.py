"""From a configuration, the clients of the store and the signing keys to what is served: pure composition."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from urllib.parse import urlsplit

from mtlsd.clients.client import Client
from mtlsd.clients.fetched import Published, with_published
from mtlsd.clients.index import ClientIndex, Registration
from mtlsd.config.model import Config, Listener
from mtlsd.errors import ConfigError, Mistake
from mtlsd.jose import b64
from mtlsd.jose.keyring import Keyring
from mtlsd.jose.own import OwnTokens
from mtlsd.judge import ListenerTrust, NothingKnown, Snapshot
from mtlsd.oauth.artifacts import Artifacts
from mtlsd.oauth.bound import BoundCertificates
from mtlsd.oauth.introspection import IntrospectionEndpoint
from mtlsd.oauth.live import AccessTokens
from mtlsd.oauth.metadata import PATHS, ServedListener, authorization_server_metadata, well_known_path
from mtlsd.oauth.token_endpoint import TokenEndpoint
from mtlsd.oauth.token_revocation import RevocationEndpoint
from mtlsd.oauth.tokens import AccessTokenIssuer
from mtlsd.ops.metrics import CONTENT_TYPE
from mtlsd.pki.revocation_check import Known
from mtlsd.stores.refusing import NoArtifacts
from mtlsd.verdicts import Judge
from mtlsd.web.endpoint import Endpoint
from mtlsd.web.metrics import MetricsPage
from mtlsd.web.resources import Jwks, Metadata, Nothing, Routes, Token
from mtlsd.web.serving import Current, Resolve, Serving, nobody_answers
from mtlsd.web.tokens import Introspection, Revocation

STORE = "store"
NOTHING_PUBLISHED: Mapping[str, Sequence[Published]] = MappingProxyType({})
NOTHING_KNOWN: Known = NothingKnown()
NO_ARTIFACTS: Artifacts = NoArtifacts()


def random_id() -> str:
    """128 bits, base64url: for `jti` and correlation ids."""
    return b64.encode_text(os.urandom(16))


def registrations(config: Config, stored: Iterable[Client]) -> tuple[Registration, ...]:
    """All clients: those of the files and those of the store."""
    return (*config.registrations, *(Registration(client, STORE) for client in stored))


def client_index(
    config: Config, stored: Iterable[Client], published: Mapping[str, Sequence[Published]] = NOTHING_PUBLISHED
) -> ClientIndex:
    """All clients, those with a `jwks_uri` with the certificates that they publish.

    :param published: by `jwks_uri`.
    :raises ConfigError: when two of them claim the same name or certificate, or one of the store names an
        anchor group that the configuration does not have. What is published never does that.
    """
    registered = with_published(registrations(config, stored), published).registrations
    anchor_keys = {group.name: [anchor.key_sha256 for anchor in group.anchors] for group in config.groups}
    _check_groups(registered, anchor_keys)
    return ClientIndex.build(registered, anchor_keys)


def _check_groups(registrations: Iterable[Registration], groups: Mapping[str, object]) -> None:
    mistakes = [
        Mistake(
            f"{registration.origin}: client.{registration.client.client_id}.trust_anchors",
            f"there is no trust anchor group {name!r}",
            f"Use one of: {', '.join(groups) or 'none is configured'}.",
        )
        for registration in registrations
        for name in registration.client.trust_anchors
        if name not in groups
    ]
    if mistakes:
        raise ConfigError(tuple(mistakes))


def snapshot(
    config: Config,
    stored: Iterable[Client],
    published: Mapping[str, Sequence[Published]] = NOTHING_PUBLISHED,
    revocation: Known = NOTHING_KNOWN,
) -> Snapshot:
    """What the judge reads.

    :param published: as for :func:`client_index`.
    :param revocation: what is known about it.
    :raises ConfigError: as :func:`client_index` does.
    """
    trust = {
        listener.name: ListenerTrust.from_groups(listener.groups, listener.x509_strict)
        for listener in config.listeners
        if listener.asks_for_certificate
    }
    return Snapshot(client_index(config, stored, published), trust, revocation)


def serving(
    config: Config,
    judged_by: Snapshot,
    keyring: Keyring,
    now: datetime,
    resolve: Resolve = nobody_answers,
    artifacts: Artifacts = NO_ARTIFACTS,
    bound: BoundCertificates | None = None,
) -> Serving:
    """What the resources serve.

    :param artifacts: where all is kept that outlives a request; without, nothing of the kind is issued.
    :param bound: the certificates that tokens were bound to before.
    """
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
        config.issuer, list(map(_served, config.listeners)), keyring.signer.alg
    )
    return Serving(
        judge=judge,
        token_endpoint=TokenEndpoint(judged_by.clients, tokens, artifacts=artifacts),
        metadata=_json(metadata),
        jwks=_json(keyring.jwks(now)),
        resolve=resolve,
        introspection=IntrospectionEndpoint(issued, keyring.signer),
        token_revocation=RevocationEndpoint(issued),
    )


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
    if "jwks" in listener.serves:
        made[base + PATHS["jwks"]] = Jwks(current)
    if "metadata" in listener.serves:
        made[well_known_path(config.issuer)] = Metadata(current)
    if "metrics" in listener.serves:
        everybody = not listener.asks_for_certificate
        made[base + "/metrics"] = MetricsPage(current, content_type=CONTENT_TYPE, for_everybody=everybody)
    return Routes({path.encode("ascii"): endpoint for path, endpoint in made.items()}, Nothing(current))


def _served(listener: Listener) -> ServedListener:
    return ServedListener(
        base_url=listener.public_url,
        serves=frozenset(listener.serves),
        asks_for_certificate=listener.asks_for_certificate,
        has_trust_anchors=bool(listener.groups),
    )


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, indent=1).encode("ascii")
