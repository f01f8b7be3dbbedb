"""The certificate of a connection, as DER, from what servers know of it: the client has proven its key (R23).

A header says nothing here. Behind a proxy the application passes a `certificate_of` of its own, and answers
for who may send that header: see docs/resource-servers.md.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Environ: TypeAlias = Mapping[str, Any]


def certificate_of_pem(pem: str) -> bytes:
    """The DER of one certificate in PEM.

    :raises ValueError: for anything else.
    """
    stripped = pem.strip()
    if stripped.count("-----BEGIN ") != 1:
        raise ValueError("not one certificate in PEM")
    return ssl.PEM_cert_to_DER_cert(stripped)


def certificate_of_socket(connection: object) -> bytes | None:
    """Of a socket of :mod:`ssl`; None for every other one.

    A client has proven its key when the handshake is complete, and there is no request before that.
    """
    peer = getattr(connection, "getpeercert", None)
    der = peer(True) if callable(peer) else None
    return der if isinstance(der, bytes) else None


def certificate_of_environ(environ: Environ) -> bytes | None:
    """Of a WSGI environ as gunicorn and werkzeug make it. No header can make such a key, nor such a value."""
    for name in ("gunicorn.socket", "werkzeug.socket"):
        if name in environ:
            return certificate_of_socket(environ[name])
    return None


def certificate_of_variable(name: str) -> Callable[[Environ], bytes | None]:
    """Of a variable of a WSGI environ in which the server writes PEM: ``SSL_CLIENT_CERT`` of mod_wsgi with
    ``SSLOptions +ExportCertData``.

    :raises ValueError: where clients could write it: what begins with HTTP_ is a header.
    """
    if name.upper().startswith("HTTP_"):
        raise ValueError(f"{name} is a header, which every client can send")

    def certificate_of(environ: Environ) -> bytes | None:
        pem = environ.get(name)
        return certificate_of_pem(pem) if isinstance(pem, str) and pem else None

    return certificate_of


def certificate_of_scope(scope: Mapping[str, Any]) -> bytes | None:
    """Of an ASGI scope with the TLS extension: the first of `client_cert_chain`, which has PEM."""
    extensions = scope.get("extensions") or {}
    chain = (extensions.get("tls") or {}).get("client_cert_chain") or ()
    for pem in chain:
        return certificate_of_pem(pem)
    return None
