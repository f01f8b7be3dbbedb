"""Who hears how connections come and go."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import ITransport
from twisted.python.failure import Failure


class Connection(Protocol):
    """What others may know of an open connection, and do to it."""

    @property
    def transport(self) -> ITransport | None: ...

    @property
    def secure(self) -> bool: ...

    @property
    def handshake_complete(self) -> bool: ...

    @property
    def timed_out(self) -> bool: ...

    def drain(self) -> None: ...

    def abort(self) -> None: ...


class ConnectionObserver(Protocol):
    """Hears how connections come and go: limits and the audit of refused handshakes hang on it."""

    def connection_made(self, channel: Connection) -> None:
        """A connection came in. It may be refused right here: ``channel.abort()``."""

    def handshake_completed(self, channel: Connection) -> None:
        """The peer holds the key of the certificate that it presented, if any. Not called over plain TCP."""

    def connection_lost(
        self, channel: Connection, reason: Failure, handshake_was_complete: bool, timed_out: bool
    ) -> None:
        """A connection is gone. Called once for every ``connection_made``.

        :param reason: for a failed handshake its value is OpenSSL's error.
        :param timed_out: mtlsd ended it because a deadline had passed.
        """


class NoObserver:
    """An observer that does nothing."""

    def connection_made(self, channel: Connection) -> None:
        pass

    def handshake_completed(self, channel: Connection) -> None:
        pass

    def connection_lost(
        self, channel: Connection, reason: Failure, handshake_was_complete: bool, timed_out: bool
    ) -> None:
        pass
