"""A directory with a PKI and a mtlsd.toml, for a daemon that a test runs."""

from __future__ import annotations

import json
import socket
import ssl
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.pki import Pki, Presented, Written, dn

HOST = "127.0.0.1"
SCOPE = "invoices:read invoices:write"
_RESERVED: list[socket.socket] = []  # to keep them open


def free_port(host: str = HOST) -> int:
    """A port that is nobody else's until this process ends.

    It is bound here already. Whoever has SO_REUSEADDR, as servers do, may listen there all the same.
    """
    reserved = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    reserved.bind((host, 0))
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _RESERVED.append(reserved)
    port: int = reserved.getsockname()[1]
    return port


class Setup:
    """What one daemon is started with.

    :ivar document: what :meth:`write` writes as mtlsd.toml; tests change it as they like.
    :ivar ports: of the listeners, by name.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.pki = Pki(datetime.now(UTC))
        self.ports: dict[str, int] = {}
        self.document: dict[str, Any] = {
            "drain_seconds": 10,
            "listener": [],
            "trust_anchors": [],
            "client": [],
        }
        self._present_server()
        self.add_anchors("partners", *self.pki.anchors[:1])
        self.add_listener("mtls", "required")
        self.add_listener("public", "none", serves=["metadata", "jwks"])
        self.document["issuer"] = self.issuer = f"https://{HOST}:{self.ports['public']}"

    @property
    def config(self) -> Path:
        return self.directory / "mtlsd.toml"

    @property
    def ca_file(self) -> Path:
        """The CA of the server's certificate, for clients."""
        return self.directory / "ca.pem"

    def url(self, listener: str = "mtls", path: str = "/token") -> str:
        return f"https://{HOST}:{self.ports[listener]}{path}"

    def present(self, name: str, presented: Presented) -> Written:
        """Write what a client presents into a directory of its own."""
        directory = self.directory / "presented" / name
        directory.mkdir(parents=True, exist_ok=True)
        return presented.write(directory)

    def leaf(self, name: str, *names: x509.GeneralName, **how: Any) -> Written:
        """A certificate with these subjectAltNames and the name as its CN, written down."""
        how.setdefault("subject", dn(CN=name))
        return self.present(name, self.pki.leaf(names=names, **how))

    def add_anchors(self, name: str, *anchors: bytes, intermediates: tuple[bytes, ...] = ()) -> None:
        group: dict[str, Any] = {"name": name, "certificates": [self._pem(f"{name}.pem", anchors)]}
        if intermediates:
            group["intermediates"] = [self._pem(f"{name}-intermediates.pem", intermediates)]
        self.document["trust_anchors"].append(group)

    def add_listener(self, name: str, client_certificate: str, **keys: Any) -> None:
        self.ports[name] = free_port()
        listener = {
            "name": name,
            "endpoint": f"tcp:{self.ports[name]}:interface={HOST}",
            "certificate": "server.pem",
            "key": "server.key",
            "client_certificate": client_certificate,
            "serves": ["token"],
        }
        self.document["listener"].append({**listener, **keys})

    def listener(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(own for own in self.document["listener"] if own["name"] == name)
        return found

    def add_client(self, client_id: str, **metadata: Any) -> dict[str, Any]:
        """A client of the group `partners` that is known by one name, unless `metadata` says otherwise."""
        client: dict[str, Any] = {"client_id": client_id, "scope": SCOPE, **metadata}
        client.setdefault("token_endpoint_auth_method", "tls_client_auth")
        if client["token_endpoint_auth_method"] == "tls_client_auth":
            client.setdefault("trust_anchors", ["partners"])
        self.document["client"].append(client)
        return client

    def write(self) -> Path:
        self.config.write_text(to_toml(self.document))
        return self.config

    def _present_server(self, name: str = "server") -> None:
        """A certificate of the root for the daemon itself."""
        made = self.pki.leaf(
            self.pki.root,
            dn(CN=name),
            names=[x509.IPAddress(ip_address(HOST)), x509.DNSName("localhost")],
            purposes=[ExtendedKeyUsageOID.SERVER_AUTH],
            valid=self.pki.valid(-1, 300),
        )
        self._pem("ca.pem", self.pki.anchors[:1])
        self._pem(f"{name}.pem", (made.leaf,))
        (self.directory / f"{name}.key").touch(0o600)
        (self.directory / f"{name}.key").write_bytes(made.key_pem)

    def new_server_certificate(self, name: str) -> bytes:
        """Write another certificate for the daemon, and return its DER."""
        self._present_server(name)
        return ssl.PEM_cert_to_DER_cert((self.directory / f"{name}.pem").read_text())

    def _pem(self, name: str, certificates: tuple[bytes, ...]) -> str:
        (self.directory / name).write_text("".join(map(ssl.DER_cert_to_PEM_cert, certificates)))
        return name


def to_toml(document: dict[str, Any]) -> str:
    """TOML of a document whose tables stand one below the other."""
    plain = {key: value for key, value in document.items() if not _is_table(value)}
    lines = [f"{key} = {_inline(value)}" for key, value in plain.items()]
    for key, value in document.items():
        if isinstance(value, dict):
            lines += [f"[{key}]", to_toml(value)]
        elif _is_table(value):
            for table in value:
                lines += [f"[[{key}]]", *(f"{name} = {_inline(own)}" for name, own in table.items())]
    return "\n".join(lines) + "\n"


def _is_table(value: object) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and value[:1] != [] and isinstance(value[0], dict)
    )


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_inline(own)}" for key, own in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)
