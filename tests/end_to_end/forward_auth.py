"""An application that believes its proxy, and proxies before it as docs/forward-auth.md shows them."""

from __future__ import annotations

import getpass
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import mkdtemp
from threading import Thread
from typing import Any

import attrs
from cryptography import x509

from tests.end_to_end.clients import TIMEOUT, TLS_1_3, Answer, context, curl, request_token
from tests.end_to_end.daemon import eventually
from tests.end_to_end.setup import HOST, Setup, free_port
from tests.end_to_end.test_introspection import presented, revoke
from tests.end_to_end.tree import ROOT

API, ELSEWHERE = "https://api.example.com/", "urn:example:elsewhere"
Fields = Sequence[tuple[str, str]]
FORMATS: Mapping[str, dict[str, str]] = {
    "nginx": {"format": "nginx"},
    "caddy": {"format": "header", "encoding": "base64-der", "header": "X-SSL-Client-Cert"},
    "traefik": {"format": "traefik"},
    "envoy": {"format": "envoy", "client_address": "X-Envoy-External-Address"},
}


class ForwardAuthSetup(Setup):
    """Clients with tokens of each format, and a listener for each proxy.

    :ivar sockets: where the listeners are; others may come there, and the names are short.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.sockets = Path(mkdtemp())
        self.sockets.chmod(0o755)
        self.listener("mtls")["serves"] = ["token", "revocation"]
        self.document["trust_anchors"][0]["revocation"] = {"crl": ["root.crl"]}
        changes: dict[str, dict[str, Any]] = {
            "jwt": {},
            "opaque": {"access_token_format": "opaque"},
            "other": {},
            "unbound": {"tls_client_certificate_bound_access_tokens": False},
        }
        for name, more in changes.items():
            self.leaf(name, x509.DNSName(f"{name}.example"), issuer=self.pki.root)
            known = {"tls_client_auth_san_dns": f"{name}.example", "resources": [API, ELSEWHERE]}
            self.add_client(name, **known, **more)
        revoke(self, 1)
        for name, form in FORMATS.items():
            self._add_proxied(name, form)

    def socket(self, name: str) -> Path:
        return self.sockets / name

    def token(self, client_id: str, **form: str) -> str:
        own, wanted = presented(self, client_id), {"resource": API, **form}
        return curl(self.url(), self.ca_file, own, request_token(client_id, **wanted), TLS_1_3).token

    def _add_proxied(self, name: str, form: Mapping[str, str]) -> None:
        self.add_listener(
            name,
            "forwarded",
            endpoint=f"unix:{self.socket(name)}:mode=666",
            public_url="https://as.example.com",
            serves=["forward-auth"],
            forwarded={**form, "proxy_users": [getpass.getuser()]},
        )
        for key in ("certificate", "key"):
            del self.listener(name)[key]


@attrs.define
class Application:
    """Tells in its answer which fields it has got.

    :ivar port: where it listens, without TLS.
    """

    port: int


@contextmanager
def application() -> Iterator[Application]:
    server = ThreadingHTTPServer((HOST, 0), _Echo)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Application(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps([self.command, self.path, self.headers.items()]).encode("ascii")
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nobody reads it."""


@attrs.define
class Proxy:
    """One that stands before the application.

    :ivar port: where clients come, with TLS.
    """

    setup: ForwardAuthSetup
    port: int

    def ask(
        self,
        token: str | None,
        over: str | None,
        fields: Fields = (),
        *,
        path: str = "/invoices?page=1",
        method: str = "GET",
        body: bytes | None = None,
    ) -> Answer:
        """A request with somebody's certificate, or with none."""
        tls = context(self.setup.ca_file, None if over is None else presented(self.setup, over))
        connection = http.client.HTTPSConnection("localhost", self.port, context=tls, timeout=TIMEOUT)
        try:
            connection.putrequest(method, path)
            if token is not None:
                connection.putheader("Authorization", f"Bearer {token}")
            for name, value in fields:
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            got = connection.getresponse()
            return Answer(got.status, got.read(), {name.lower(): own for name, own in got.getheaders()})
        finally:
            connection.close()


def seen_by_application(answer: Answer) -> dict[str, list[str]]:
    """The fields that the application has got, by their names as CGI would have them."""
    assert answer.status == 200, answer.body
    found: dict[str, list[str]] = {}
    for name, value in json.loads(answer.body)[2]:
        found.setdefault(name.lower().replace("-", "_"), []).append(value)
    return found


def shown(language: str) -> str:
    """The configuration of the page."""
    page = (ROOT / "docs/forward-auth.md").read_text("utf-8")
    (block,) = re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    text: str = block
    return text


_AROUND_NGINX = """
daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
{user}
events {{}}
http {{
  access_log off;
  client_body_temp_path temp;
  proxy_temp_path temp;
  fastcgi_temp_path temp;
  uwsgi_temp_path temp;
  scgi_temp_path temp;
{server}
}}
"""
_AROUND_CADDY = """
{
	admin off
	auto_https off
	skip_install_trust
}
"""


def _configured(setup: ForwardAuthSetup, text: str, replaced: Mapping[str, str]) -> str:
    """What a page shows, with the ports and files of here."""
    here = {
        "/etc/ssl/api.example.com.pem": f"{setup.directory}/server.pem",
        "/etc/ssl/private/api.example.com.key": f"{setup.directory}/server.key",
        **replaced,
    }
    for old, new in here.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


@contextmanager
def nginx(setup: ForwardAuthSetup, behind: Application) -> Iterator[Proxy]:
    port, directory = free_port(), Path(mkdtemp())
    text = _configured(
        setup,
        shown("nginx"),
        {
            "listen 443 ssl": f"listen {HOST}:{port} ssl",
            "127.0.0.1:8080": f"{HOST}:{behind.port}",
            "/run/mtlsd/forward-auth.sock": str(setup.socket("nginx")),
        },
    )
    user = "user root;" if os.geteuid() == 0 else ""
    (directory / "nginx.conf").write_text(_AROUND_NGINX.format(user=user, server=text))
    with _running(["nginx", "-p", str(directory), "-c", "nginx.conf", "-e", "error.log"], directory, port):
        yield Proxy(setup, port)


@contextmanager
def caddy(setup: ForwardAuthSetup, behind: Application) -> Iterator[Proxy]:
    port, directory = free_port(), Path(mkdtemp())
    text = _configured(
        setup,
        shown("caddyfile"),
        {
            "api.example.com {": f"https://localhost:{port} {{\n\tbind {HOST}",
            "127.0.0.1:8080": f"{HOST}:{behind.port}",
            "/run/mtlsd/forward-auth.sock": str(setup.socket("caddy")),
        },
    )
    (directory / "Caddyfile").write_text(_AROUND_CADDY + text)
    with _running(["caddy", "run", "--config", str(directory / "Caddyfile")], directory, port):
        yield Proxy(setup, port)


@contextmanager
def _running(command: Sequence[str], directory: Path, port: int) -> Iterator[None]:
    log = directory / "log"
    environ = {**os.environ, "HOME": str(directory), "XDG_CONFIG_HOME": str(directory)}
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environ, cwd=directory
        )

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection((HOST, port), 1).close()
        except OSError:
            return False
        return True

    try:
        eventually(answers, f"{command[0]} does not start")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        shutil.rmtree(directory)
