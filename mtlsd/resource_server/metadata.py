"""What the authorization server says of itself (RFC 8414), and the keys that it publishes (RFC 7517)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from mtlsd.clients.keys import usable_keys
from mtlsd.fetch.refused import FetchRefused
from mtlsd.fetch.url import Url
from mtlsd.jose.verification import VerificationKey
from mtlsd.oauth.metadata import well_known_path
from mtlsd.resource_server.https import Document, HttpsClient, https_url

FetchKeySet: TypeAlias = Callable[[], Document]


def fetch_metadata(client: HttpsClient, issuer: str) -> Mapping[str, Any]:
    """The issuer's metadata, which must be its own (RFC 8414 section 3.3).

    :raises FetchRefused: whatever goes wrong
    """
    parts = urlsplit(issuer)
    url = https_url(f"{parts.scheme}://{parts.netloc}{well_known_path(issuer)}")
    metadata = client.get(url).members
    if metadata.get("issuer") != issuer:
        raise FetchRefused("issuer", f"the metadata is that of {str(metadata.get('issuer'))[:100]}")
    return metadata


def key_set_of(client: HttpsClient, issuer: str, jwks_uri: str | None = None) -> FetchKeySet:
    """What fetches the issuer's JWK Set.

    :param jwks_uri: where it is; None for what the issuer's metadata says each time.
    :raises FetchRefused: where a URL is none, or not https.
    """
    given = None if jwks_uri is None else https_url(jwks_uri)
    if given is None:
        https_url(issuer)

    def fetch() -> Document:
        return client.get(given or _url_in(fetch_metadata(client, issuer), "jwks_uri"))

    return fetch


def introspection_endpoint(client: HttpsClient, issuer: str) -> Url:
    """Where tokens are introspected by whoever comes with a certificate (RFC 8705 section 5, R21).

    :raises FetchRefused: whatever goes wrong
    """
    metadata = fetch_metadata(client, issuer)
    aliases = metadata.get("mtls_endpoint_aliases")
    name = "introspection_endpoint"
    found = aliases if isinstance(aliases, Mapping) and name in aliases else metadata
    return _url_in(found, name)


def keys_in(document: Document) -> tuple[VerificationKey, ...]:
    """The keys of a JWK Set; what cannot be used is passed over.

    :raises FetchRefused: where there is none.
    """
    try:
        found, _ = usable_keys(document.members)
    except ValueError as error:
        raise FetchRefused("keys", f"the JWK Set {error}") from None
    if not found:
        raise FetchRefused("keys", "the JWK Set has no key that signatures can be verified with")
    return found


def _url_in(metadata: Mapping[str, Any], name: str) -> Url:
    url = metadata.get(name)
    if not isinstance(url, str):
        raise FetchRefused("metadata", f"the metadata has no {name}")
    return https_url(url)
