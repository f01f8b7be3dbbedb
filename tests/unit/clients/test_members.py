"""Client metadata beyond certificates: what each method and each grant type demands and forbids (R59)."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlsd.clients.client import MEMBERS, Client
from mtlsd.clients.fapi import fapi2_mistakes
from mtlsd.clients.grant_types import TOKEN_EXCHANGE
from mtlsd.clients.keys import MOST_KEYS, keys_of_jwks, usable_keys
from mtlsd.clients.secret import SecretHash
from mtlsd.errors import ConfigError
from mtlsd.jose.jwk import public_members
from tests.unit.clients.test_client import JSON, NAMED, PINNED
from tests.unit.jose.keys import private_key

HASH = SecretHash.from_secret("secret", os.urandom).to_string()
CALLBACK = "https://client.example/cb"


def jwk(kind: str, number: int = 0, **more: Any) -> dict[str, Any]:
    return {**public_members(private_key(kind, number).public_key()), **more}


CODE: dict[str, Any] = {"grant_types": ["authorization_code", "refresh_token"], "redirect_uris": [CALLBACK]}
WEB: dict[str, Any] = {**NAMED, **CODE}
SIGNING: dict[str, Any] = {
    "client_id": "signing",
    "token_endpoint_auth_method": "private_key_jwt",
    "jwks": {"keys": [jwk("P-256", kid="one"), jwk("RSA-2048", kid="two", alg="PS256")]},
}
SECRET: dict[str, Any] = {
    "client_id": "old",
    "token_endpoint_auth_method": "client_secret_basic",
    "client_secret_hash": HASH,
    "allow_client_secret": True,
}
PUBLIC: dict[str, Any] = {
    "client_id": "phone",
    "token_endpoint_auth_method": "none",
    "redirect_uris": ["com.example.app:/cb", "http://127.0.0.1/cb"],
}
ALL = (NAMED, PINNED, WEB, SIGNING, SECRET, PUBLIC)


def read(metadata: dict[str, Any]) -> Client:
    return Client.from_metadata(metadata, place="client.test")


def mistakes(metadata: dict[str, Any]) -> dict[str, str]:
    """Key -> message."""
    with pytest.raises(ConfigError) as raised:
        read(metadata)
    return {found.place.removeprefix("client.test."): found.message for found in raised.value.mistakes}


@pytest.mark.parametrize("metadata", ALL, ids=lambda metadata: str(metadata["client_id"]))
def test_round_trip(metadata: dict[str, Any]) -> None:
    full = {
        **metadata,
        "access_token_format": "opaque",
        "use_mtls_endpoint_aliases": True,
        "client_name": "For people",
        "scope": "read write",
    }
    client = read(full)
    written = client.to_metadata()
    assert Client.from_metadata(json.loads(json.dumps(written)), place="again") == client
    assert {name: written[name] for name in full if name != "jwks"} == {
        name: value for name, value in full.items() if name != "jwks"
    }
    assert written["access_token_format"] == "opaque"
    assert hash(client) == hash(read(full))


def test_what_is_not_said_is_not_written() -> None:
    assert set(read(NAMED).to_metadata()) == {
        *NAMED,
        "grant_types",
        "tls_client_certificate_bound_access_tokens",
    }


def test_defaults() -> None:
    """RFC 7591 section 2, but client_credentials where nobody is redirected."""
    assert (read(NAMED).grant_types, read(NAMED).response_types) == (("client_credentials",), ())
    assert read(SIGNING).grant_types == ("client_credentials",)
    for metadata in (PUBLIC, {**NAMED, "redirect_uris": [CALLBACK]}):
        client = read(metadata)
        assert (client.grant_types, client.response_types) == (("authorization_code",), ("code",))
    assert read(NAMED).access_token_format == "jwt"
    assert read(PUBLIC).is_public
    assert not any(read(metadata).is_public for metadata in ALL[:-1])


def test_redirect_uris_are_compared_exactly() -> None:
    """R73"""
    assert read(WEB).allows_redirect_uri(CALLBACK)
    assert not read(WEB).allows_redirect_uri(CALLBACK + "/")
    assert read(PUBLIC).allows_redirect_uri("http://127.0.0.1:49152/cb")


@pytest.mark.parametrize(
    ("metadata", "change", "key"),
    [
        # grant types, response types and redirect URIs
        (WEB, {"redirect_uris": []}, "redirect_uris"),
        (WEB, {"redirect_uris": ["http://client.example/cb"]}, "redirect_uris"),
        (WEB, {"redirect_uris": ["com.example.app:/cb"]}, "redirect_uris"),
        (WEB, {"redirect_uris": CALLBACK}, "redirect_uris"),
        (WEB, {"response_types": []}, "response_types"),
        (WEB, {"response_types": ["token"]}, "response_types"),
        (WEB, {"response_types": ["code", "token"]}, "response_types"),
        (WEB, {"grant_types": ["implicit"]}, "grant_types"),
        (WEB, {"grant_types": ["client_credentials"]}, "redirect_uris"),
        (NAMED, {"response_types": ["code"]}, "response_types"),
        (NAMED, {"grant_types": ["client_credentials", "refresh_token"]}, "grant_types"),
        (NAMED, {"require_pushed_authorization_requests": True}, "require_pushed_authorization_requests"),
        (NAMED, {"refresh_token_seconds": 3600}, "refresh_token_seconds"),
        (WEB, {"refresh_token_seconds": 1}, "refresh_token_seconds"),
        (WEB, {"refresh_token_seconds": True}, "refresh_token_seconds"),
        (WEB, {"refresh_token_seconds": None}, "refresh_token_seconds"),
        (WEB, {"refresh_token_seconds": 10**12}, "refresh_token_seconds"),
        # public clients
        (PUBLIC, {"grant_types": ["authorization_code", "client_credentials"]}, "grant_types"),
        (
            PUBLIC,
            {"tls_client_certificate_bound_access_tokens": False},
            "tls_client_certificate_bound_access_tokens",
        ),
        (PUBLIC, {"introspects": ["https://api.example/"]}, "introspects"),
        (PUBLIC, {"grant_types": ["authorization_code", TOKEN_EXCHANGE]}, "grant_types"),
        (NAMED, {"exchanges_for": ["https://api.example/"]}, "exchanges_for"),
        (PUBLIC, {"jwks": SIGNING["jwks"]}, "jwks"),
        (PUBLIC, {"jwks_uri": "https://client.example/jwks"}, "jwks_uri"),
        (PUBLIC, {"client_secret_hash": HASH}, "client_secret_hash"),
        (PUBLIC, {"allow_client_secret": True}, "allow_client_secret"),
        (PUBLIC, {"trust_anchors": ["partners"]}, "trust_anchors"),
        # private_key_jwt
        (SIGNING, {"jwks": {"keys": []}}, "jwks"),
        (SIGNING, {"jwks": None}, "jwks"),
        (SIGNING, {"jwks": {"keys": [jwk("P-384")]}}, "jwks"),
        (SIGNING, {"jwks": {"keys": [jwk("P-256"), {"kty": "oct", "k": "AAAA"}]}}, "jwks"),
        (SIGNING, {"jwks": {"keys": [jwk("P-256"), jwk("P-256")]}}, "jwks"),
        (SIGNING, {"jwks": {"keys": [jwk("P-256", kid="a"), jwk("Ed25519", kid="a")]}}, "jwks"),
        (SIGNING, {"jwks_uri": "https://client.example/jwks"}, "jwks_uri"),
        (SIGNING, {"tls_client_auth_san_dns": "a.example"}, "tls_client_auth_san_dns"),
        (SIGNING, {"trust_anchors": ["partners"]}, "trust_anchors"),
        (SIGNING, {"client_secret_hash": HASH}, "client_secret_hash"),
        (SIGNING, {"token_endpoint_auth_signing_alg": "none"}, "token_endpoint_auth_signing_alg"),
        (SIGNING, {"token_endpoint_auth_signing_alg": "HS256"}, "token_endpoint_auth_signing_alg"),
        (SIGNING, {"token_endpoint_auth_signing_alg": "EdDSA"}, "token_endpoint_auth_signing_alg"),
        (NAMED, {"token_endpoint_auth_signing_alg": "ES256"}, "token_endpoint_auth_signing_alg"),
        # secrets
        (SECRET, {"allow_client_secret": False}, "allow_client_secret"),
        (SECRET, {"allow_client_secret": "yes"}, "allow_client_secret"),
        (SECRET, {"client_secret_hash": "hunter2"}, "client_secret_hash"),
        (SECRET, {"client_secret_hash": 7}, "client_secret_hash"),
        (SECRET, {"client_secret": "hunter2"}, "client_secret"),
        (NAMED, {"client_secret_hash": HASH}, "client_secret_hash"),
        # the rest
        (NAMED, {"access_token_format": "paseto"}, "access_token_format"),
        (NAMED, {"access_token_format": ["jwt"]}, "access_token_format"),
        (NAMED, {"introspects": "https://api.example/"}, "introspects"),
        (NAMED, {"use_mtls_endpoint_aliases": 1}, "use_mtls_endpoint_aliases"),
    ],
)
def test_each_mistake_is_named(metadata: dict[str, Any], change: dict[str, Any], key: str) -> None:
    assert key in mistakes({**metadata, **change})


@pytest.mark.parametrize(
    ("metadata", "missing", "key"),
    [
        (SIGNING, "jwks", "jwks"),
        (SECRET, "client_secret_hash", "client_secret_hash"),
        (SECRET, "allow_client_secret", "allow_client_secret"),
        (PUBLIC, "redirect_uris", "redirect_uris"),
    ],
)
def test_what_is_needed(metadata: dict[str, Any], missing: str, key: str) -> None:
    assert list(mistakes({name: metadata[name] for name in metadata if name != missing})) == [key]


def test_all_mistakes_at_once() -> None:
    found = mistakes(
        {
            **PUBLIC,
            "grant_types": ["client_credentials"],
            "tls_client_certificate_bound_access_tokens": False,
            "jwks": {},
            "access_token_format": "x",
        }
    )
    assert set(found) == {
        "grant_types",
        "redirect_uris",
        "tls_client_certificate_bound_access_tokens",
        "jwks",
        "access_token_format",
    }


def test_secrets_are_not_told() -> None:
    with pytest.raises(ConfigError) as raised:
        read({**SECRET, "client_secret_hash": "hunter2", "client_secret": "hunter3"})
    assert "hunter" not in str(raised.value)
    assert HASH not in repr(read(SECRET))


def test_keys_with_another_use_are_passed_over() -> None:
    encryption = jwk("RSA-2048", 1, use="enc", kid="enc")
    assert len(keys_of_jwks({"keys": [encryption, jwk("P-256")]})) == 1
    keys, wrong = usable_keys({"keys": [jwk("P-384"), jwk("P-256")]})
    assert len(keys) == len(wrong) == 1
    with pytest.raises(ValueError, match="no key"):
        keys_of_jwks({"keys": [encryption]})


def test_keys_are_bounded() -> None:
    many = {"keys": [jwk("P-256", number) for number in range(MOST_KEYS + 1)]}
    with pytest.raises(ValueError, match="one too many"):
        keys_of_jwks(many)


def test_fapi2() -> None:
    """R81"""
    places = {
        metadata["client_id"]: [found.place for found in fapi2_mistakes(read(metadata), "x")]
        for metadata in (NAMED, PINNED, SIGNING, SECRET, PUBLIC)
    }
    assert places == {
        "billing": [],
        "pinned": [],
        "signing": [],
        "old": ["x.token_endpoint_auth_method"],
        "phone": ["x.token_endpoint_auth_method", "x.redirect_uris"],
    }
    rs256 = read({**SIGNING, "jwks": {"keys": [jwk("RSA-2048")]}, "token_endpoint_auth_signing_alg": "RS256"})
    unbound = read({**NAMED, "tls_client_certificate_bound_access_tokens": False})
    assert [len(fapi2_mistakes(client, "x")) for client in (rs256, unbound)] == [1, 1]


@given(st.sampled_from(ALL), st.dictionaries(st.sampled_from(sorted(MEMBERS)), JSON))
def test_any_metadata_is_read_or_refused(metadata: dict[str, Any], change: dict[str, Any]) -> None:
    try:
        client = read({**metadata, **change})
    except ConfigError:
        return
    assert Client.from_metadata(client.to_metadata(), place="again") == client
