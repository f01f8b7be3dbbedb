"""HTTPS clients that nobody wrote for mtlsd, behind one interface."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

import attrs

from tests.pki import Written

PROGRAMS = Path(__file__).parent / "programs"
TIMEOUT = 20.0
_FATAL = 2 << 8

TLS_1_2, TLS_1_3 = "1.2", "1.3"
VERSIONS = (TLS_1_2, TLS_1_3)
_VERSIONS = {TLS_1_2: ssl.TLSVersion.TLSv1_2, TLS_1_3: ssl.TLSVersion.TLSv1_3}

Form = Mapping[str, str]


@attrs.frozen
class Answer:
    """The answer to a request. Header names are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def json(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.body)
        return answer

    @property
    def token(self) -> str:
        assert self.status == 200, self.body
        token: str = self.json["access_token"]
        return token


@attrs.frozen
class NoAnswer(Exception):
    """The program got no answer; `said` is what it printed."""

    said: str

    @property
    def alert(self) -> int:
        """The number of the fatal alert that the program received, as openssl and `curl -v` print it."""
        found = re.search(r"alert number (\d+)|\(IN\), TLS alert, [^(]*\((\d+)\)", self.said)
        assert found, self.said
        return int(found[1]) if found[1] else int(found[2]) - _FATAL


class Program(Protocol):
    """Asks for a token.

    :param version: of TLS, and no other.
    """

    def __call__(self, url: str, ca: Path, presented: Written | None, form: Form, version: str) -> Answer:
        """:raises NoAnswer: when there was none."""


def request_token(client_id: str, **more: str) -> dict[str, str]:
    return {"grant_type": "client_credentials", "client_id": client_id, **more}


def _run(command: list[str | Path], stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)), input=stdin, text=True, capture_output=True, timeout=TIMEOUT, check=False
    )


def curl(url: str, ca: Path, presented: Written | None, form: Form, version: str) -> Answer:
    command: list[str | Path] = ["curl", "--silent", "--verbose", "--cacert", ca, "--noproxy", "*"]
    command += [
        f"--tlsv{version}",
        "--tls-max",
        version,
        "--write-out",
        "\n%{http_code}",
        "-d",
        urlencode(form),
    ]
    if presented is not None:
        command += ["--cert", presented.certificate, "--key", presented.key]
    done = _run([*command, url])
    if done.returncode:
        raise NoAnswer(done.stderr)
    body, _, status = done.stdout.rpartition("\n")
    return Answer(int(status), body.encode())


def s_client(
    url: str, ca: Path, presented: Written | None, version: str, *more: str | Path
) -> list[str | Path]:
    """The command `openssl s_client` that connects to `url`."""
    command: list[str | Path] = ["openssl", "s_client", "-connect", urlsplit(url).netloc, "-CAfile", ca]
    command.append(f"-tls{version.replace('.', '_')}")
    if presented is not None:
        command += ["-cert", presented.certificate, "-key", presented.key]
        command += ["-cert_chain", presented.certificate]
    return [*command, *more]


def openssl(url: str, ca: Path, presented: Written | None, form: Form, version: str) -> Answer:
    done = _run(s_client(url, ca, presented, version, "-quiet"), http_text(url, form))
    head, separator, body = done.stdout.partition("\n\n")
    if not separator:
        raise NoAnswer(done.stderr)
    return Answer(int(head.split()[1]), body.encode())


def http_text(url: str, form: Form) -> str:
    """A request for a token as it goes over the wire."""
    parts, body = urlsplit(url), urlencode(form)
    lines = (
        f"POST {parts.path} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    return "\r\n".join(lines) + "\r\n\r\n" + body


def context(ca: Path, presented: Written | None, version: str | None = None) -> ssl.SSLContext:
    """A context of Python's ssl."""
    made = ssl.create_default_context(cafile=str(ca))
    if version is not None:
        made.minimum_version = made.maximum_version = _VERSIONS[version]
    if presented is not None:
        made.load_cert_chain(presented.certificate, presented.key)
    return made


class Session:
    """A connection of http.client that stays open."""

    def __init__(self, url: str, ca: Path, presented: Written | None, version: str | None = None) -> None:
        parts = urlsplit(url)
        self.path = parts.path + (f"?{parts.query}" if parts.query else "")
        tls = context(ca, presented, version)
        self.connection = http.client.HTTPSConnection(parts.netloc, context=tls, timeout=TIMEOUT)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    @property
    def socket(self) -> ssl.SSLSocket:
        if self.connection.sock is None:
            self.connection.connect()
        found = self.connection.sock
        assert isinstance(found, ssl.SSLSocket)
        return found

    def post(self, form: Form | str, headers: Mapping[str, str] | None = None) -> Answer:
        body = form if isinstance(form, str) else urlencode(form)
        return self.request("POST", body, headers)

    def request(
        self, method: str, body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        found = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        self.connection.request(method, self.path, body, {name: own for name, own in found.items() if own})
        got = self.connection.getresponse()
        return Answer(got.status, got.read(), {name.lower(): value for name, value in got.getheaders()})


def python(
    url: str, ca: Path, presented: Written | None, form: Form | str, version: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:  # fmt: skip
    try:
        with Session(url, ca, presented, version) as session:
            return session.post(form, headers)
    except OSError as error:
        raise NoAnswer(str(error)) from error


def get(url: str, ca: Path, presented: Written | None = None) -> Answer:
    with Session(url, ca, presented) as session:
        return session.request("GET")


def _program(
    command: list[str | Path], url: str, ca: Path, presented: Written | None, form: Form, version: str
) -> Answer:
    told = {
        "url": url,
        "ca": str(ca),
        "cert": str(presented.certificate) if presented else None,
        "key": str(presented.key) if presented else None,
        "body": urlencode(form),
        "version": version,
    }
    done = _run([*command, json.dumps(told)])
    if done.returncode:
        raise NoAnswer(done.stderr)
    status, _, body = done.stdout.partition("\n")
    return Answer(int(status), body.encode())


def treq(url: str, ca: Path, presented: Written | None, form: Form, version: str) -> Answer:
    return _program([sys.executable, PROGRAMS / "treq_client.py"], url, ca, presented, form, version)


def node(url: str, ca: Path, presented: Written | None, form: Form, version: str) -> Answer:
    return _program(["node", PROGRAMS / "node_client.js"], url, ca, presented, form, version)


def tcp(url: str, source: str = "") -> socket.socket:
    """A bare connection to a listener."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    return socket.create_connection(
        (parts.hostname, parts.port or 443), TIMEOUT, (source, 0) if source else None
    )
