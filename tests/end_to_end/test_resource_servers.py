"""Resource servers of four kinds, which check the tokens of a running mtlsd on connections with certificates.

The servers are the examples of docs/resource-servers.md: R16, R18, R24, R25.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

import attrs
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtlsd.jose.jwt import AT_JWT, sign_jwt
from mtlsd.keys.files import load
from tests.end_to_end.clients import Answer, NoAnswer, Session
from tests.end_to_end.daemon import DEADLINE, Daemon, eventually, mtlsd, running
from tests.end_to_end.setup import HOST, Setup, free_port
from tests.end_to_end.test_introspection import certificate, issued, post, presented, thumbprint

PAGE = Path(__file__).parents[2] / "docs/resource-servers.md"
EXAMPLES = PAGE.parent / "examples"
BIN = Path(sys.executable).parent
RESOURCE = "https://invoices.example"
WSGI = ("gunicorn", "--certfile", "CERT", "--keyfile", "KEY", "--ca-certs", "CA", "--cert-reqs", "1")
ASGI = ("--ssl-certfile", "CERT", "--ssl-keyfile", "KEY", "--ssl-ca-certs", "CA", "--ssl-cert-reqs", "1")
UVICORN = ("uvicorn", "--http", "mtlsd.resource_server.uvicorn:CertificateProtocol", *ASGI)
COMMANDS = {
    "twisted": ("python", "resource_twisted.py", "PORT", "CERT", "KEY", "CA"),
    "klein": ("python", "resource_klein.py", "PORT", "CERT", "KEY", "CA"),
    "flask": (*WSGI, "--bind", f"{HOST}:PORT", "--worker-class", "gthread", "resource_flask:app"),
    "starlette": (*UVICORN, "--host", HOST, "--port", "PORT", "resource_starlette:app"),
}
ALONE = {  # what the other examples do; the tests that all have in common are not for them
    "bare": ("python", "resource_bare.py", "PORT", "CERT", "KEY", "CA"),
    "proxied": (*WSGI, "--bind", f"{HOST}:PORT", "resource_behind_nginx:app"),
}
MODES = ("keys", "introspection")
SERVERS = [(kind, mode) for kind in COMMANDS for mode in MODES]


@attrs.frozen
class ResourceServer:
    """One that runs."""

    setup: Setup
    port: int
    log: Path

    def get(self, token: str | None, certificate: str | None, method: str = "GET", **headers: str) -> Answer:
        """Ask for /invoices over a connection of its own."""
        own = None if certificate is None else presented(self.setup, certificate)
        found = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            found["Authorization"] = f"Bearer {token}"
        with Session(f"https://{HOST}:{self.port}/invoices", self.setup.ca_file, own) as session:
            return session.request(method, None, found)

    def listens(self) -> bool:
        try:
            self.get(None, None)
        except (NoAnswer, OSError):
            return False
        return True

    def has_logged(self, code: str) -> bool:
        return f"access.refused {code} " in self.log.read_text()


@contextmanager
def serving(setup: Setup, kind: str, mode: str) -> Iterator[ResourceServer]:
    server = ResourceServer(setup, free_port(), setup.directory / f"{kind}-{mode}.log")
    files = {"CERT": "server.pem", "KEY": "server.key", "CA": "partners.pem"}
    told = {name: str(setup.directory / file) for name, file in files.items()} | {"PORT": str(server.port)}
    command = [told.get(word, word.replace("PORT", str(server.port))) for word in {**COMMANDS, **ALONE}[kind]]
    environ = {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "ISSUER": setup.issuer,
        "ISSUER_CA": str(setup.ca_file),
        "AUDIENCE": RESOURCE,
        "PROXY_CERTIFICATE": str(presented(setup, "proxy").certificate),
    }
    if mode == "introspection":
        own = presented(setup, "api")
        environ |= {"CLIENT_ID": "api", "CERTIFICATE": str(own.certificate), "KEY": str(own.key)}
    with server.log.open("wb") as log:
        process = subprocess.Popen(
            [BIN / command[0], *command[1:]], cwd=EXAMPLES, env=environ, stdout=log, stderr=log
        )
    try:
        eventually(lambda: process.poll() is not None or server.listens(), server.log.read_text())
        assert process.poll() is None, server.log.read_text()
        yield server
        process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE)
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in server.log.read_text(), server.log.read_text()


def shown_commands() -> list[str]:
    """The commands of the page."""
    shown = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [" ".join(command.replace("\\\n", " ").split()) for command in shown]


@pytest.mark.parametrize(("kind", "program"), [("flask", "gunicorn"), ("starlette", "uvicorn")])
def test_the_commands_are_those_of_the_page(kind: str, program: str) -> None:
    files = {"CERT": "server.pem", "KEY": "server.key", "CA": "client-ca.pem"}
    more = {"--bind", "--worker-class", "--host", "--port"}  # where this machine has a free port
    words = list(COMMANDS[kind])
    kept = [
        files.get(word, word) for before, word in zip(["", *words], words, strict=False)
        if not {before, word} & more
    ]  # fmt: skip
    assert " ".join(kept) in shown_commands()
    assert kept[0] == program


@attrs.frozen
class World:
    setup: Setup
    daemon: Daemon
    servers: Mapping[tuple[str, str], ResourceServer]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    setup = Setup(tmp_path_factory.mktemp("resources") / "daemon")
    setup.listener("mtls")["serves"] = ["token", "introspection", "revocation"]
    resources = [RESOURCE, "https://other.example"]
    for name in ("alice", "bob", "api", "proxy"):
        setup.leaf(name, x509.DNSName(f"{name}.example"), issuer=setup.pki.root)
    for name in ("alice", "bob"):
        setup.add_client(name, tls_client_auth_san_dns=f"{name}.example", resources=resources)
    setup.add_client("opaque", tls_client_auth_san_dns="opaque.example", resources=resources,
                     access_token_format="opaque")  # fmt: skip
    setup.leaf("opaque", x509.DNSName("opaque.example"), issuer=setup.pki.root)
    setup.add_client("unbound", tls_client_auth_san_dns="unbound.example", resources=resources,
                     tls_client_certificate_bound_access_tokens=False)  # fmt: skip
    setup.leaf("unbound", x509.DNSName("unbound.example"), issuer=setup.pki.root)
    setup.add_client("api", tls_client_auth_san_dns="api.example", introspects=resources, grant_types=[])
    with running(setup) as daemon, ExitStack() as stack:
        servers = {server: stack.enter_context(serving(setup, *server)) for server in SERVERS}
        yield World(setup, daemon, servers)


@pytest.fixture(params=SERVERS, ids="-".join)
def server(world: World, request: pytest.FixtureRequest) -> ResourceServer:
    return world.servers[request.param]


def token_of(world: World, client_id: str = "alice", scope: str = "invoices:read", **form: str) -> str:
    return issued(world.setup, client_id, scope=scope, **{"resource": RESOURCE, **form})


def refused(answer: Answer, status: int = 401, error: str = "invalid_token") -> None:
    assert (answer.status, answer.json["error"]) == (status, error), answer.body
    assert answer.headers["www-authenticate"].startswith(f'Bearer error="{error}", error_description="')


def test_the_right_certificate(world: World, server: ResourceServer) -> None:
    answer = server.get(token_of(world), "alice")
    assert (answer.status, answer.body) == (200, b"alice reads\n")


def test_another_certificate(world: World, server: ResourceServer) -> None:
    """R16: a good certificate of a client that is good itself."""
    answer = server.get(token_of(world), "bob")
    refused(answer)
    assert b"certificate" not in answer.body
    assert "certificate" not in answer.headers["www-authenticate"]
    assert server.has_logged("access_token.certificate_mismatch")


def test_no_certificate(world: World, server: ResourceServer) -> None:
    refused(server.get(token_of(world), None))
    assert server.has_logged("access_token.certificate_absent")


def test_no_token(server: ResourceServer) -> None:
    """RFC 6750 section 3.1: no error code for whoever has brought nothing."""
    answer = server.get(None, "alice")
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert "error" not in answer.json


def test_an_unbound_token(world: World, server: ResourceServer) -> None:
    """There is no fallback to bearer tokens."""
    token = token_of(world, "unbound")
    for own in ("unbound", "alice", None):
        refused(server.get(token, own))
    assert server.has_logged("access_token.unbound")


def test_another_audience(world: World, server: ResourceServer) -> None:
    refused(server.get(token_of(world, resource="https://other.example"), "alice"))
    assert server.has_logged("access_token.audience")


def signed(world: World, **claims: object) -> str:
    """A token that the daemon might have issued at another time: with its key."""
    now = int(time.time())
    whole = {
        "iss": world.setup.issuer,
        "sub": "alice",
        "client_id": "alice",
        "aud": RESOURCE,
        "scope": "invoices:read",
        "cnf": {"x5t#S256": thumbprint(world.setup, "alice")},
        "iat": now,
        "exp": now + 60,
        "jti": "made-here",
    }
    return sign_jwt({**whole, **claims}, load(world.setup.directory / "keys").signer, AT_JWT)


def test_an_expired_token(world: World, server: ResourceServer) -> None:
    assert server.get(signed(world), "alice").status == 200
    hour_ago = int(time.time()) - 3600
    refused(server.get(signed(world, iat=hour_ago, exp=hour_ago + 300), "alice"))


def test_too_little_scope(world: World, server: ResourceServer) -> None:
    answer = server.get(token_of(world, scope="invoices:write"), "alice")
    refused(answer, 403, "insufficient_scope")
    assert answer.headers["www-authenticate"].endswith(', scope="invoices:read"')


def test_forged_tokens(world: World, server: ResourceServer) -> None:
    header, claims, signature = token_of(world).split(".")
    none = (
        base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "at+jwt"}).encode()).decode().rstrip("=")
    )
    other = token_of(world, "bob").split(".")
    for forged in (
        f"{none}.{claims}.",
        f"{none}.{claims}.{signature}",
        f"{header}.{other[1]}.{signature}",
        f"{header}.{claims}.{signature[:-4]}AAAA",
    ):
        refused(server.get(forged, "alice"))


def test_a_header_is_no_certificate(world: World, server: ResourceServer) -> None:
    """P26: no header makes another's certificate that of the connection."""
    token, pem = token_of(world), presented(world.setup, "alice").certificate.read_text()
    der = base64.b64encode(certificate(world.setup, "alice").public_bytes(Encoding.DER)).decode()
    one_line = pem.replace("\n", " ")
    for name, value in {
        "SSL_CLIENT_CERT": one_line,
        "X_SSL_Client_Cert": one_line,
        "Client_Cert": f":{der}:",
        "X_Forwarded_Client_Cert": f"Cert={der}",
        "gunicorn.socket": der,
        "tls": one_line,
    }.items():
        for own in ("bob", None):
            refused(server.get(token, own, **{name: value}))


def test_a_token_elsewhere(world: World, server: ResourceServer) -> None:
    """RFC 6750 sections 2.2 and 2.3 are not served."""
    token, own = token_of(world), presented(world.setup, "alice")
    url = f"https://{HOST}:{server.port}/invoices?access_token={token}"
    with Session(url, world.setup.ca_file, own) as session:
        assert session.request("GET").status == 401
    with Session(url.partition("?")[0], world.setup.ca_file, own) as session:
        assert session.post({"access_token": token}).status == 401


def test_two_authorization_fields(world: World, server: ResourceServer) -> None:
    own = presented(world.setup, "alice")
    with Session(f"https://{HOST}:{server.port}/invoices", world.setup.ca_file, own) as session:
        session.connection.putrequest("GET", "/invoices")
        for token in (token_of(world), token_of(world)):
            session.connection.putheader("Authorization", f"Bearer {token}")
        session.connection.endheaders()
        got = session.connection.getresponse()
        answer = Answer(got.status, got.read(), {name.lower(): value for name, value in got.getheaders()})
    refused(answer, 400, "invalid_request")


def test_one_connection_for_many_requests(world: World, server: ResourceServer) -> None:
    """Each request is checked by itself."""
    own = presented(world.setup, "alice")
    mine, others = token_of(world), token_of(world, "bob")
    with Session(f"https://{HOST}:{server.port}/invoices", world.setup.ca_file, own) as session:
        statuses = [
            session.request("GET", None, {"Authorization": f"Bearer {token}"}).status
            for token in (mine, others, mine, "x", mine)
        ]
    assert statuses == [200, 401, 200, 401, 200]


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_revoked_token(world: World, kind: str) -> None:
    """By introspection it ends at once; by keys it lives to its end, and that is what keys are."""
    token = token_of(world)
    assert world.servers[kind, "introspection"].get(token, "alice").status == 200
    assert post(world.setup, "/revoke", "alice", token=token).status == 200
    refused(world.servers[kind, "introspection"].get(token, "alice"))
    assert world.servers[kind, "introspection"].has_logged("access_token.inactive")
    assert world.servers[kind, "keys"].get(token, "alice").status == 200


@pytest.mark.parametrize("kind", COMMANDS)
def test_an_opaque_token(world: World, kind: str) -> None:
    token = token_of(world, "opaque")
    assert world.servers[kind, "introspection"].get(token, "opaque").status == 200
    refused(world.servers[kind, "introspection"].get(token, "alice"))
    refused(world.servers[kind, "keys"].get(token, "opaque"))


@pytest.mark.parametrize("kind", ["klein", "flask"])
def test_each_route_has_its_scope(world: World, kind: str) -> None:
    both, read = token_of(world, scope="invoices:read invoices:write"), token_of(world)
    server = world.servers[kind, "keys"]
    assert server.get(both, "alice", "POST").body == b"alice writes\n"
    refused(server.get(read, "alice", "POST"), 403, "insufficient_scope")


@pytest.mark.parametrize("kind", COMMANDS)
def test_keys_are_rotated(world: World, kind: str) -> None:
    """No resource server is restarted, nor told; tokens that older keys have signed live on."""
    server = world.servers[kind, "keys"]
    kids = []
    first = token_of(world)
    for _ in range(3):  # the second key was published before it signed; the others were never seen
        mark = world.daemon.mark()
        mtlsd("keys", "rotate", "-c", world.setup.config)
        world.daemon.reload()
        world.daemon.event("reload.done", mark)
        token = token_of(world)
        kids.append(json.loads(_decoded(token.split(".")[0]))["kid"])
        assert server.get(token, "alice").status == 200
    assert len(set(kids)) == 3
    assert server.get(first, "alice").status == 200


def test_without_a_wrapper(world: World) -> None:
    token = token_of(world)
    with serving(world.setup, "bare", "keys") as server:
        assert server.get(token, "alice").status == 200
        for own in ("bob", None):
            refused(server.get(token, own))


def forwarded(setup: Setup, name: str) -> str:
    """As nginx does it."""
    return quote(presented(setup, name).certificate.read_text(), safe="")


def test_behind_a_proxy(world: World) -> None:
    """R23, P26, P28: the proxy speaks for its clients, and nobody else does, nor has it a token itself."""
    token = token_of(world)
    mine, others = (forwarded(world.setup, name) for name in ("alice", "bob"))
    with serving(world.setup, "proxied", "keys") as server:
        assert server.get(token, "proxy", X_SSL_Client_Cert=mine).status == 200
        refused(server.get(token, "proxy", X_SSL_Client_Cert=others))
        refused(server.get(token, "proxy", X_SSL_Client_Cert=""))
        refused(server.get(token, "proxy"))
        for bad in (f"{mine},{mine}", mine[:-40], "x"):
            refused(server.get(token, "proxy", X_SSL_Client_Cert=bad), 400, "invalid_request")
        for own in ("bob", "alice", None):
            for headers in ({"X_SSL_Client_Cert": mine}, {}):
                refused(server.get(token, own, **headers), 400, "invalid_request")
        assert server.has_logged("forwarded.proxy")
        assert server.has_logged("forwarded.malformed")


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
