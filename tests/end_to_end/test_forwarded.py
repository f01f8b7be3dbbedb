"""Certificates that a proxy forwards: whose they are, and who may forward them (R23, R70 to R72, R77)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.clients import Answer
from tests.end_to_end.daemon import Daemon, running
from tests.end_to_end.proxying import (
    ADDRESS,
    AUTHORIZATION,
    Fields,
    Wire,
    forwarded_by,
    proxied_setup,
    request,
)
from tests.end_to_end.setup import Setup
from tests.end_to_end.test_grants import claims_of
from tests.end_to_end.test_crossing import thumbprint
from tests.pki import Written

FROM: Fields = [("X-Forwarded-For", ADDRESS)]
FORMATS = {
    "pinned": "nginx",
    "anchored": "rfc9440",
    "plain": "haproxy",
    "apache": "apache",
    "aws-alb": "aws-alb",
    "wso2": "wso2",
    "socket": "envoy",
    "all": "traefik",
}
BY_CERTIFICATE = {"pinned": "pinned-proxy", "anchored": "proxy", "all": "pinned-proxy"}
BY_CREDENTIALS = ("plain", "all", "apache", "aws-alb", "wso2")
EVERYWHERE = pytest.mark.parametrize("listener", FORMATS)


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    return proxied_setup(tmp_path_factory.mktemp("forwarded"))


@pytest.fixture(scope="module", autouse=True)
def daemon(setup: Setup) -> Iterator[Daemon]:
    with running(setup) as running_daemon:
        yield running_daemon


def presented(setup: Setup, name: str) -> Written:
    directory = setup.directory / "presented" / name
    return Written(directory / "client.pem", directory / "client.key")


def wire(setup: Setup, listener: str) -> Wire:
    """As the listener's own proxy connects."""
    name = BY_CERTIFICATE.get(listener)
    return Wire(setup, listener, None if name is None else presented(setup, name))


def proxy_fields(listener: str) -> Fields:
    return [*FROM, *([("X-Proxy-Authorization", AUTHORIZATION)] if listener in BY_CREDENTIALS else [])]


def ask(setup: Setup, listener: str, certificate: str | None, client_id: str = "good") -> Answer:
    fields = list(proxy_fields(listener))
    if certificate is not None:
        fields += forwarded_by(FORMATS[listener], presented(setup, certificate))
    with wire(setup, listener) as connection:
        return connection.send(request(client_id, fields))


@EVERYWHERE
def test_token_is_bound_to_the_clients_certificate(setup: Setup, daemon: Daemon, listener: str) -> None:
    mark = daemon.mark()
    answer = ask(setup, listener, "good")
    assert claims_of(answer.token)["cnf"] == {"x5t#S256": thumbprint(presented(setup, "good"))}
    event = daemon.event("token.issued", mark, client_id="good")
    assert (event["listener"], event["address"]) == (listener, ADDRESS)
