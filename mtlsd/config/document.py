"""What an operator may write into the configuration file: one class a table, one attribute a key.

`docs/configuration.md` says what each key means, and a test holds the two together. Bounds stand in the
types, so that a value of these classes is one that mtlsd can run with; what needs files or other tables is
checked later.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

import attrs

from mtlsd.clients.grant_types import CLIENT_CREDENTIALS
from mtlsd.clients.methods import CERTIFICATE_METHODS
from mtlsd.config.model import (
    ClientCertificate,
    ForwardedEncoding,
    ForwardedFormat,
    Profile,
    RefuseIn,
    Served,
    SigningAlgorithm,
)
from mtlsd.oauth.registration_policy import Mode
from mtlsd.pki.revocation import OnUnknown, Source


@attrs.frozen
class Between:
    """Bounds of an integer, both inclusive."""

    lowest: int
    highest: int


Seconds = Annotated[int, Between(1, 3600)]


@attrs.frozen
class LimitsTable:
    """`[listener.limits]`"""

    connections: Annotated[int, Between(1, 1_000_000)] = 4096
    connections_per_address: Annotated[int, Between(1, 1_000_000)] = 512
    handshake_seconds: Seconds = 10
    request_seconds: Seconds = 10
    keepalive_seconds: Seconds = 60
    header_bytes: Annotated[int, Between(1024, 1_048_576)] = 16_384
    body_bytes: Annotated[int, Between(1024, 16_777_216)] = 65_536


@attrs.frozen
class ForwardedTable:
    """`[listener.forwarded]`"""

    format: ForwardedFormat
    header: str | None = None
    encoding: ForwardedEncoding | None = None
    client_address: str = "X-Forwarded-For"
    proxy_certificates: tuple[str, ...] = ()
    proxy_trust_anchors: tuple[str, ...] = ()
    proxy_san_dns: tuple[str, ...] = ()
    proxy_credentials: str | None = None
    proxy_users: tuple[str, ...] = ()


@attrs.frozen
class ProxyProtocolTable:
    """`proxy_protocol` of `[[listener]]`"""

    version: Annotated[int, Between(1, 2)]
    proxies: tuple[str, ...]


@attrs.frozen
class ListenerTable:
    """`[[listener]]`"""

    name: str
    endpoint: str
    client_certificate: ClientCertificate
    serves: tuple[Served, ...]
    certificate: str | None = None
    key: str | None = None
    refuse_in: RefuseIn | None = None
    trust_anchors: tuple[str, ...] | None = None
    x509_strict: bool | None = None
    public_url: str | None = None
    limits: LimitsTable = LimitsTable()
    forwarded: ForwardedTable | None = None
    proxy_protocol: ProxyProtocolTable | None = None


@attrs.frozen
class RevocationTable:
    """`revocation` of `[[trust_anchors]]`"""

    crl: tuple[str, ...] = ()
    ocsp: str | None = None
    ocsp_responders: tuple[str, ...] = ()
    order: tuple[Source, ...] | None = None
    on_unknown: OnUnknown = "refuse"
    require_nonce: bool = False
    max_age_hours: Annotated[int, Between(1, 8760)] = 168
    grace_minutes: Annotated[int, Between(0, 43_200)] = 0


@attrs.frozen
class TrustAnchorsTable:
    """`[[trust_anchors]]`"""

    name: str
    certificates: tuple[str, ...]
    intermediates: tuple[str, ...] = ()
    revocation: RevocationTable | None = None


@attrs.frozen
class TokensTable:
    """`[tokens]`"""

    access_token_seconds: Annotated[int, Between(1, 86_400)] = 300
    code_seconds: Annotated[int, Between(1, 60)] = 60
    refresh_token_seconds: Annotated[int, Between(60, 316_224_000)] = 2_592_000
    refresh_token_idle_seconds: Annotated[int, Between(60, 316_224_000)] = 1_209_600
    signing_keys: str = "keys/"
    signing_algorithm: SigningAlgorithm = "ES256"
    audience: str | None = None


@attrs.frozen
class AuthorizationTable:
    """`[authorization]`"""

    require_pushed: bool | None = None
    require_pkce: bool = True
    request_uri_seconds: Annotated[int, Between(5, 600)] = 60
    public_per_address_per_hour: Annotated[int, Between(1, 1_000_000)] = 600
    public_per_hour: Annotated[int, Between(1, 1_000_000)] = 3000
    scope_texts: dict[str, str] = attrs.field(factory=dict)


@attrs.frozen
class StoreTable:
    """`[store]`"""

    url: str = "sqlite:mtlsd.db"


@attrs.frozen
class AuditTable:
    """`[audit]`"""

    file: str = "-"


@attrs.frozen
class FetchTable:
    """`[fetch]`"""

    allow: tuple[str, ...] = ()
    trusted_certificates: tuple[str, ...] = ()
    cache: str = "cache/"
    wait_seconds: Annotated[int, Between(1, 60)] = 5


@attrs.frozen
class UsersTable:
    """`[users]`"""

    file: str = "users"
    checker: str | None = None
    session_minutes: Annotated[int, Between(1, 43_200)] = 720
    idle_minutes: Annotated[int, Between(1, 43_200)] = 60
    templates: str | None = None


@attrs.frozen
class RegistrationTable:
    """`[registration]`"""

    modes: tuple[Mode, ...] = ()
    trust_anchors: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    grant_types: tuple[str, ...] = (CLIENT_CREDENTIALS,)
    token_endpoint_auth_methods: tuple[str, ...] = CERTIFICATE_METHODS
    redirect_hosts: tuple[str, ...] = ()
    unproven_names: bool = False
    per_address_per_hour: Annotated[int, Between(1, 1_000_000)] = 60
    open_per_hour: Annotated[int, Between(1, 1_000_000)] = 60
    most_clients: Annotated[int, Between(1, 1_000_000)] = 1000
    unused_days: Annotated[int, Between(0, 3650)] = 0


@attrs.frozen
class TopTable:
    """The keys above the first table."""

    issuer: str
    profile: Profile | None = None
    drain_seconds: Seconds = 10


@attrs.frozen
class CertificateKeys:
    """The keys of `[[client]]` that name files; all others are client metadata (RFC 7591)."""

    certificate: str | None = None
    certificates: tuple[str, ...] = ()


ARRAYS: Mapping[str, type[Any]] = MappingProxyType(
    {"listener": ListenerTable, "trust_anchors": TrustAnchorsTable, "client": CertificateKeys}
)
TABLES: Mapping[str, type[Any]] = MappingProxyType(
    {
        "tokens": TokensTable,
        "authorization": AuthorizationTable,
        "store": StoreTable,
        "audit": AuditTable,
        "fetch": FetchTable,
        "users": UsersTable,
        "registration": RegistrationTable,
    }
)
