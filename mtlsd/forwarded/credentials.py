"""Who is at the other end of a UNIX socket, by the word of the kernel."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

OVERFLOW_UID: Final = 65534
"""What the kernel says of users whom the process's user namespace does not have (user_namespaces(7))."""
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


def known_uids(uid_map: Path = Path("/proc/self/uid_map")) -> Sequence[range]:
    """The users whom this process can tell apart; all of them where nobody says otherwise."""
    try:
        rows = [line.split() for line in uid_map.read_text().splitlines()]
    except OSError:
        return (range(1 << 32),)
    return [range(int(first), int(first) + int(count)) for first, _, count in rows]


def _uid(connected: socket.socket) -> int | None:
    if connected.family != socket.AF_UNIX:
        return None
    try:
        credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    except OSError:
        return None  # it is gone
    uid: int = _UCRED.unpack(credentials)[1]
    return uid
