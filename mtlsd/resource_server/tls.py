"""How a resource server knows the authorization server, and proves to it who it is."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import attrs

_Stamp = tuple[tuple[int, int] | None, ...]


def _path(value: str | Path | None) -> Path | None:
    return None if value is None else Path(value)


@attrs.define(eq=False)
class TlsFiles:
    """The files for TLS connections to the authorization server; each has PEM in it.

    What is replaced on disk counts from the next connection on: a resource server outlives its certificate.

    :ivar ca_file: the trust anchors, in place of the system's.
    :ivar certificate: of the resource server itself, with its chain; introspection needs it (RFC 8705).
    :ivar key: of the certificate.
    :raises ValueError: where one of certificate and key is given without the other.
    """

    ca_file: Path | None = attrs.field(default=None, converter=_path)
    certificate: Path | None = attrs.field(default=None, converter=_path)
    key: Path | None = attrs.field(default=None, converter=_path)
    _made: tuple[_Stamp, ssl.SSLContext] | None = attrs.field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")

    def context(self, socket_class: type[ssl.SSLSocket]) -> ssl.SSLContext:
        """A context that verifies the server's certificate and name.

        :param socket_class: of the connections.
        :raises OSError: where a file cannot be read; ssl.SSLError among it.
        """
        stamp = tuple(_stamp_of(path) for path in (self.ca_file, self.certificate, self.key))
        made = self._made
        if made is None or made[0] != stamp:
            made = self._made = (stamp, self._make(socket_class))
        return made[1]

    def _make(self, socket_class: type[ssl.SSLSocket]) -> ssl.SSLContext:
        context: Any = ssl.create_default_context(cafile=self.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.sslsocket_class = socket_class
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        made: ssl.SSLContext = context
        return made


def _stamp_of(path: Path | None) -> tuple[int, int] | None:
    if path is None:
        return None
    status = path.stat()
    return status.st_mtime_ns, status.st_ino
