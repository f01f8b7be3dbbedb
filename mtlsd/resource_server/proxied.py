"""The certificate of the client of a proxy that ends TLS (RFC 9440, RFC 9700 section 4.13).

    proxy = is_pinned("nginx.pem", certificate_of=certificate_of_environ)
    behind = ForwardedCertificates(FORMATS["nginx"].reader(), proxy)
    app.wsgi_app = WsgiGuard(app.wsgi_app, resource_server, certificate_of=behind.of_environ)

Whoever can reach the application past the proxy, or can get a field of his own through it, has every client's
certificate. So the proxy proves who it is on each connection, and it overwrites the field. It is never a
client itself (P28).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.forwarded.fields import once_each
from mtlsd.forwarded.formats import Reader
from mtlsd.forwarded.spellings import spellings
from mtlsd.resource_server.connection import certificate_of_pem

T = TypeVar("T")

_OWS: Final = b" \t"


@attrs.frozen
class ForwardedCertificates:
    """Takes the certificate from the fields that a proxy writes.

    :ivar reader: of the format that the proxy is configured for; nothing is guessed.
    :ivar is_proxy: whether a request (a WSGI environ, an ASGI scope, or a request of twisted.web) has come
        from the proxy. Requests that have not are refused, with or without a certificate.
    """

    reader: Reader
    is_proxy: Callable[[Any], bool]
    _guarded: frozenset[bytes] = attrs.field(init=False, repr=False)

    @_guarded.default
    def _in_every_spelling(self) -> frozenset[bytes]:
        return spellings(self.reader.fields)

    def of_environ(self, environ: Mapping[str, Any]) -> bytes | None:
        """For WSGI, where fields that came twice are joined: what is joined cannot be read.

        The server must not take `_` in a field's name for `-`; gunicorn drops such fields.
        """
        keys = {name: f"HTTP_{name.decode('ascii').upper().replace('-', '_')}" for name in self.reader.fields}
        found = [(name, environ[key].encode("latin-1")) for name, key in keys.items() if key in environ]
        return self._read(environ, found)

    def of_scope(self, scope: Mapping[str, Any]) -> bytes | None:
        """For ASGI."""
        return self._read(scope, scope["headers"])

    def of_request(self, request: Any) -> bytes | None:
        """For twisted.web."""
        headers = request.requestHeaders.getAllRawHeaders()
        return self._read(request, [(name, value) for name, values in headers for value in values])

    def _read(self, request: object, fields: Iterable[tuple[bytes, bytes]]) -> bytes | None:
        """:raises Refusal: `forwarded.*`"""
        if not self.is_proxy(request):
            raise Refusal(reasons.FORWARDED_PROXY)
        found = once_each(fields, self.reader.fields, self._guarded)
        values = {name: value.strip(_OWS) for name, value in found.items()}
        forwarded = self.reader.parse(values)
        return None if forwarded is None else forwarded.leaf


def is_pinned(*files: str | Path, certificate_of: Callable[[T], bytes | None]) -> Callable[[T], bool]:
    """Whether the connection's own certificate is one of these: that is how the proxy is known.

    :param files: each has one certificate in PEM.
    :param certificate_of: gives the certificate of the connection, as the server has it.
    :raises OSError: where a file cannot be read; ValueError where it is no such file.
    """
    pins = [hashlib.sha256(certificate_of_pem(Path(file).read_text("ascii"))).digest() for file in files]

    def is_proxy(request: T) -> bool:
        certificate = certificate_of(request)
        if certificate is None:
            return False
        seen = hashlib.sha256(certificate).digest()
        return any(hmac.compare_digest(seen, pin) for pin in pins)

    return is_proxy
