"""A daemon behind proxies, and a proxy that sends whatever it is told to."""

from __future__ import annotations

import base64
import getpass
import http.client
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.end_to_end.clients import TIMEOUT, Answer, request_token
from tests.end_to_end.setup import HOST, Setup
from tests.pki import Written, dn
from tests.unit.forwarded.spelling import SETTINGS

ADDRESS = "198.51.100.7"
"""Where clients come from, says the proxy here."""
PROXY = "nginx.dmz.example"
CREDENTIALS = "dmz:correct-horse-battery-staple"
AUTHORIZATION = "Basic " + base64.b64encode(CREDENTIALS.encode()).decode()

Fields = Sequence[tuple[str, str]]


def proxied_setup(directory: Path) -> Setup:
    """A listener for each way in which a proxy can be known, and each with another format.

    The client `good` is known by its certificate `presented/good`, `other` by its own.
    """
    setup = Setup(directory)
    for client_id in ("good", "other"):
        setup.add_client(client_id, tls_client_auth_san_dns=f"{client_id}.example")
        setup.leaf(client_id, x509.DNSName(f"{client_id}.example"))
    # nginx forwards no intermediates
    (directory / "intermediates.pem").write_text("".join(map(pem, setup.pki.leaf().chain)))
    setup.document["trust_anchors"][0]["intermediates"] = ["intermediates.pem"]
    setup.add_anchors("dmz", *setup.pki.anchors[:1])
    setup.leaf("proxy", x509.DNSName(PROXY))
    setup.present("pinned-proxy", setup.pki.self_signed("proxy", dn(CN="proxy")))
    credentials = directory / "credentials"
    credentials.touch(0o600)
    credentials.write_text(CREDENTIALS + "\n")

    user = getpass.getuser()
    proxied(setup, "pinned", "nginx", proxy_certificates=["presented/pinned-proxy/client.pem"])
    proxied(setup, "anchored", "rfc9440", proxy_trust_anchors=["dmz"], proxy_san_dns=[PROXY])
    plain(proxied(setup, "plain", "haproxy", proxy_credentials="credentials"))
    for form in ("apache", "aws-alb", "wso2"):
        plain(proxied(setup, form, form, proxy_credentials="credentials"))
    for name, form in (("socket", "envoy"), ("piped", "proxy-v2")):
        listener = proxied(setup, name, form, proxy_users=[user])
        plain(listener)["endpoint"] = f"unix:{directory / name}"
    proxied(
        setup, "all", "traefik", proxy_certificates=["presented/pinned-proxy/client.pem"],
        proxy_credentials="credentials",
    )  # fmt: skip
    return setup


def proxied(setup: Setup, name: str, form: str, **known_by: object) -> dict[str, object]:
    setup.add_listener(
        name,
        "forwarded",
        trust_anchors=["partners"],
        public_url="https://as.example.com",
        forwarded={"format": form, **known_by},
    )
    return setup.listener(name)


def plain(listener: dict[str, object]) -> dict[str, object]:
    del listener["certificate"], listener["key"]
    return listener


def presented(setup: Setup, name: str) -> Written:
    directory = setup.directory / "presented" / name
    return Written(directory / "client.pem", directory / "client.key")


# -- what proxies send ---------------------------------------------------------------------------------------


def der(written: Written) -> bytes:
    leaf = x509.load_pem_x509_certificates(written.certificate.read_bytes())[0]
    return leaf.public_bytes(Encoding.DER)


def chain(written: Written) -> list[bytes]:
    found = x509.load_pem_x509_certificates(written.certificate.read_bytes())
    return [own.public_bytes(Encoding.DER) for own in found[1:]]


def pem(octets: bytes) -> str:
    return x509.load_der_x509_certificate(octets).public_bytes(Encoding.PEM).decode()


def forwarded_by(form: str, written: Written) -> Fields:
    """The fields in which a proxy of this format forwards a certificate, and its chain where it can."""
    fields = SETTINGS[form].spell(der(written), chain(written))
    return [(name.decode("ascii").title(), value.decode("ascii")) for name, value in fields.items()]


def request(client_id: str, fields: Fields = (), path: str = "/token") -> bytes:
    """A token request as a proxy sends it, with these fields as they are."""
    body = urlencode(request_token(client_id)).encode()
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: as.example.com",
        "Content-Type: application/x-www-form-urlencoded",
    ]
    lines += [f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class Wire:
    """A connection to a listener, over TLS or not."""

    def __init__(
        self, setup: Setup, listener: str, written: Written | None = None, first: bytes = b""
    ) -> None:
        table = setup.listener(listener)
        endpoint = str(table["endpoint"])
        if endpoint.startswith("unix:"):
            raw = socket.socket(socket.AF_UNIX)
            raw.settimeout(TIMEOUT)
            raw.connect(endpoint.removeprefix("unix:"))
        else:
            raw = socket.create_connection((HOST, setup.ports[listener]), TIMEOUT)
        raw.sendall(first)
        self.socket: socket.socket = raw
        if "certificate" in table:
            context = ssl.create_default_context(cafile=setup.ca_file)
            if written is not None:
                context.load_cert_chain(written.certificate, written.key)
            self.socket = context.wrap_socket(raw, server_hostname=HOST)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, octets: bytes) -> Answer:
        """Send one request, and return its answer."""
        self.socket.sendall(octets)
        return self.answer()

    def answer(self) -> Answer:
        response = http.client.HTTPResponse(self.socket)
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, response.read(), headers)
