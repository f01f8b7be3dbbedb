"""Requests as a proxy sends them for its clients, on connections that it keeps."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from urllib.parse import quote

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bench.certificates import Ca, make_clients
from bench.load import Asked, Load, client_context, read_clients, run_all
from bench.place import BODY, PROXY, Place

CLIENTS = 1000
_MANY = "forwarded"
_LONGEST_SECONDS = 60.0


def make(directory: Path, ca: Ca) -> None:
    """Write the certificates of the proxy, and of as many clients as :meth:`Place.configure` is told of."""
    make_clients(directory, ca, PROXY, 1)
    make_clients(directory, ca, _MANY, CLIENTS, clients=[f"other{number}" for number in range(CLIENTS)])


@attrs.frozen
class _Preparing:
    place: Place
    port: int

    def by_nginx(self) -> Asked:
        return _asked([BODY], [_as_nginx(self._client())], port=self.port)

    def by_nginx_for_many(self) -> Asked:
        found, _ = read_clients(self.place.certificates, _MANY)
        bodies = [BODY.replace("client_id=bench", f"client_id=other{number}") for number in range(len(found))]
        return _asked(bodies, list(map(_as_nginx, found)), port=self.port)

    def by_socket(self) -> Asked:
        return _asked([BODY], [_as_haproxy(self._client())], socket=str(self.place.socket))

    def _client(self) -> x509.Certificate:
        return read_clients(self.place.certificates, "client")[0][0]


def _asked(
    bodies: Sequence[str], fields: Sequence[str], port: int | None = None, socket: str | None = None
) -> Asked:
    return Asked("/token", PROXY, bodies, True, '"access_token"', fields, port, socket)


def _as_nginx(certificate: x509.Certificate) -> str:
    pem = certificate.public_bytes(Encoding.PEM).decode("ascii")
    return _fields(quote(pem, safe=""))


def _as_haproxy(certificate: x509.Certificate) -> str:
    return _fields(base64.b64encode(certificate.public_bytes(Encoding.DER)).decode("ascii"))


def _fields(value: str) -> str:
    return f"X-SSL-Client-Cert: {value}\r\nX-Forwarded-For: 198.51.100.7\r\n"


_PREPARE: Mapping[str, Callable[[_Preparing], Asked]] = {
    "forwarded": _Preparing.by_nginx,
    "forwarded-many": _Preparing.by_nginx_for_many,
    "forwarded-socket": _Preparing.by_socket,
}


def prepare(place: Place, port: int, scenario: str) -> Path:
    """Write the requests, and send each once: to judge a certificate for the first time costs more.

    :param port: of the listener for proxies with TLS.
    :raises RuntimeError: where one is not answered as it should be.
    """
    asked = _PREPARE[scenario](_Preparing(place, port))
    context = client_context(place.certificates, asked.certificate)
    load = Load(context, port, until=time.monotonic() + _LONGEST_SECONDS, socket=asked.socket)
    run_all([load.requests(islice(asked.requests(), len(asked.bodies)), asked.holds.encode("ascii"))])
    if load.errors:
        raise RuntimeError(f"{scenario}: {load.errors}")
    path = place.directory / f"{scenario}.json"
    path.write_text(json.dumps(attrs.asdict(asked)))
    return path
