"""uvicorn with the TLS extension of ASGI, which uvicorn itself does not have.

    uvicorn.run(app, http=CertificateProtocol, ssl_cert_reqs=ssl.CERT_OPTIONAL, ...)
    uvicorn --http mtlsd.resource_server.uvicorn:CertificateProtocol ...

Requests get `extensions.tls.client_cert_chain` with the client's certificate. WebSockets do not, since
uvicorn makes their scopes elsewhere: a guard refuses them.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from mtlsd.resource_server.connection import certificate_of_socket


class CertificateProtocol(H11Protocol):
    """uvicorn's protocol on h11, whose scopes say which certificate the client has."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        der = certificate_of_socket(transport.get_extra_info("ssl_object"))
        if der is not None:
            self.app = _with_certificate(self.app, ssl.DER_cert_to_PEM_cert(der))


def _with_certificate(app: Any, pem: str) -> Any:
    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        """What is said of a connection is said of it by us alone."""
        tls = {"client_cert_chain": [pem]}
        extensions = {**(scope.get("extensions") or {}), "tls": tls}
        await app({**scope, "extensions": extensions}, receive, send)

    return wrapped
