"""Which ports stay open at a reload, and what is said of requests that nobody could read."""

from __future__ import annotations

import json
from errno import EACCES, EADDRINUSE, EADDRNOTAVAIL, ENOENT, EROFS
from types import SimpleNamespace
from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import CannotListenError
from twisted.logger import Logger

from mtlsd import reasons
from mtlsd.errors import Fact, Refusal
from mtlsd.ops.audit import utc_now
from mtlsd.service import listening as module
from mtlsd.service.front import _audit_refused, _error_body
from mtlsd.service.listening import Listening, Prepared, kept_open
from mtlsd.tls.peer import Peer
from mtlsd.web.serving import Current


def listening(**endpoints: str) -> dict[str, Listening]:
    anything = cast(Any, None)
    listeners = {name: SimpleNamespace(name=name, endpoint=endpoint) for name, endpoint in endpoints.items()}
    return {name: Listening(cast(Any, listener), anything, anything) for name, listener in listeners.items()}


def prepared(**endpoints: str) -> list[Prepared]:
    return [
        cast(Prepared, SimpleNamespace(name=name, listener=own.listener))
        for name, own in listening(**endpoints).items()
    ]


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        pytest.param({"a": "tcp:1"}, {"a": "tcp:1"}, {"a": "a"}, id="nothing changes"),
        pytest.param({"a": "tcp:1"}, {"b": "tcp:1"}, {"b": "a"}, id="a name"),
        pytest.param({"a": "tcp:1"}, {"a": "tcp:2"}, {}, id="an endpoint"),
        pytest.param(
            {"a": "tcp:1", "b": "tcp:2"}, {"a": "tcp:2", "b": "tcp:1"}, {"a": "b", "b": "a"}, id="a swap"
        ),
        pytest.param(
            {"a": "tcp:1"}, {"b": "tcp:1", "a": "tcp:2"}, {"b": "a"}, id="the old name goes elsewhere"
        ),
        pytest.param({"a": "tcp:0", "b": "tcp:0"}, {"b": "tcp:0"}, {"b": "b"}, id="any port, by name"),
        pytest.param(
            {"a": "tcp:0", "b": "tcp:0"}, {"c": "tcp:0", "b": "tcp:0"}, {"b": "b", "c": "a"}, id="any port"
        ),
    ],
)
def test_a_port_stays_open_where_its_endpoint_stays(
    old: dict[str, str], new: dict[str, str], kept: dict[str, str]
) -> None:
    before = listening(**old)
    found = kept_open(before, prepared(**new))
    assert found == {name: before[was] for name, was in kept.items()}


def opening(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> OSError:
    """Open a listener at an endpoint that cannot be opened."""
    monkeypatch.setattr(module, "Front", lambda *_: None)
    listener = SimpleNamespace(name="mtls", endpoint=endpoint)
    one = cast(Prepared, SimpleNamespace(listener=listener, tls=None, door=None))
    failures: list[Any] = []
    opened = Listening.open(one, cast(Any, None), reactor=None)
    Deferred.fromCoroutine(opened).addErrback(failures.append)
    [failure] = failures
    assert isinstance(failure.value, OSError)
    return failure.value


@pytest.mark.parametrize("which", ["name=mtls", "index=0"])
def test_a_socket_that_systemd_has_not_passed(which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service was started without its socket: no traceback, but what to do."""
    monkeypatch.delenv("LISTEN_FDS", raising=False)
    error = opening(f"systemd:domain=INET6:{which}", monkeypatch)
    assert (error.errno, error.filename) == (EADDRNOTAVAIL, f"listener mtls, systemd:domain=INET6:{which}")
    assert "start the socket unit" in str(error)


@pytest.mark.parametrize(("code", "remedy"), [(EADDRINUSE, "ss -ltnp"), (EACCES, "CAP_NET_BIND_SERVICE")])
def test_a_port_that_is_not_to_be_had(code: int, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = CannotListenError("", 443, OSError(code, "no"))
    endpoint = SimpleNamespace(listen=lambda front: fail(taken))
    monkeypatch.setattr(module, "serverFromString", lambda reactor, text: endpoint)
    error = opening("tcp:443", monkeypatch)
    assert (error.errno, error.filename) == (code, "listener mtls, tcp:443")
    assert remedy in str(error)


@pytest.mark.parametrize("code", [EACCES, ENOENT, EROFS])
def test_a_socket_where_mtlsd_may_not_write(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twisted locks it first, and what it cannot make then is no port."""

    def listen(front: object) -> None:
        raise OSError(code, "no", "1070")

    monkeypatch.setattr(module, "serverFromString", lambda reactor, text: SimpleNamespace(listen=listen))
    error = opening("unix:/run/nginx.sock", monkeypatch)
    assert (error.errno, error.filename) == (code, "listener mtls, unix:/run/nginx.sock")
    assert "such as /run/mtlsd" in str(error)


class Connection:
    """A transport, as far as it is asked for its peer."""

    def getHandle(self) -> object:
        return SimpleNamespace(peer=Peer("mtls", "192.0.2.1"))


@pytest.mark.parametrize("is_proxy", [False, True])
def test_a_proxy_that_gets_no_connection_is_told_from_clients(is_proxy: bool) -> None:
    events: list[tuple[str, dict[str, Fact]]] = []
    current = Current(cast(Any, None), lambda *event: events.append(event), utc_now, lambda: "an-id")
    peer = Peer("dmz", "192.0.2.1", is_proxy=is_proxy)
    _audit_refused(current, Logger())(peer, Refusal(reasons.CHAIN_UNTRUSTED))
    [(name, facts)] = events
    assert name == "handshake.refused"
    assert facts.get("role") == ("proxy" if is_proxy else None)


def test_a_request_that_nobody_could_read_has_an_event() -> None:
    """With the correlation id of the answer; what strangers say in it is kept short."""
    events: list[tuple[str, dict[str, Fact]]] = []
    current = Current(cast(Any, None), lambda *event: events.append(event), utc_now, lambda: "an-id")
    refusal = Refusal(reasons.REQUEST_MALFORMED, {"rule": "RFC 9112 section 5", "detail": "x" * 9000})
    _, body = _error_body(current, lambda: "mtls")(refusal, Connection())
    assert json.loads(body)["correlation_id"] == "an-id"
    [(name, facts)] = events
    assert name == "request.refused"
    assert facts["correlation_id"] == "an-id"
    assert facts["reason"] == "request.malformed"
    assert (facts["listener"], facts["address"]) == ("mtls", "192.0.2.1")
    assert len(str(facts["detail"])) < 300
