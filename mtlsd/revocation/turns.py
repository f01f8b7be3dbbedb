"""Letting many go on without keeping all others waiting until the last of them has.

When a responder that hangs is given up, hundreds of requests can be answered at once. Each takes but a
fraction of a millisecond; all in a row are a quarter of a second in which nobody else gets anything.
"""

from __future__ import annotations

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime


@attrs.define(eq=False)
class Turns:
    """Lets so many go on in each turn of the reactor, first come, first served; the first of them at once.

    :ivar at_once: how many in one turn.
    """

    clock: IReactorTime
    at_once: int = 4
    _gone: int = attrs.field(default=0, init=False)
    _queue: dict[Deferred[None], None] = attrs.field(factory=dict, init=False)

    def turn(self) -> Deferred[None]:
        """Wait for one's turn. Cancel it to wait no longer."""
        if self._gone < self.at_once and not self._queue:
            self._count()
            return succeed(None)
        waiting: Deferred[None] = Deferred(self._queue.pop)
        self._queue[waiting] = None
        return waiting

    def _count(self) -> None:
        if self._gone == 0:
            self.clock.callLater(0, self._next)
        self._gone += 1

    def _next(self) -> None:
        self._gone = 0
        while self._queue and self._gone < self.at_once:
            self._count()
            waiting = next(iter(self._queue))
            del self._queue[waiting]
            waiting.callback(None)
