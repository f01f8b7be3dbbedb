"""Who else connects to a proxy's UNIX socket: every user of the machine, where its mode lets them.

They are refused request by request, with an answer that says to whoever sets up the proxy what is wrong. So
that they do not take the proxy's place meanwhile, there are never more than a few of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import attrs
from twisted.python.failure import Failure

from mtlsd.forwarded.credentials import uid_at
from mtlsd.web.observer import Connection

MOST: Final = 16


@attrs.define(eq=False)
class OtherUsers:
    """Hears of a listener's connections, and cuts those of too many others.

    :ivar completed: is told of each handshake that is complete.
    :ivar uids: those as which the proxy may run; None where it is known otherwise.
    """

    completed: Callable[[Connection], None]
    uids: frozenset[int] | None = None
    _here: set[Connection] = attrs.field(factory=set, init=False)

    def connection_made(self, channel: Connection) -> None:
        if self.uids is None or uid_at(channel.transport) in self.uids:
            return
        if len(self._here) >= MOST:
            channel.abort()
        else:
            self._here.add(channel)

    def handshake_completed(self, channel: Connection) -> None:
        self.completed(channel)

    def connection_lost(
        self, channel: Connection, reason: Failure, handshake_was_complete: bool, timed_out: bool
    ) -> None:
        self._here.discard(channel)
