"""Listeners and clients that authenticate by something else than a certificate (R20, R22)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.config.example import Example
from tests.unit.oauth.signing import public, secretive, signing

UNBOUND: dict[str, Any] = {"tls_client_certificate_bound_access_tokens": False}
BOUND_PLACE = "tls_client_certificate_bound_access_tokens"


@pytest.fixture
def example(tmp_path: Path) -> Example:
    return Example.make(tmp_path)


def told(example: Example, *clients: Any) -> list[str]:
    example.document["client"] += [own.to_metadata() for own in clients]
    return example.told()


def test_a_listener_that_asks_for_no_certificate_may_issue_tokens(example: Example) -> None:
    example.public["serves"] = ["token", "par", "introspection", "revocation", "metadata", "jwks"]
    assert told(example, signing("jwt", **UNBOUND), secretive("old", **UNBOUND)) == []


def test_it_needs_clients_for_that(example: Example) -> None:
    example.public["serves"] = ["token", "metadata", "jwks"]
    place = "?mtlsd.toml: listener.public.serves"
    assert told(example) == [f'{place}: "token" needs certificates: no client has another method']


def test_or_such_clients_may_register(example: Example) -> None:
    example.public["serves"] = ["token", "registration", "metadata", "jwks"]
    example.document["registration"] = {
        "modes": ["initial_access_token"],
        "token_endpoint_auth_methods": ["private_key_jwt"],
    }
    assert told(example) == []


@pytest.mark.parametrize("own", [signing("jwt"), public("phone"), secretive("old")])
def test_bound_tokens_need_a_place_for_the_certificate(example: Example, own: Any) -> None:
    """A listener that refuses strangers in the handshake lets nobody present what vouches for nothing."""
    place = f"mtlsd.toml: client.{own.client_id}.{BOUND_PLACE}"
    message = "no token endpoint takes a certificate that nobody vouches for, to bind tokens to"
    assert told(example, own) == [f"{place}: {message}"]
    example.mtls["refuse_in"] = "response"
    assert example.told() == []
    example.mtls["client_certificate"] = "optional"
    assert example.told() == []


def test_others_need_a_place_without_one(example: Example) -> None:
    place = "mtlsd.toml: client.jwt.token_endpoint_auth_method"
    message = "every listener where clients authenticate requires a certificate"
    assert told(example, signing("jwt", **UNBOUND)) == [f"{place}: {message}"]
    example.mtls["client_certificate"] = "optional"
    assert example.told() == []
