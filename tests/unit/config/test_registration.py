"""`[registration]`"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mtlsd.oauth.registration_policy import RegistrationPolicy
from tests.unit.config.example import Example


@pytest.fixture
def example(tmp_path: Path) -> Example:
    """One that is right: strangers come through the handshake of the first listener."""
    example = Example.make(tmp_path)
    example.mtls.update(refuse_in="response", serves=["token", "registration"])
    example.document["registration"] = {"modes": ["certificate"], "trust_anchors": ["partners"]}
    return example


def mistakes(example: Example) -> list[str]:
    """Where they are, warnings among them."""
    return [str(own).partition(": ")[2].partition("\n")[0] for own in example.notes()]


def test_off_by_default(tmp_path: Path) -> None:
    policy = Example.make(tmp_path).load().config.registration
    assert policy == RegistrationPolicy()
    assert policy.modes == ()


def test_what_it_says(example: Example) -> None:
    example.document["registration"].update(
        scopes=["read"], resources=["https://api.example/"], redirect_hosts=["*.client.example"],
        grant_types=["client_credentials"], unused_days=90, unproven_names=True,
    )  # fmt: skip
    policy = example.load().config.registration
    assert policy.modes == ("certificate",)
    assert (policy.scopes, policy.resources) == (("read",), ("https://api.example/",))
    assert (policy.redirect_hosts, policy.unused_days, policy.unproven_names) == (
        ("*.client.example",),
        90,
        True,
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trust_anchors": ["nobody"]}, "registration.trust_anchors[0]: \"nobody\" is no"),
        ({"trust_anchors": []}, "registration.trust_anchors: is empty"),
        ({"modes": []}, "registration.modes: is empty"),
        ({"modes": ["everybody"]}, "registration.modes[0]:"),
        ({"grant_types": ["password"]}, "registration.grant_types[0]:"),
        ({"token_endpoint_auth_methods": ["client_secret_basic"]}, "registration.token_endpoint_auth_m"),
        ({"scopes": ["a b"]}, "registration.scopes[0]:"),
        ({"resources": ["api"]}, "registration.resources[0]:"),
        ({"redirect_hosts": ["https://client.example/"]}, "registration.redirect_hosts[0]:"),
        ({"redirect_hosts": ["*"]}, "registration.redirect_hosts[0]:"),
        ({"redirect_hosts": ["Client.example"]}, "registration.redirect_hosts[0]:"),
        ({"most_clients": 0}, "registration.most_clients:"),
    ],
)  # fmt: skip
def test_mistakes(example: Example, changes: dict[str, Any], message: str) -> None:
    example.document["registration"].update(changes)
    found = mistakes(example)
    assert any(own.startswith(message) for own in found), found


def test_strangers_have_to_come_in(example: Example) -> None:
    """A certificate that is no client's is refused in the handshake of such a listener."""
    example.mtls["refuse_in"] = "handshake"
    assert any(own.startswith('registration.modes: "certificate" cannot work') for own in mistakes(example))
    example.document["registration"]["modes"] = ["initial_access_token"]
    assert mistakes(example) == []


def test_nobody_serves_it(example: Example) -> None:
    example.mtls["serves"] = ["token"]
    assert any("no listener serves registration" in own for own in mistakes(example))


def test_everybody_may(example: Example) -> None:
    """It is warned of."""
    example.document["registration"]["modes"] = ["open"]
    (warning,) = example.load().warnings
    assert "everybody" in warning.message


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("https://client.example/jwks", False), ("https://192.0.2.1/jwks", True),
        ("https://127.0.0.1/jwks", True), ("https://[::1]/jwks", True), ("https://10.0.0.1/", True),
        ("https://169.254.169.254/latest", True), ("https://[::ffff:10.0.0.1]/", True),
        ("https://localhost/jwks", True), ("https://metadata.google.internal/", True),
        ("https://printer.local/", True), ("https://as/jwks", True), ("https://0x7f.1/", True),
        ("https://client.example:25/", True), ("https://10.1.0.7/", False), ("https://keys.internal/", False),
    ],
)  # fmt: skip
def test_urls_of_strangers(example: Example, url: str, refused: bool) -> None:
    """What leads inside is refused, unless the operator names it."""
    example.document["fetch"] = {"allow": ["10.1.0.0/16", "keys.internal"]}
    policy = example.load().config.registration
    assert (policy.refuses_url(url) is not None) is refused
