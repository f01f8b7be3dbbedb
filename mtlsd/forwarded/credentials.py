"""Who is at the other end of a UNIX socket, by the word of the kernel."""

from __future__ import annotations

import socket
import struct

_UCRED = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid


def uid_at(transport: object) -> int | None:
    """The user as which the process runs that has connected; None where it is not by a UNIX socket.

    :param transport: of a protocol of Twisted's, which may stand on others.
    """
    while transport is not None:
        connected = getattr(transport, "socket", None)
        if isinstance(connected, socket.socket):
            return _uid(connected)
        transport = getattr(transport, "transport", None)
    return None


def _uid(connected: socket.socket) -> int | None:
    if connected.family != socket.AF_UNIX:
        return None
    try:
        credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    except OSError:
        return None  # it is gone
    uid: int = _UCRED.unpack(credentials)[1]
    return uid
