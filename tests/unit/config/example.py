"""A configuration that is right, to be made wrong in one place."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from mtlsd.config.load import load
from mtlsd.config.model import Loaded
from mtlsd.errors import ConfigError, Mistake
from tests.pki.crls import crl_of
from tests.pki.maker import NOW, Authority, Pki, Presented, dn

HOST = "as.example.com"


@cache
def pki() -> Pki:
    return Pki()


def server(**how: Any) -> Presented:
    """A server's certificate, for both listeners."""
    how.setdefault("names", [x509.DNSName(HOST), x509.IPAddress(ip_address("192.0.2.1"))])
    how.setdefault("purposes", (ExtendedKeyUsageOID.SERVER_AUTH,))
    how.setdefault("valid", pki().valid(-1, 90))
    return pki().leaf(pki().root, dn(CN=HOST), **how)


def pem(der: bytes) -> str:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()


def crl_pem(authority: Authority, *entries: bytes, **how: Any) -> str:
    """A list of that CA."""
    der = crl_of(authority, *entries, **how).der()
    return x509.load_der_x509_crl(der).public_bytes(Encoding.PEM).decode()


DOCUMENT: Mapping[str, Any] = {
    "issuer": f"https://{HOST}:8444",
    "listener": [
        {
            "name": "mtls",
            "endpoint": "tcp:8443",
            "certificate": "server.pem",
            "key": "server.key",
            "client_certificate": "required",
            "refuse_in": "handshake",
            "serves": ["token"],
            "trust_anchors": ["partners"],
            "limits": {"connections": 100},
        },
        {
            "name": "public",
            "endpoint": "tcp:8444",
            "certificate": "server.pem",
            "key": "server.key",
            "client_certificate": "none",
            "serves": ["metadata", "jwks"],
        },
    ],
    "trust_anchors": [
        {
            "name": "partners",
            "certificates": ["root.pem"],
            "intermediates": ["sub.pem"],
            "revocation": {"crl": ["partners.crl"]},
        }
    ],
    "tokens": {"access_token_seconds": 60},
    "store": {"url": "sqlite:mtlsd.db"},
    "audit": {"file": "-"},
    "client": [
        {
            "client_id": "billing",
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_san_dns": "billing.partner.example",
            "trust_anchors": ["partners"],
            "scope": "invoices:read",
        },
        {
            "client_id": "pinned",
            "token_endpoint_auth_method": "self_signed_tls_client_auth",
            "certificate": "pinned.pem",
        },
    ],
}


@attrs.frozen
class Example:
    """The files of a configuration in a directory."""

    directory: Path
    document: dict[str, Any] = attrs.field(factory=lambda: copy.deepcopy(dict(DOCUMENT)))

    @classmethod
    def make(cls, directory: Path) -> Example:
        example = cls(directory)
        example.serve(server())
        example.put("root.pem", pem(pki().root.der))
        example.put("sub.pem", pem(pki().intermediate.der))
        example.put("partners.crl", crl_pem(pki().root) + crl_pem(pki().intermediate))
        pinned = pki().self_signed("client pinned in files", valid=pki().valid(-1, 90))
        example.put("pinned.pem", pem(pinned.leaf))
        proxy = pki().self_signed("proxy pinned in files", valid=pki().valid(-1, 90))
        example.put("proxy.pem", pem(proxy.leaf))
        return example

    @property
    def path(self) -> Path:
        return self.directory / "mtlsd.toml"

    @property
    def mtls(self) -> dict[str, Any]:
        """The first listener's table."""
        table: dict[str, Any] = self.document["listener"][0]
        return table

    @property
    def public(self) -> dict[str, Any]:
        table: dict[str, Any] = self.document["listener"][1]
        return table

    @property
    def group(self) -> dict[str, Any]:
        table: dict[str, Any] = self.document["trust_anchors"][0]
        return table

    def client(self, index: int) -> dict[str, Any]:
        table: dict[str, Any] = self.document["client"][index]
        return table

    def put(self, name: str, content: str | bytes, mode: int = 0o600) -> None:
        path = self.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)

    def serve(self, presented: Presented) -> None:
        """Give both listeners this certificate, and its key."""
        self.put("server.pem", presented.chain_pem)
        self.put("server.key", presented.key_pem)

    def load(self, now: datetime = NOW) -> Loaded:
        self.put("mtlsd.toml", toml(self.document))
        return load(self.path, now)

    def notes(self, now: datetime = NOW) -> tuple[Mistake, ...]:
        """All mistakes and warnings."""
        try:
            return self.load(now).warnings
        except ConfigError as error:
            return error.mistakes

    def told(self) -> list[str]:
        """Where mistakes are and what they say; warnings begin with a question mark."""
        return [f"{'' if note.fatal else '?'}{note.place}: {note.message}" for note in self.notes()]


def toml(document: Mapping[str, Any]) -> str:
    """A document as TOML, with everything below the top inline."""
    return "".join(f"{_text(key)} = {_value(value)}\n" for key, value in document.items())


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_text(key)} = {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value).lower()


def _text(text: str) -> str:
    # JSON leaves DEL as it is, and TOML does not
    return re.sub("\x7f", r"\\u007f", json.dumps(text, ensure_ascii=False))


Change = Callable[[Example], object]
