"""Client metadata: R10 to R13, R59."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlsd.clients.client import MEMBERS, Client
from mtlsd.clients.subject import SUBJECT_MEMBERS
from mtlsd.errors import ConfigError
from mtlsd.jose.jwk import jwk_of_certificate
from tests.pki import BAD, DNS, NOW, SUBJECT, Pki

REAL = Pki(NOW)
NAMED: dict[str, Any] = {
    "client_id": "billing",
    "token_endpoint_auth_method": "tls_client_auth",
    "tls_client_auth_subject_dn": SUBJECT,
    "trust_anchors": ["partners"],
}
PINNED: dict[str, Any] = {
    "client_id": "pinned",
    "token_endpoint_auth_method": "self_signed_tls_client_auth",
    "jwks": {"keys": [jwk_of_certificate(REAL.pinned.leaf)]},
}


def read(metadata: dict[str, Any]) -> Client:
    return Client.from_metadata(metadata, place="client.test")


def mistakes(metadata: dict[str, Any]) -> dict[str, str]:
    """Key -> message."""
    with pytest.raises(ConfigError) as raised:
        read(metadata)
    return {found.place.removeprefix("client.test."): found.message for found in raised.value.mistakes}


def test_named() -> None:
    client = read({**NAMED, "scope": "read write", "resources": ["https://api.example/"]})
    assert client.subject is not None
    assert client.scope == ("read", "write")
    assert client.tls_client_certificate_bound_access_tokens
    assert Client.from_metadata(client.to_metadata(), place="again") == client


def test_pinned() -> None:
    """R12: several at once, for rotation"""
    second = REAL.self_signed("second")
    client = Client.from_metadata(PINNED, place="x", certificates=[second.leaf, second.leaf])
    assert client.pins == (second.leaf, REAL.pinned.leaf)
    again = json.loads(json.dumps(client.to_metadata()))
    assert Client.from_metadata(again, place="again") == client


@pytest.mark.parametrize("member", SUBJECT_MEMBERS[1:])
def test_exactly_one_subject(member: str) -> None:
    """R10"""
    texts = {"san_dns": DNS, "san_uri": "urn:a", "san_ip": "192.0.2.1", "san_email": "a@b.example"}
    text = next(text for kind, text in texts.items() if member.endswith(kind))
    assert list(mistakes({**NAMED, member: text})) == [member]
    missing = {name: value for name, value in NAMED.items() if name != "tls_client_auth_subject_dn"}
    assert "tls_client_auth_subject_dn" in mistakes(missing)
    assert read({**missing, member: text}).subject is not None


def test_a_jwk_must_fit_its_certificate() -> None:
    """R13"""
    stranger = {**jwk_of_certificate(REAL.leaf().leaf), "x5c": jwk_of_certificate(REAL.pinned.leaf)["x5c"]}
    assert "jwks" in mistakes({**PINNED, "jwks": {"keys": [stranger]}})


PUBLISHED: dict[str, Any] = {
    "client_id": "rotating",
    "token_endpoint_auth_method": "self_signed_tls_client_auth",
    "jwks_uri": "https://client.example/jwks.json",
}


def test_certificates_may_be_published_instead() -> None:
    """R14; what was fetched is no registration, so it is not written back."""
    client = read(PUBLISHED)
    assert (client.jwks_uri, client.pins) == ("https://client.example/jwks.json", ())
    assert client.to_metadata()["jwks_uri"] == PUBLISHED["jwks_uri"]
    assert Client.from_metadata(client.to_metadata(), place="again") == client
    with_pins = attrs.evolve(client, pins=(REAL.pinned.leaf,))
    assert with_pins.to_metadata() == client.to_metadata()


@pytest.mark.parametrize(
    "uri",
    [
        "http://client.example/jwks.json",
        "https://",
        "https://user@client.example/",
        "https://client.example/#keys",
        "https://client.example/a b",
        "https://client.example/a\nb",
        "https://clïent.example/",
        "https://client.example\\@other.example/",
        "file:///etc/passwd",
        "jwks.json",
        "https://client.example/" + "a" * 2048,
        "",
        7,
        None,
    ],
)
def test_a_jwks_uri_is_an_https_url(uri: object) -> None:
    assert list(mistakes({**PUBLISHED, "jwks_uri": uri})) == ["jwks_uri"]


def test_jwks_and_jwks_uri_exclude_each_other() -> None:
    """R59"""
    assert list(mistakes({**PINNED, "jwks_uri": PUBLISHED["jwks_uri"]})) == ["jwks_uri"]
    assert list(mistakes({**NAMED, "jwks_uri": PUBLISHED["jwks_uri"]})) == ["jwks_uri"]
    with pytest.raises(ConfigError, match="registered too"):
        Client.from_metadata(PUBLISHED, place="x", certificates=[REAL.pinned.leaf])


def test_keys_that_jose_lacks_are_refused() -> None:
    dsa = BAD["dsa_key"].make(REAL)
    with pytest.raises(ConfigError):
        Client.from_metadata({**PINNED, "jwks": {"keys": []}}, place="x", certificates=[dsa.leaf])


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"client_id": "a\nb"}, "client_id"),
        ({"client_id": ""}, "client_id"),
        ({"client_id": 7}, "client_id"),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, "token_endpoint_auth_method"),
        ({"tls_client_auth_subject_dn": "/C=DE/O=x"}, "tls_client_auth_subject_dn"),
        ({"tls_client_auth_subject_dn": ""}, "tls_client_auth_subject_dn"),
        ({"trust_anchors": []}, "trust_anchors"),
        ({"trust_anchors": "partners"}, "trust_anchors"),
        ({"grant_types": ["password"]}, "grant_types"),
        ({"scope": 'a"b'}, "scope"),
        ({"resources": ["https://api.example/#x"]}, "resources"),
        ({"resources": ["no uri"]}, "resources"),
        ({"tls_client_certificate_bound_access_tokens": "yes"}, "tls_client_certificate_bound_access_tokens"),
        ({"scopes": "read"}, "scopes"),
        ({"client_name": "a\x1b[31m"}, "client_name"),
        ({"disabled": 1}, "disabled"),
        ({"jwks": PINNED["jwks"]}, "jwks"),
    ],
)
def test_each_mistake_is_named(change: dict[str, Any], key: str) -> None:
    assert key in mistakes({**NAMED, **change})


def test_all_mistakes_at_once() -> None:
    assert set(mistakes({"client_id": "a\n", "scopes": 1, "disabled": 1})) >= {
        "client_id",
        "scopes",
        "disabled",
        "token_endpoint_auth_method",
    }


def test_a_pinned_client_has_no_name_and_no_group() -> None:
    found = mistakes({**PINNED, "tls_client_auth_san_dns": DNS, "trust_anchors": ["partners"]})
    assert set(found) == {"tls_client_auth_san_dns", "trust_anchors"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(MEMBERS)), JSON))
def test_any_metadata_is_read_or_refused(change: dict[str, Any]) -> None:
    try:
        client = read({**NAMED, **change})
    except ConfigError:
        return
    assert Client.from_metadata(client.to_metadata(), place="again") == client
