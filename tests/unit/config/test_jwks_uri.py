"""`jwks_uri` in the configuration: what its text alone tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.example import Example


@pytest.fixture
def example(tmp_path: Path) -> Example:
    example = Example.make(tmp_path)
    del example.client(1)["certificate"]
    return example


def told(example: Example, uri: str) -> list[str]:
    example.client(1)["jwks_uri"] = uri
    return [note.partition("client.pinned.")[2] for note in example.told()]


def test_a_public_one(example: Example) -> None:
    assert told(example, "https://client.example/jwks.json") == []
    [_, registration] = example.load().config.registrations
    assert registration.client.jwks_uri == "https://client.example/jwks.json"


@pytest.mark.parametrize(
    "uri",
    [
        "https://127.0.0.1/jwks",
        "https://[::1]/jwks",
        "https://169.254.169.254/jwks",
        "https://10.0.0.1/jwks",
        "https://2130706433/jwks",
        "https://client.example:25/jwks",
        "https://-client-.example/jwks",
    ],
)
def test_nothing_would_be_fetched(example: Example, uri: str) -> None:
    """A warning alone: the client gets no token, and nobody else is hindered."""
    [said] = told(example, uri)
    assert said.startswith("jwks_uri: nothing is fetched from")


def test_what_the_operator_allows(example: Example) -> None:
    example.document["fetch"] = {"allow": ["10.0.0.0/8"]}
    assert told(example, "https://10.0.0.1/jwks") == []
    assert len(told(example, "https://192.168.0.1/jwks")) == 1


def test_it_stands_alone(example: Example) -> None:
    example.client(1)["certificate"] = "pinned.pem"
    [said] = told(example, "https://client.example/jwks.json")
    assert said.startswith("jwks_uri: certificates are registered too")
