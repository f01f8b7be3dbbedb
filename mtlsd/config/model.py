"""The configuration as frozen values: what the rest of mtlsd reads.

Everything that files hold (certificates, keys, clients) is in these values already, so that a reload either
gives one consistent whole or changes nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import attrs
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from mtlsd.clients.index import ClientIndex, Registration
from mtlsd.errors import Mistake
from mtlsd.forwarded.formats import Reader
from mtlsd.oauth.registration_policy import RegistrationPolicy
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.path import AnchorGroup

ClientCertificate = Literal["required", "optional", "none", "forwarded"]
RefuseIn = Literal["handshake", "response"]
ForwardedFormat = Literal[
    "rfc9440",
    "nginx",
    "envoy",
    "traefik",
    "apache",
    "haproxy",
    "aws-alb",
    "wso2",
    "header",
    "proxy-v2",
]
ForwardedEncoding = Literal["pem", "urlencoded-pem", "base64-der"]
Profile = Literal["fapi2"]
Served = Literal[
    "token",
    "introspection",
    "revocation",
    "authorization",
    "par",
    "registration",
    "metadata",
    "jwks",
    "metrics",
    "forward-auth",
]
SigningAlgorithm = Literal["ES256", "RS256", "PS256", "EdDSA"]
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@attrs.frozen
class Credential:
    """With what a listener proves to clients who it is.

    :ivar chain: the server certificate first, then the intermediates, as they are sent.
    """

    chain: tuple[Certificate, ...]
    # two are equal when their certificates are: these name the key
    key: PrivateKey = attrs.field(repr=False, eq=False)


@attrs.frozen
class Limits:
    """What one listener spends on its peers at most; see docs/configuration.md.

    :ivar connections: open connections in total.
    :ivar connections_per_address: open connections from one address.
    :ivar handshake_seconds: from accept to the end of the handshake.
    :ivar request_seconds: from the first byte of a request to its last.
    :ivar keepalive_seconds: how long an open connection may be idle between requests.
    :ivar header_bytes: request line and header section together.
    :ivar body_bytes: the body of a request.
    """

    connections: int = 4096
    connections_per_address: int = 512
    handshake_seconds: int = 10
    request_seconds: int = 10
    keepalive_seconds: int = 60
    header_bytes: int = 16_384
    body_bytes: int = 65_536


@attrs.frozen
class Forwarding:
    """In what form a listener's proxy forwards certificates, and how the proxy is known.

    All that is given has to hold (R71, R77).

    :ivar format: reads the fields that the certificate comes in; None where it comes in the header of the
        PROXY protocol.
    :ivar client_address: the field with the address that the proxy saw, in lower case.
    :ivar proxies: who the proxy may be in mutual TLS; None where it need not present a certificate.
    :ivar proxy_groups: the anchor groups that may vouch for it there.
    :ivar proxy_credentials: SHA-256 of what the proxy sends in `X-Proxy-Authorization`.
    :ivar proxy_uids: the users as which it may run at the other end of a UNIX socket.
    """

    format: Reader | None
    client_address: bytes
    proxies: ClientIndex | None = None
    proxy_groups: tuple[AnchorGroup, ...] = ()
    proxy_credentials: bytes | None = attrs.field(default=None, repr=False)
    proxy_uids: frozenset[int] | None = None


@attrs.frozen
class ProxyProtocol:
    """The header that proxies put before what they pass on.

    :ivar networks: from where proxies connect; of a UNIX socket nobody asks.
    """

    version: int
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


@attrs.frozen
class Listener:
    """One listener, with one policy for everybody who connects to it.

    :ivar endpoint: a Twisted server endpoint string, without TLS.
    :ivar credential: None where a proxy on this machine comes in plain HTTP.
    :ivar groups: the trust anchor groups that may vouch for clients here.
    :ivar public_url: what clients put before `/token`: an https URL without a final slash.
    :ivar recommended_ciphers: whether TLS 1.2 has the cipher suites alone that BCP 195 recommends.
    :ivar forwarding: where a proxy forwards the clients' certificates.
    """

    name: str
    endpoint: str
    credential: Credential | None
    client_certificate: ClientCertificate
    refuse_in: RefuseIn
    serves: tuple[Served, ...]
    groups: tuple[AnchorGroup, ...]
    x509_strict: bool
    limits: Limits
    public_url: str
    recommended_ciphers: bool = False
    forwarding: Forwarding | None = None
    proxy_protocol: ProxyProtocol | None = None

    @property
    def asks_for_certificate(self) -> bool:
        """Whether clients are asked for a certificate. Everything that guards certificates follows this.

        Fails closed: anything but an explicit `none` asks.
        """
        return self.client_certificate != "none"

    @property
    def is_for_browsers(self) -> bool:
        """Whether browsers come here without being asked for a certificate; a proxy need not ask any."""
        return not self.asks_for_certificate or (
            self.forwarding is not None and "authorization" in self.serves
        )

    @property
    def proxy_groups(self) -> tuple[AnchorGroup, ...]:
        """The anchor groups that may vouch for the listener's proxy."""
        return () if self.forwarding is None else self.forwarding.proxy_groups

    @property
    def requires_certificate(self) -> bool:
        """Whether a handshake without a client certificate fails."""
        return self.client_certificate == "required" and self.refuse_in == "handshake"

    @property
    def takes_strangers(self) -> bool:
        """Whether a certificate can be presented that nobody vouches for, for tokens to be bound to it."""
        return self.asks_for_certificate and self.refuse_in == "response"


@attrs.frozen
class Tokens:
    """Access tokens, and what they are exchanged for.

    :ivar refresh_token_seconds: how long a refresh token lives; clients may have a span of their own.
    :ivar refresh_token_idle_seconds: how long it lives unused.
    :ivar audience: `aud` of a token for which the client asked for no `resource` (RFC 9068 section 3).
    :ivar signing_keys: the directory of the keyring.
    """

    access_token_seconds: int
    code_seconds: int
    refresh_token_seconds: int
    refresh_token_idle_seconds: int
    signing_keys: Path
    signing_algorithm: SigningAlgorithm
    audience: str


@attrs.frozen
class Requests:
    """What is demanded of authorization requests.

    :ivar require_pushed: whether they have to be pushed (RFC 9126), whatever the client says.
    :ivar require_pkce: whether confidential clients have to use PKCE too.
    :ivar request_uri_seconds: how long a pushed request can be opened.
    :ivar public_per_address_per_hour: how many requests of public clients may be pushed from one address.
    :ivar public_per_hour: how many of one public client may be, from everywhere.
    :ivar scope_texts: what users read in place of a scope-token.
    """

    require_pushed: bool
    require_pkce: bool
    request_uri_seconds: int
    public_per_address_per_hour: int
    public_per_hour: int
    scope_texts: Mapping[str, str]


@attrs.frozen
class Fetch:
    """What mtlsd fetches from outside: revocation lists, answers of OCSP responders, key sets of clients.

    :ivar allow: networks, addresses and hosts that may be reached though they are not public.
    :ivar trusted_certificates: roots for https beside the system's.
    :ivar cache: the directory of what was fetched last.
    :ivar wait_seconds: how long a request waits for the first answer about its certificate.
    """

    allow: tuple[str, ...]
    trusted_certificates: tuple[Certificate, ...]
    cache: Path
    wait_seconds: int


@attrs.frozen
class Users:
    """Users: who checks their passwords, and what they see.

    :ivar file: the users file.
    :ivar checker: the name of a checker of `twisted.cred`; None for the users file.
    :ivar session_minutes: how long users stay logged in.
    :ivar idle_minutes: how long they do while they do nothing.
    :ivar templates: those that take the place of our own, by the name of the file.
    """

    file: Path
    checker: str | None
    session_minutes: int
    idle_minutes: int
    templates: Mapping[str, str]


@attrs.frozen
class Config:
    """The whole configuration.

    :ivar path: the file that it was read from.
    :ivar profile: what all of it keeps to beside; None where it is nothing in particular.
    :ivar store: the SQLite database of registered clients.
    :ivar audit: the audit log's file; None for the standard output.
    :ivar registration: what clients may register by themselves, and who may.
    :ivar registrations: the clients from files; those of the store join them later.
    """

    path: Path
    issuer: str
    profile: Profile | None
    listeners: tuple[Listener, ...]
    groups: tuple[AnchorGroup, ...]
    tokens: Tokens
    requests: Requests
    store: Path
    audit: Path | None
    fetch: Fetch
    users: Users
    drain_seconds: int
    registrations: tuple[Registration, ...]
    registration: RegistrationPolicy

    @property
    def is_fapi2(self) -> bool:
        """Whether the FAPI 2.0 Security Profile holds (R81)."""
        return self.profile == "fapi2"

    @property
    def asks_users(self) -> bool:
        """Whether there is an authorization endpoint."""
        return any("authorization" in listener.serves for listener in self.listeners)


@attrs.frozen
class Loaded:
    """A configuration that can run, and what will not go well for long."""

    config: Config
    warnings: tuple[Mistake, ...] = ()
