"""Resources of twisted.web and klein behind the guard, under a stock Site and without sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from klein import Klein
from OpenSSL import crypto
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import LogLevel, globalLogPublisher
from twisted.python.failure import Failure
from twisted.web.resource import IResource, Resource
from twisted.web.server import Site

from mtlsd.resource_server.klein import guard
from mtlsd.resource_server.twisted_web import GuardedResource, certificate_of_request, verified_token
from mtlsd.resource_server.values import Verdict
from tests.unit.jose.keys import certificate
from tests.unit.resource_server.world import Later, guarding, token, x5t_s256

OWN, OTHER = certificate("P-256"), certificate("P-256", 1)
BOUND = token(cnf={"x5t#S256": x5t_s256(OWN)})
BEARER = f"Authorization: Bearer {BOUND}"


class Transport(StringTransport):
    """Of a TLS connection."""

    def __init__(self, der: bytes | None) -> None:
        base: Any = StringTransport
        base.__init__(self)
        self.der = der

    def getPeerCertificate(self) -> crypto.X509 | None:
        return None if self.der is None else crypto.load_certificate(crypto.FILETYPE_ASN1, self.der)


class Whoever(Resource):
    """Tells who is there, and where."""

    isLeaf = True

    def __init__(self) -> None:
        base: Any = Resource
        base.__init__(self)

    def render_GET(self, request: Any) -> bytes:
        where = b"/".join(request.prepath) + b" " + b"/".join(request.postpath)
        return verified_token(request).client_id.encode() + b" at " + where


class Connection:
    """One to a site."""

    def __init__(self, resource: IResource, transport: Any) -> None:
        self.transport = transport
        site: Any = Site(resource, reactor=Clock())
        self.channel = site.buildProtocol(None)
        self.channel.makeConnection(transport)

    def ask(self, *headers: str, path: str = "/a/b", method: str = "GET") -> tuple[int, str]:
        """Status, and all that was answered."""
        self.transport.clear()
        lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers, "", ""]
        self.channel.dataReceived("\r\n".join(lines).encode("latin-1"))
        said = self.transport.value().decode("latin-1")
        return (int(said.split()[1]) if said else 0), said


def connection(der: bytes | None = OWN, **more: Any) -> Connection:
    return Connection(GuardedResource(Whoever(), guarding(), **more), Transport(der))


@contextmanager
def logged() -> Iterator[list[Any]]:
    """What goes to twisted.logger."""
    events: list[Any] = []
    observer: Any = events.append
    globalLogPublisher.addObserver(observer)
    try:
        yield events
    finally:
        globalLogPublisher.removeObserver(observer)


def test_the_right_certificate() -> None:
    assert connection().ask(BEARER)[1].endswith("billing at  a/b")


def test_children() -> None:
    """They are found as if there were no guard."""
    root, inner = Resource(), Resource()
    inner.putChild(b"b", Whoever())
    root.putChild(b"a", GuardedResource(inner, guarding()))
    assert Connection(root, Transport(OWN)).ask(BEARER, path="/a/b/c?x=1")[1].endswith("billing at a/b c")
    assert Connection(root, Transport(OWN)).ask(BEARER, path="/a/x")[0] == 404
    assert Connection(root, Transport(None)).ask(BEARER, path="/a/x")[0] == 401
    for path in ("/a", "/a/", "/a/%2e%2e/a/b", "//a/b"):
        assert Connection(root, Transport(None)).ask(BEARER, path=path)[0] in (401, 404)
    with pytest.raises(NotImplementedError):
        GuardedResource(inner, guarding()).putChild(b"x", Whoever())


def test_other_connections() -> None:
    for transport in (Transport(OTHER), Transport(None), StringTransport()):
        status, said = Connection(GuardedResource(Whoever(), guarding()), transport).ask(BEARER)
        assert status == 401
        assert 'WWW-Authenticate: Bearer error="invalid_token"' in said.replace("Www", "WWW")


def test_no_header_is_a_certificate() -> None:
    for name in ("SSL-Client-Cert", "X-SSL-Client-Cert", "Client-Cert", "X-Forwarded-Client-Cert"):
        assert connection(None).ask(BEARER, f"{name}: {OWN.hex()}")[0] == 401


def test_two_fields() -> None:
    assert connection().ask(BEARER, BEARER)[0] == 400
    assert connection().ask(BEARER, "authorization: Basic YTpi")[0] == 400


def test_each_request_of_a_connection() -> None:
    """What one request has shown is worth nothing for the next."""
    kept = connection()
    assert [kept.ask(*headers)[0] for headers in ((BEARER,), (), (BEARER,))] == [200, 401, 200]


def test_scope_and_methods() -> None:
    assert connection(scope="admin").ask(BEARER)[0] == 403
    assert connection(scope="invoices:read").ask(BEARER)[0] == 200
    assert connection().ask(BEARER, method="POST")[0] == 405
    assert connection(None).ask(BEARER, "Content-Length: 0", method="POST")[0] == 401


def test_waiting_for_keys() -> None:
    later, threads = Later(), Later()
    done: list[Deferred[Verdict]] = []

    def in_thread(finish: Any) -> Deferred[Verdict]:
        waited: Deferred[Verdict] = Deferred()
        threads(lambda: waited.callback(finish()))
        done.append(waited)
        return waited

    guarded = GuardedResource(Whoever(), guarding(later), threads=in_thread)
    waiting, leaving = Connection(guarded, Transport(OWN)), Connection(guarded, Transport(OWN))
    assert waiting.ask(BEARER)[0] == 0
    assert leaving.ask(BEARER)[0] == 0
    leaving.channel.connectionLost(Failure(ConnectionDone()))
    later.run()
    threads.run()
    assert waiting.transport.value().endswith(b"billing at  a/b")
    assert leaving.transport.value() == b""


def test_a_pool_that_is_closed() -> None:
    """Nobody comes through where nothing could be checked."""
    guarded = GuardedResource(Whoever(), guarding(Later()), threads=lambda _: fail(RuntimeError("closed")))
    with logged() as events:
        assert Connection(guarded, Transport(OWN)).ask(BEARER)[0] == 500
    assert any(event["log_level"] is LogLevel.critical for event in events)


def test_what_is_logged() -> None:
    with logged() as events:
        connection(OTHER).ask(BEARER)
    (event,) = [own for own in events if "access.refused" in own.get("log_format", "")]
    assert event["code"] == "access_token.certificate_mismatch"
    assert BOUND not in str(event)


def test_the_certificate_is_hashed_as_it_is() -> None:
    """P36"""

    class Request:
        transport = Transport(OWN)

    assert certificate_of_request(Request()) == OWN


def test_a_request_without_guard() -> None:
    with pytest.raises(LookupError):
        verified_token(object())


# -- klein --------------------------------------------------------------------------------------------------


def application() -> Klein:
    app = Klein()
    guarded = guard(guarding())

    @app.route("/a/<where>", methods=["GET"])
    @guarded("invoices:read")
    def read(request: Any, where: str) -> str:
        return f"{verified_token(request).client_id} at {where}"

    @app.route("/a/<where>", methods=["POST"])
    @guarded("admin")
    async def write(request: Any, where: str) -> str:
        raise AssertionError("it is refused")

    return app


class Application:
    """With handlers that are methods."""

    app = Klein()
    guarded = staticmethod(guard(guarding()))

    @app.route("/")
    @guarded("invoices:read")
    async def read(self, request: Any) -> str:
        return f"{self.__class__.__name__} for {verified_token(request).client_id}"


def test_routes() -> None:
    def over(der: bytes | None) -> Connection:
        return Connection(application().resource(), Transport(der))

    assert over(OWN).ask(BEARER, path="/a/b")[1].endswith("\r\nbilling at b\r\n0\r\n\r\n")
    assert [over(der).ask(BEARER, path="/a/b")[0] for der in (OTHER, None)] == [401, 401]
    assert over(OWN).ask(path="/a/b")[0] == 401
    assert over(OWN).ask(BEARER, "Content-Length: 0", path="/a/b", method="POST")[0] == 403


def test_handlers_that_are_methods() -> None:
    resource = Application().app.resource()
    said = Connection(resource, Transport(OWN)).ask(BEARER, path="/")[1]
    assert "\r\nApplication for billing\r\n" in said
    assert Connection(resource, Transport(None)).ask(BEARER, path="/")[0] == 401


def test_a_scope_that_is_none() -> None:
    with pytest.raises(ValueError, match="scope"):
        guard(guarding())(["a b"])
