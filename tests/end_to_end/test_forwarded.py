"""Certificates that a proxy forwards: whose they are, and who may forward them (R23, R70 to R72, R77)."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.end_to_end.clients import TIMEOUT, Answer
from tests.end_to_end.daemon import Daemon, running
from tests.end_to_end.proxying import (
    ADDRESS,
    AUTHORIZATION,
    Fields,
    Wire,
    forwarded_by,
    presented,
    proxied,
    proxied_setup,
    request,
)
from tests.end_to_end.setup import HOST, Setup
from tests.end_to_end.test_crossing import thumbprint
from tests.end_to_end.test_grants import claims_of

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
    setup = proxied_setup(tmp_path_factory.mktemp("forwarded"))
    few = proxied(setup, "few", "nginx", proxy_certificates=["presented/pinned-proxy/client.pem"])
    few["limits"] = {"connections_per_address": 2}
    return setup


@pytest.fixture(scope="module", autouse=True)
def daemon(setup: Setup) -> Iterator[Daemon]:
    with running(setup) as running_daemon:
        yield running_daemon


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


@EVERYWHERE
def test_another_certificate_is_another_clients(setup: Setup, daemon: Daemon, listener: str) -> None:
    mark = daemon.mark()
    assert ask(setup, listener, "good", "other").status == 401
    assert daemon.event("token.refused", mark, client_id="other")["reason"] == "subject.mismatch"


@EVERYWHERE
def test_no_certificate(setup: Setup, daemon: Daemon, listener: str) -> None:
    """The proxy's own is not taken in its place (P28)."""
    mark = daemon.mark()
    assert ask(setup, listener, None).status == 401
    assert daemon.event("token.refused", mark, client_id="good")["reason"] == "certificate.absent"


def test_many_clients_on_one_connection(setup: Setup) -> None:
    """Each request is its own client's: nothing of the one before stays on the connection."""
    with wire(setup, "pinned") as connection:
        for client_id in ("good", "other", None, "other", "good"):
            fields = [*FROM]
            if client_id is not None:
                fields += forwarded_by("nginx", presented(setup, client_id))
            answer = connection.send(request(client_id or "good", fields))
            if client_id is None:
                assert answer.status == 401
            else:
                bound_to = claims_of(answer.token)["cnf"]["x5t#S256"]
                assert bound_to == thumbprint(presented(setup, client_id))


@pytest.mark.parametrize("certificate", ["good", "proxy", None])
@pytest.mark.parametrize("listener", ["pinned", "all"])
def test_who_is_not_the_proxy_does_not_get_through_the_handshake(
    setup: Setup, daemon: Daemon, listener: str, certificate: str | None
) -> None:
    mark = daemon.mark()
    written = None if certificate is None else presented(setup, certificate)
    fields = [*FROM, *forwarded_by(FORMATS[listener], presented(setup, "good"))]
    with pytest.raises((ssl.SSLError, ConnectionError)), Wire(setup, listener, written) as connection:
        connection.send(request("good", fields))
    daemon.event("handshake.refused", mark, listener=listener)
    assert not daemon.events("token.issued", mark)


@pytest.mark.parametrize("given", [None, "Basic x", AUTHORIZATION + "x", "Bearer " + AUTHORIZATION[6:]])
@pytest.mark.parametrize("listener", BY_CREDENTIALS[:2])
def test_who_does_not_have_the_credentials(
    setup: Setup, daemon: Daemon, listener: str, given: str | None
) -> None:
    mark = daemon.mark()
    fields = [*FROM, *([] if given is None else [("X-Proxy-Authorization", given)])]
    fields += forwarded_by(FORMATS[listener], presented(setup, "good"))
    with wire(setup, listener) as connection:
        answer = connection.send(request("good", fields))
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")
    event = daemon.event("forwarding.refused", mark, reason="forwarded.proxy")
    assert AUTHORIZATION[6:] not in str(event)
    assert event["seen"] == ("none" if given is None else "another")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ([("X-Forwarded-For", "198.51.100.8")], "forwarded.repeated"),
        ([("x-ssl-client-cert", "")], "forwarded.repeated"),
        ([("X_SSL_Client_Cert", "x")], "forwarded.spelling"),
        ([("X-Forwarded_For", "198.51.100.8")], "forwarded.spelling"),
        ([("X-Proxy-Authorization", AUTHORIZATION)], "forwarded.unexpected"),
        ([("Client-Cert", ":AAAA:")], "forwarded.unexpected"),
    ],
)
def test_what_slips_past_a_proxy(setup: Setup, daemon: Daemon, more: Fields, reason: str) -> None:
    mark = daemon.mark()
    fields = [*FROM, *forwarded_by("nginx", presented(setup, "good")), *more]
    with wire(setup, "pinned") as connection:
        answer = connection.send(request("good", fields))
        assert (answer.status, answer.json["error"]) == (400, "invalid_request")
        event = daemon.event("forwarding.refused", mark)
        assert (event["reason"], event["listener"]) == (reason, "pinned")
        assert event["forwarded_for"] in (ADDRESS, "198.51.100.8")
        assert event["correlation_id"] == answer.json["correlation_id"]
        assert connection.send(request("good", fields[:2])).status == 200


@pytest.mark.parametrize(
    "address", [None, "", "unknown", "198.51.100.7:443", "fe80::1%eth0", "198.51.100.7,"]
)
def test_an_address_is_needed(setup: Setup, daemon: Daemon, address: str | None) -> None:
    """Or guesses and requests could not be counted by anybody."""
    mark = daemon.mark()
    fields = [*forwarded_by("nginx", presented(setup, "good"))]
    fields += [] if address is None else [("X-Forwarded-For", address)]
    with wire(setup, "pinned") as connection:
        assert connection.send(request("good", fields)).status == 400
    daemon.event("forwarding.refused", mark, reason="forwarded.malformed", field="x-forwarded-for")


def test_the_last_address_is_the_one_that_the_proxy_saw(setup: Setup, daemon: Daemon) -> None:
    mark = daemon.mark()
    fields = [
        ("X-Forwarded-For", f"203.0.113.66, {ADDRESS}"),
        *forwarded_by("nginx", presented(setup, "good")),
    ]
    with wire(setup, "pinned") as connection:
        assert connection.send(request("good", fields)).status == 200
    assert daemon.event("token.issued", mark)["address"] == ADDRESS


def test_one_client_does_not_use_up_the_proxy_s_connections(setup: Setup) -> None:
    """The proxy is one address, and opens a connection for each request that a client leaves half sent."""
    half = request("other", proxy_fields("few"))[:-1]
    with ExitStack() as stack:
        proxy = presented(setup, BY_CERTIFICATE["pinned"])
        for _ in range(3):
            stack.enter_context(Wire(setup, "few", proxy)).socket.sendall(half)
        fields = [*FROM, *forwarded_by("nginx", presented(setup, "good"))]
        with Wire(setup, "few", proxy) as connection:
            assert connection.send(request("good", fields)).status == 200
        for _ in range(2):  # but not one that has shown no certificate yet
            stack.enter_context(socket.create_connection((HOST, setup.ports["few"]), TIMEOUT))
        with pytest.raises((ssl.SSLError, ConnectionError)):
            Wire(setup, "few", proxy)


# -- a reload, on the same port ------------------------------------------------------------------------------


def test_a_listener_becomes_a_proxys_and_a_clients_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Open connections prove nothing to the new rules, neither the client's own nor the proxy's (P28)."""
    setup = proxied_setup(tmp_path_factory.mktemp("reloaded"))
    listener = setup.listener("pinned")
    forwarding = listener["forwarded"]
    forwarded = [*FROM, *forwarded_by("nginx", presented(setup, "good"))]
    with running(setup) as daemon, wire(setup, "pinned") as proxy:
        assert proxy.send(request("good", forwarded)).status == 200

        del listener["forwarded"]
        listener["client_certificate"] = "required"
        assert daemon.reload()["event"] == "reload.done"
        assert proxy.send(request("good", forwarded)).status == 400
        assert proxy.send(request("good")).status == 401
        with Wire(setup, "pinned", presented(setup, "good")) as client:
            assert client.send(request("good")).status == 200

            listener.update(client_certificate="forwarded", forwarded=forwarding)
            assert daemon.reload()["event"] == "reload.done"
            assert client.send(request("good")).status == 400
            others = [*FROM, *forwarded_by("nginx", presented(setup, "other"))]
            assert client.send(request("other", others)).status == 400
        assert proxy.send(request("good", forwarded)).status == 200
