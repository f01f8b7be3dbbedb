"""A connection by a UNIX socket, without TLS."""

from __future__ import annotations

import socket
from pathlib import Path

from OpenSSL import SSL


class Plain:
    """What the load generator uses of a connection of OpenSSL's, over a UNIX socket as it is."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._socket.setblocking(False)

    def do_handshake(self) -> None:
        """There is nothing to agree on."""

    def sendall(self, octets: bytes) -> None:
        self._socket.sendall(octets)

    def recv(self, size: int) -> bytes:
        """:raises SSL.WantReadError: when nothing has come yet."""
        try:
            return self._socket.recv(size)
        except BlockingIOError:
            raise SSL.WantReadError from None

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()
