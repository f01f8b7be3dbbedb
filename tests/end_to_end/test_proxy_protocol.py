"""The header of the PROXY protocol: before TLS that is passed on, and with the client's certificate in it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from ssl import SSLError

import pytest

from tests.end_to_end.clients import TIMEOUT, Answer
from tests.end_to_end.daemon import Daemon, running
from tests.end_to_end.proxying import Fields, Wire, der, forwarded_by, presented, proxied_setup, request
from tests.end_to_end.setup import HOST, Setup
from tests.end_to_end.test_crossing import thumbprint
from tests.end_to_end.test_grants import claims_of
from tests.unit.forwarded.test_proxy_protocol import ADDRESSES, SOURCE, of_ghostunnel, ssl, tlvs, v2

V1 = f"PROXY TCP4 {SOURCE} 198.51.100.1 4242 443\r\n".encode()
LOCAL = v2(b"", command=0x20, family=0)
GONE = (SSLError, ConnectionError)


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    setup = proxied_setup(tmp_path_factory.mktemp("passed-on"))
    for name, version, proxies in (("v1", 1, HOST), ("v2", 2, HOST), ("others", 2, "192.0.2.0/24")):
        setup.add_listener(name, "required", proxy_protocol={"version": version, "proxies": [proxies]})
    setup.add_listener(
        "few",
        "required",
        proxy_protocol={"version": 2, "proxies": [HOST]},
        limits={"connections_per_address": 1, "handshake_seconds": 1},
    )
    return setup


@pytest.fixture(scope="module", autouse=True)
def daemon(setup: Setup) -> Iterator[Daemon]:
    with running(setup) as running_daemon:
        yield running_daemon


def passed_on(setup: Setup, listener: str, header: bytes) -> Answer:
    with Wire(setup, listener, presented(setup, "good"), header) as connection:
        return connection.send(request("good"))


def piped(setup: Setup, header: bytes, fields: Fields = ()) -> Answer:
    with Wire(setup, "piped", None, header) as connection:
        return connection.send(request("good", fields))


# -- TLS that a proxy passes on ------------------------------------------------------------------------------


@pytest.mark.parametrize(("listener", "header"), [("v1", V1), ("v2", v2()), ("v2", of_ghostunnel(None))])
def test_clients_keep_their_addresses(setup: Setup, daemon: Daemon, listener: str, header: bytes) -> None:
    mark = daemon.mark()
    answer = passed_on(setup, listener, header)
    assert claims_of(answer.token)["cnf"] == {"x5t#S256": thumbprint(presented(setup, "good"))}
    assert daemon.event("token.issued", mark)["address"] == str(SOURCE)


@pytest.mark.parametrize(("listener", "header"), [("v1", b"PROXY UNKNOWN\r\n"), ("v2", LOCAL)])
def test_a_proxy_that_tells_nothing(setup: Setup, daemon: Daemon, listener: str, header: bytes) -> None:
    """It is as if the client had come from the proxy, as it has."""
    mark = daemon.mark()
    assert passed_on(setup, listener, header).status == 200
    assert daemon.event("token.issued", mark)["address"] == HOST


def test_a_certificate_in_the_header_is_nobodys(setup: Setup, daemon: Daemon) -> None:
    """Where TLS is passed on, the handshake alone proves anything."""
    mark = daemon.mark()
    header = of_ghostunnel(der(presented(setup, "good")))
    with Wire(setup, "v2", presented(setup, "other"), header) as connection:
        assert connection.send(request("good")).status == 401
    daemon.event("token.refused", mark, reason="subject.mismatch")


@pytest.mark.parametrize(
    ("listener", "header"),
    [
        ("v1", v2()),
        ("v2", V1),
        ("v1", b""),
        ("v2", b""),
        ("v1", b"GET / HTTP/1.1\r\n"),
        ("v2", v2(ADDRESSES + b"\x03")),  # TLVs that are cut off
    ],
)
def test_every_other_beginning(setup: Setup, daemon: Daemon, listener: str, header: bytes) -> None:
    mark = daemon.mark()
    with pytest.raises(GONE):
        passed_on(setup, listener, header)
    event = daemon.event("forwarding.refused", mark, reason="forwarded.proxy_header", listener=listener)
    assert event["address"] == HOST


def test_nobody_else_sends_the_header(setup: Setup, daemon: Daemon) -> None:
    mark = daemon.mark()
    with pytest.raises(GONE):
        passed_on(setup, "others", v2())
    daemon.event("forwarding.refused", mark, reason="forwarded.proxy", listener="others")


def test_limits_are_the_clients(setup: Setup, daemon: Daemon) -> None:
    """One connection from an address, and the proxy is not the address."""
    another = v2(bytes([192, 0, 2, 8]) + ADDRESSES[4:])
    with ExitStack() as stack:
        for header in (v2(), another):
            wire = stack.enter_context(Wire(setup, "few", presented(setup, "good"), header))
            assert wire.send(request("good")).status == 200
        with pytest.raises(GONE):
            passed_on(setup, "few", v2())


def test_whoever_sends_no_header_is_not_waited_for(setup: Setup, daemon: Daemon) -> None:
    mark = daemon.mark()
    with socket.create_connection((HOST, setup.ports["few"]), TIMEOUT) as connection:
        connection.sendall(v2()[:-1])
        with suppress(ConnectionError):
            assert connection.recv(1) == b""
    assert daemon.event("forwarding.refused", mark)["listener"] == "few"


# -- the client's certificate in the header ------------------------------------------------------------------


def test_certificate_of_the_header(setup: Setup, daemon: Daemon) -> None:
    mark = daemon.mark()
    answer = piped(setup, of_ghostunnel(der(presented(setup, "good"))))
    assert claims_of(answer.token)["cnf"] == {"x5t#S256": thumbprint(presented(setup, "good"))}
    event = daemon.event("token.issued", mark)
    assert (event["listener"], event["address"]) == ("piped", str(SOURCE))


def test_another_certificate(setup: Setup) -> None:
    assert piped(setup, of_ghostunnel(der(presented(setup, "other")))).status == 401


@pytest.mark.parametrize("header", [of_ghostunnel(None), v2(), LOCAL])
def test_no_certificate(setup: Setup, daemon: Daemon, header: bytes) -> None:
    mark = daemon.mark()
    assert piped(setup, header).status == 401
    daemon.event("token.refused", mark, reason="certificate.absent")


def test_a_certificate_that_the_proxy_withholds(setup: Setup, daemon: Daemon) -> None:
    """As HAProxy does: that the client has one is no proof of which."""
    mark = daemon.mark()
    header = v2(ADDRESSES + tlvs(ssl(0x07, (0x21, b"TLSv1.3"), (0x22, b"good"))))
    assert piped(setup, header).status == 400
    daemon.event("forwarding.refused", mark, reason="forwarded.malformed")


@pytest.mark.parametrize("form", ["nginx", "envoy", "rfc9440", "haproxy", "traefik", "wso2"])
def test_no_field_takes_its_place(setup: Setup, daemon: Daemon, form: str) -> None:
    mark = daemon.mark()
    fields = forwarded_by(form, presented(setup, "good"))
    assert piped(setup, of_ghostunnel(der(presented(setup, "other"))), fields).status == 400
    daemon.event("forwarding.refused", mark, reason="forwarded.unexpected")
