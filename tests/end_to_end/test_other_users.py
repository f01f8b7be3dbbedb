"""Other users of the machine, at a UNIX socket that is a proxy's: its mode lets everybody connect."""

from __future__ import annotations

import os
import pwd
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from mtlsd.service.other_users import MOST
from tests.end_to_end.clients import TIMEOUT
from tests.end_to_end.daemon import Daemon, running
from tests.end_to_end.proxying import plain, proxied, proxied_setup
from tests.end_to_end.setup import HOST, Setup

REQUEST = b"GET /jwks HTTP/1.1\r\nHost: as.example.com\r\n\r\n"


def another_user() -> str:
    names = (entry.pw_name for entry in pwd.getpwall() if entry.pw_uid != os.getuid())
    return next(name for name in names if name != "nobody")


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    setup = proxied_setup(tmp_path_factory.mktemp("others"))
    for name, form in (("fields", "nginx"), ("over-tls", "nginx"), ("header", "proxy-v2")):
        listener = proxied(setup, name, form, proxy_users=[another_user()])
        listener["endpoint"] = f"unix:{setup.directory / name}"
        if name != "over-tls":
            plain(listener)
    return setup


@pytest.fixture(scope="module", autouse=True)
def daemon(setup: Setup) -> Iterator[Daemon]:
    with running(setup) as running_daemon:
        yield running_daemon


def connected(setup: Setup, name: str) -> socket.socket:
    raw = socket.socket(socket.AF_UNIX)
    raw.settimeout(TIMEOUT)
    raw.connect(str(setup.directory / name))
    return raw


def is_answered(connection: socket.socket) -> bool:
    try:
        connection.sendall(REQUEST)
        return connection.recv(4096).startswith(b"HTTP/1.1 400 ")
    except ConnectionError:
        return False


def test_a_few_are_told(setup: Setup) -> None:
    """However many they are, and however long they stay."""
    with ExitStack() as stack:
        answered = [is_answered(stack.enter_context(connected(setup, "fields"))) for _ in range(3 * MOST)]
    assert answered == [True] * MOST + [False] * 2 * MOST
    assert any(comes_in(setup) for _ in range(200))  # as soon as mtlsd has heard that those are gone


def comes_in(setup: Setup) -> bool:
    with connected(setup, "fields") as connection:
        return is_answered(connection)


def test_over_tls(setup: Setup) -> None:
    context = ssl.create_default_context(cafile=setup.ca_file)
    answered = 0
    with ExitStack() as stack:
        for _ in range(2 * MOST):
            raw = stack.enter_context(connected(setup, "over-tls"))
            try:
                answered += is_answered(stack.enter_context(context.wrap_socket(raw, server_hostname=HOST)))
            except OSError:
                continue
    assert answered == MOST


def test_nobody_waits_for_their_headers(setup: Setup, daemon: Daemon) -> None:
    mark = daemon.mark()
    with connected(setup, "header") as connection:
        assert not is_answered(connection)
    event = daemon.event("forwarding.refused", mark, listener="header")
    assert (event["reason"], event["expected"]) == ("forwarded.proxy", "one of proxy_users")
