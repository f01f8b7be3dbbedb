"""`profile = "fapi2"`: everything that contradicts it is told at once (R81)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mtlsd.config.load import load
from mtlsd.errors import ConfigError
from mtlsd.service.snapshot import client_index
from tests.pki import NOW
from tests.unit.config.example import Example, toml
from tests.unit.oauth.signing import jwk, secretive, signing

WEB = {
    "client_id": "web",
    "token_endpoint_auth_method": "tls_client_auth",
    "tls_client_auth_san_dns": "web.partner.example",
    "trust_anchors": ["partners"],
    "grant_types": ["authorization_code", "refresh_token"],
    "redirect_uris": ["https://web.example/cb"],
}


@pytest.fixture
def example(tmp_path: Path) -> Example:
    made = Example.make(tmp_path)
    made.document["profile"] = "fapi2"
    return made


def with_users(example: Example) -> Example:
    example.public["serves"] = ["authorization", "metadata", "jwks"]
    example.mtls["serves"] = ["token", "par"]
    example.document["client"].append(dict(WEB))
    return example


def fatal(example: Example) -> dict[str, str]:
    """What is said of each place."""
    return {note.place.removeprefix("mtlsd.toml: "): note.message for note in example.notes() if note.fatal}


def test_what_it_turns_on(example: Example) -> None:
    config = with_users(example).load().config
    assert config.is_fapi2
    assert (config.requests.require_pushed, config.requests.require_pkce) == (True, True)
    assert config.registration.fapi2
    assert all(listener.recommended_ciphers for listener in config.listeners)
    assert config.tokens.code_seconds <= 60


def test_without_it_nothing_changes(example: Example) -> None:
    del example.document["profile"]
    config = with_users(example).load().config
    assert (config.profile, config.is_fapi2, config.requests.require_pushed) == (None, False, False)
    assert not any(listener.recommended_ciphers for listener in config.listeners)


def test_everything_that_contradicts_it_at_once(example: Example) -> None:
    with_users(example)
    example.mtls["client_certificate"], example.mtls["refuse_in"] = "optional", "response"
    example.document["authorization"] = {
        "require_pushed": False,
        "require_pkce": False,
        "request_uri_seconds": 600,
    }
    example.document["tokens"] = {"signing_algorithm": "RS256"}
    example.document["registration"] = {"token_endpoint_auth_methods": ["tls_client_auth", "none"]}
    old: dict[str, Any] = secretive("old").to_metadata()
    unbound: dict[str, Any] = {**WEB, "client_id": "unbound", "tls_client_auth_san_dns": "b.example"}
    unbound["tls_client_certificate_bound_access_tokens"] = False
    loopback = {**WEB, "client_id": "loopback", "tls_client_auth_san_dns": "c.example"}
    loopback["redirect_uris"] = ["http://127.0.0.1/cb"]
    rsa = signing("rsa", jwk("RSA-2048"), token_endpoint_auth_signing_alg="RS256").to_metadata()
    public = {"client_id": "phone", "token_endpoint_auth_method": "none", "redirect_uris": ["com.example:/"]}
    example.document["client"] += [old, unbound, loopback, rsa, public]
    told = fatal(example)
    assert told.keys() >= {
        "authorization.require_pushed",
        "authorization.require_pkce",
        "authorization.request_uri_seconds",
        "tokens.signing_algorithm",
        "registration.token_endpoint_auth_methods[1]",
        "client.old.token_endpoint_auth_method",
        "client.unbound.tls_client_certificate_bound_access_tokens",
        "client.loopback.redirect_uris",
        "client.rsa.token_endpoint_auth_signing_alg",
        "client.phone.token_endpoint_auth_method",
    }
    assert all("FAPI 2.0" in message for message in told.values())
    assert all(note.remedy for note in example.notes())


def test_requests_have_a_place_to_be_pushed_to(example: Example) -> None:
    with_users(example).mtls["serves"] = ["token"]
    assert fatal(example)["authorization.require_pushed"] == "no listener takes pushed requests"


def test_without_users_nothing_has_to_be_pushed(example: Example) -> None:
    assert fatal(example) == {}


def test_metadata_has_to_be_served(example: Example) -> None:
    example.public["serves"] = ["jwks"]
    assert "metadata" in fatal(example)["listener"]


def test_clients_of_the_store_keep_to_it_too(example: Example) -> None:
    """Neither the daemon nor `mtlsd client add` takes one that does not."""
    config = example.load().config
    client_index(config, [signing("good")])
    with pytest.raises(ConfigError) as raised:
        client_index(config, [secretive("old"), signing("good")])
    assert [own.place for own in raised.value.mistakes] == ["store: client.old.token_endpoint_auth_method"]


def test_it_has_one_spelling(example: Example) -> None:
    example.document["profile"] = "fapi-2"
    assert "profile" in fatal(example)
    example.put("mtlsd.toml", toml({**example.document, "profile": ""}))
    with pytest.raises(ConfigError):
        load(example.path, NOW)
