"""How many fetches run at once, in total and to one host, and how many wait."""

from __future__ import annotations

from collections import Counter

import attrs
from twisted.internet.defer import Deferred, fail, succeed

from mtlsd.fetch.refused import FetchRefused


@attrs.define(eq=False)
class Slots:
    """First come, first served, but nobody waits for the slot of another host.

    :ivar total: how many may run.
    :ivar per_host: how many of these to one host, so that one that hangs leaves room for the others.
    :ivar queue: how many may wait.
    :ivar queue_per_host: how many of these for one host, so that one that hangs leaves room here too.
    """

    total: int
    per_host: int
    queue: int
    queue_per_host: int
    _running: Counter[str] = attrs.field(factory=Counter, init=False)
    _waiting: dict[Deferred[None], str] = attrs.field(factory=dict, init=False)
    _waiting_for: Counter[str] = attrs.field(factory=Counter, init=False)
    _is_waking: bool = attrs.field(default=False, init=False)

    def acquire(self, host: str) -> Deferred[None]:
        """Wait for a slot; each must be given back by :meth:`release`. Cancel it to wait no longer.

        :raises FetchRefused: busy, through the Deferred
        """
        if self._is_free(host):
            self._running[host] += 1
            return succeed(None)
        if len(self._waiting) >= self.queue:
            return fail(FetchRefused("busy", f"{len(self._waiting)} fetches wait already"))
        if self._waiting_for[host] >= self.queue_per_host:
            return fail(FetchRefused("busy", f"{self._waiting_for[host]} fetches wait for {host} already"))
        waiting: Deferred[None] = Deferred(self._forget)
        self._waiting[waiting] = host
        self._waiting_for[host] += 1
        return waiting

    def release(self, host: str) -> None:
        self._running[host] -= 1
        if not self._running[host]:
            del self._running[host]
        if self._is_waking:
            return
        # Whoever is woken may come back here at once, so look again from the start; and do it in this one
        # loop, since hundreds that each give their slot back at once would be too deep a recursion.
        self._is_waking = True
        try:
            while (found := self._next()) is not None:
                self._running[self._waiting[found]] += 1
                self._forget(found)
                found.callback(None)
        finally:
            self._is_waking = False

    def _next(self) -> Deferred[None] | None:
        return next((own for own, host in self._waiting.items() if self._is_free(host)), None)

    def _is_free(self, host: str) -> bool:
        return self._running.total() < self.total and self._running[host] < self.per_host

    def _forget(self, waiting: Deferred[None]) -> None:
        host = self._waiting.pop(waiting)
        self._waiting_for[host] -= 1
        if not self._waiting_for[host]:
            del self._waiting_for[host]
