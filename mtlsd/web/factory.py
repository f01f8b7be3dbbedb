"""What makes channels, keeps the set of open ones, and drains them."""

from __future__ import annotations

import time
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import ServerFactory
from twisted.web.resource import IResource

from mtlsd.web.channel import Channel
from mtlsd.web.http11 import RememberedHeads
from mtlsd.web.limits import Limits
from mtlsd.web.observer import Connection, ConnectionObserver, NoObserver
from mtlsd.web.response import DateLine, json_error
from mtlsd.web.shapes import ErrorBody


class ChannelFactory(ServerFactory[Channel]):
    """The factory of one listener's channels.

    :param resource: the root of the listener's resources, as :class:`twisted.web.server.Site` takes it.
    :param clock: the reactor, for deadlines.
    :param error_body: makes header fields and body of an error answer from a refusal and the connection's
        transport. It is asked once for each such answer.
    :param now: seconds since the epoch, for the Date field.
    :ivar channels: those that are open.
    """

    noisy = False
    displayTracebacks = False  # resources of twisted.web ask their site

    def __init__(
        self,
        resource: IResource,
        clock: IReactorTime,
        *,
        limits: Limits | None = None,
        observer: ConnectionObserver | None = None,
        error_body: ErrorBody = json_error,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.resource = resource
        self.clock = clock
        self.limits = limits or Limits()
        self.observer: ConnectionObserver = observer or NoObserver()
        self.error_body = error_body
        self.date_line = DateLine(now)
        self.heads = RememberedHeads()
        self.channels: set[Connection] = set()
        self._draining = False
        self._drained: list[Deferred[None]] = []

    def buildProtocol(self, addr: IAddress | None) -> Channel:
        return Channel(self)

    def opened(self, channel: Connection) -> None:
        """Hear from a channel that it has a connection."""
        self.channels.add(channel)
        if self._draining:
            channel.drain()

    def closed(self, channel: Connection) -> None:
        """Hear from a channel that its connection is gone."""
        self.channels.discard(channel)
        if self._draining and not self.channels:
            self._fire()

    def drain(self) -> Deferred[None]:
        """Have every channel finish what it is at and close; stop the listening port first.

        :return: fires when all are gone. It has no deadline of its own: see :meth:`abort_all`.
        """
        self._draining = True
        drained: Deferred[None] = Deferred()
        self._drained.append(drained)
        for channel in list(self.channels):
            channel.drain()
        if not self.channels:
            self._fire()
        return drained

    def abort_all(self) -> None:
        """Cut every connection now."""
        for channel in list(self.channels):
            channel.abort()

    def _fire(self) -> None:
        waiting, self._drained = self._drained, []
        for drained in waiting:
            drained.callback(None)
