"""A registered client: RFC 7591 client metadata as one frozen value."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Self

import attrs

from mtlsd.clients.grant_types import CLIENT_CREDENTIALS, TOKEN_EXCHANGE, Granting
from mtlsd.clients.identification import Identification
from mtlsd.clients.keys import jwks_of_keys
from mtlsd.clients.methods import NONE, AuthMethod
from mtlsd.clients.mistakes import Mistakes
from mtlsd.clients.reader import Reader, is_resource
from mtlsd.clients.redirection import is_registered_redirect_uri
from mtlsd.clients.secret import SecretHash
from mtlsd.clients.subject import SUBJECT_MEMBERS, Subject
from mtlsd.jose.jwk import jwk_of_certificate
from mtlsd.jose.verification import VerificationKey

AccessTokenFormat = Literal["jwt", "opaque"]
ACCESS_TOKEN_FORMATS: Final[tuple[AccessTokenFormat, ...]] = ("jwt", "opaque")
_DEFAULT: Final = ACCESS_TOKEN_FORMATS[0]

# RFC 6749 appendix A.1
_CLIENT_ID = re.compile(r"[\x20-\x7e]{1,255}")

MEMBERS = frozenset(
    {
        "client_id",
        "client_name",
        "token_endpoint_auth_method",
        "token_endpoint_auth_signing_alg",
        *SUBJECT_MEMBERS,
        "jwks",
        "jwks_uri",
        "trust_anchors",
        "client_secret_hash",
        "allow_client_secret",
        "grant_types",
        "response_types",
        "redirect_uris",
        "refresh_token_seconds",
        "require_pushed_authorization_requests",
        "scope",
        "resources",
        "introspects",
        "exchanges_for",
        "access_token_format",
        "tls_client_certificate_bound_access_tokens",
        "use_mtls_endpoint_aliases",
        "disabled",
    }
)


@attrs.frozen
class Client:
    """One client of the authorization server.

    :ivar subject: for `tls_client_auth`; None otherwise.
    :ivar pins: for `self_signed_tls_client_auth`: the DER of each registered certificate (R12). Those of a
        client with a `jwks_uri` are not registered: :mod:`mtlsd.clients.fetched` puts them in.
    :ivar jwks_uri: where the client publishes its certificates, so that it can rotate by itself (R14).
    :ivar trust_anchors: the anchor groups that may vouch for the client (R30); empty for all but
        `tls_client_auth`.
    :ivar keys: for `private_key_jwt`: the public keys; those of a client with a `jwks_uri` are put in
        likewise.
    :ivar token_endpoint_auth_signing_alg: the one algorithm that it signs with; None for any of its keys'.
    :ivar client_secret_hash: for `client_secret_basic` and `client_secret_post`.
    :ivar redirect_uris: as registered; compare with :meth:`allows_redirect_uri`.
    :ivar refresh_token_seconds: how long a refresh token lives; None for the server's own default.
    :ivar scope: what the client may ask for, and gets when it asks for nothing.
    :ivar resources: the resource indicators (RFC 8707) that the client may ask for.
    :ivar introspects: the audiences whose tokens the client, a resource server, may introspect.
    :ivar exchanges_for: the audiences whose tokens the client, a resource server, may exchange (RFC 8693).
    :ivar use_mtls_endpoint_aliases: what the client said of itself (FAPI 2.0 section 8.1.1); it is echoed.
    """

    client_id: str
    token_endpoint_auth_method: AuthMethod
    subject: Subject | None = None
    pins: tuple[bytes, ...] = ()
    jwks_uri: str | None = None
    trust_anchors: tuple[str, ...] = ()
    grant_types: tuple[str, ...] = (CLIENT_CREDENTIALS,)
    scope: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    tls_client_certificate_bound_access_tokens: bool = True
    client_name: str | None = None
    disabled: bool = False
    keys: tuple[VerificationKey, ...] = ()
    token_endpoint_auth_signing_alg: str | None = None
    client_secret_hash: SecretHash | None = None
    allow_client_secret: bool = False
    redirect_uris: tuple[str, ...] = ()
    response_types: tuple[str, ...] = ()
    require_pushed_authorization_requests: bool = False
    refresh_token_seconds: int | None = None
    access_token_format: AccessTokenFormat = _DEFAULT
    introspects: tuple[str, ...] = ()
    exchanges_for: tuple[str, ...] = ()
    use_mtls_endpoint_aliases: bool = False

    @property
    def pin_sha256s(self) -> tuple[bytes, ...]:
        return tuple(hashlib.sha256(pin).digest() for pin in self.pins)

    @property
    def is_public(self) -> bool:
        """Whether nothing proves that a request is this client's: everybody knows its client_id."""
        return self.token_endpoint_auth_method == NONE

    def allows_redirect_uri(self, uri: str) -> bool:
        """Whether an authorization request may name this redirect URI: exactly a registered one (R73)."""
        return is_registered_redirect_uri(self.redirect_uris, uri)

    @classmethod
    def from_metadata(
        cls, metadata: Mapping[str, Any], *, place: str, certificates: Sequence[bytes] = ()
    ) -> Self:
        """Read client metadata (RFC 7591 section 2, RFC 8705 section 2.1.2 and 3.4).

        :param place: where the metadata stands, for the messages.
        :param certificates: DER of certificates to pin, beside those in `jwks`.
        :raises ConfigError: with every mistake at once.
        """
        mistakes = Mistakes(place)
        reader = Reader(metadata, mistakes)
        for name in sorted(set(metadata) - MEMBERS):
            mistakes.unknown(name, MEMBERS)
        known = Identification.from_reader(reader, certificates)
        granting = Granting.from_reader(reader, known.method)
        client = cls(
            client_id=reader.text("client_id", _CLIENT_ID, "printable ASCII, at most 255 characters"),
            token_endpoint_auth_method=known.method,
            subject=known.subject,
            pins=known.pins,
            jwks_uri=known.jwks_uri,
            trust_anchors=known.trust_anchors,
            keys=known.keys,
            token_endpoint_auth_signing_alg=known.signing_alg,
            client_secret_hash=known.client_secret_hash,
            allow_client_secret=known.allow_client_secret,
            grant_types=granting.grant_types,
            response_types=granting.response_types,
            redirect_uris=granting.redirect_uris,
            refresh_token_seconds=granting.refresh_token_seconds,
            require_pushed_authorization_requests=granting.require_pushed_authorization_requests,
            scope=reader.scope(),
            resources=reader.strings("resources", is_resource, "absolute URIs without a fragment (RFC 8707)"),
            introspects=reader.strings("introspects", what="audiences"),
            exchanges_for=reader.strings("exchanges_for", what="audiences"),
            access_token_format=reader.choice("access_token_format", ACCESS_TOKEN_FORMATS, _DEFAULT),
            tls_client_certificate_bound_access_tokens=_bound(reader, known.method),
            use_mtls_endpoint_aliases=reader.boolean("use_mtls_endpoint_aliases", False),
            client_name=reader.optional_text("client_name"),
            disabled=reader.boolean("disabled", False),
        )
        _check_introspection(client, mistakes)
        _check_exchange(client, mistakes)
        mistakes.raise_if_any()
        return client

    def to_metadata(self) -> dict[str, Any]:
        """The metadata as JSON can hold it; `from_metadata` reads it back to an equal client."""
        every: dict[str, Any] = {
            "client_id": self.client_id,
            "token_endpoint_auth_method": self.token_endpoint_auth_method,
            "client_name": self.client_name,
            **self._identification(),
            "grant_types": list(self.grant_types),
            "response_types": list(self.response_types),
            "redirect_uris": list(self.redirect_uris),
            "refresh_token_seconds": self.refresh_token_seconds,
            "require_pushed_authorization_requests": self.require_pushed_authorization_requests or None,
            "scope": " ".join(self.scope),
            "resources": list(self.resources),
            "introspects": list(self.introspects),
            "exchanges_for": list(self.exchanges_for),
            "access_token_format": self.access_token_format if self.access_token_format != _DEFAULT else None,
            "tls_client_certificate_bound_access_tokens": self.tls_client_certificate_bound_access_tokens,
            "use_mtls_endpoint_aliases": self.use_mtls_endpoint_aliases or None,
            "disabled": self.disabled or None,
        }
        always = ("grant_types",)  # an empty list allows none, a missing one the default
        return {name: value for name, value in every.items() if value not in (None, "", []) or name in always}

    def _identification(self) -> dict[str, Any]:
        """By what the client is known. What was fetched from its `jwks_uri` is no registration."""
        known: dict[str, Any] = {
            "token_endpoint_auth_signing_alg": self.token_endpoint_auth_signing_alg,
            "jwks_uri": self.jwks_uri,
            "trust_anchors": list(self.trust_anchors),
            "allow_client_secret": self.allow_client_secret or None,
        }
        if self.subject is not None:
            known[self.subject.member] = self.subject.text
        if self.client_secret_hash is not None:
            known["client_secret_hash"] = self.client_secret_hash.to_string()
        if self.jwks_uri is None and self.keys:
            known["jwks"] = jwks_of_keys(self.keys)
        elif self.jwks_uri is None and self.pins:
            known["jwks"] = {"keys": [jwk_of_certificate(pin) for pin in self.pins]}
        return known


def _bound(reader: Reader, method: AuthMethod) -> bool:
    """Whether tokens are bound; a public client's always are (RFC 8705 section 4)."""
    bound = reader.boolean("tls_client_certificate_bound_access_tokens", True)
    if method == NONE and not bound:
        reader.mistakes.add(
            "tls_client_certificate_bound_access_tokens",
            "the tokens of a public client have to be bound: nothing else hinders a thief",
            "Remove this key, or write true.",
        )
    return bound


def _check_introspection(client: Client, mistakes: Mistakes) -> None:
    if client.introspects and client.is_public:
        mistakes.add(
            "introspects",
            "a public client cannot prove that it is the one that may",
            "Remove this key, or give the client a token_endpoint_auth_method.",
        )


def _check_exchange(client: Client, mistakes: Mistakes) -> None:
    if TOKEN_EXCHANGE in client.grant_types and client.is_public:
        mistakes.add(
            "grant_types",
            "a public client cannot prove that it is the one that acts (RFC 8693 section 4.1)",
            f"Remove {TOKEN_EXCHANGE}, or give the client a token_endpoint_auth_method.",
        )
    if client.exchanges_for and TOKEN_EXCHANGE not in client.grant_types:
        mistakes.add(
            "exchanges_for",
            "the client exchanges no tokens",
            f"Add {TOKEN_EXCHANGE} to grant_types, or remove this key.",
        )
