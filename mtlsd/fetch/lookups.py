"""Looking up the addresses of hosts, once for each fetch."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import Final

import attrs
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IAddress, IHostnameResolver, IHostResolution, IResolutionReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from mtlsd.fetch.refused import FetchRefused
from mtlsd.fetch.url import Address

Resolve = Callable[[str], "Deferred[Sequence[Address]]"]
"""The addresses of a host name, as many and in the order the resolver has them; none where it has none."""

MOST_ADDRESSES: Final = 16


@attrs.frozen
class SystemResolver:
    """Asks a reactor's name resolver.

    :ivar resolver: ``reactor.nameResolver``.
    """

    resolver: IHostnameResolver

    def __call__(self, host: str) -> Deferred[Sequence[Address]]:
        receiver = _Receiver()
        self.resolver.resolveHostName(receiver, host, addressTypes=(IPv4Address, IPv6Address))
        return receiver.done


@implementer(IResolutionReceiver)
class _Receiver:
    def __init__(self) -> None:
        self.done: Deferred[Sequence[Address]] = Deferred()
        self._found: list[Address] = []

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        pass

    def addressResolved(self, address: IAddress) -> None:
        if isinstance(address, IPv4Address | IPv6Address) and len(self._found) < MOST_ADDRESSES:
            self._found.append(ipaddress.ip_address(address.host))

    def resolutionComplete(self) -> None:
        self.done.callback(tuple(self._found))


@attrs.define(eq=False)
class Lookups:
    """Look-ups of several hosts at once, each host only once at a time.

    The system's resolver runs in threads that others need too, and a look-up that hangs cannot be stopped. So
    giving up on one leaves it counted until it ends, and beyond `most` nothing is looked up.

    :ivar most: how many may be under way.
    """

    resolve: Resolve
    most: int
    _waiting: dict[str, list[Deferred[Sequence[Address]]]] = attrs.field(factory=dict, init=False)

    def of(self, host: str) -> Deferred[Sequence[Address]]:
        """The addresses of a host name, at least one.

        :raises FetchRefused: resolve or busy, through the Deferred
        """
        known = host in self._waiting
        if not known and len(self._waiting) >= self.most:
            return fail(FetchRefused("busy", f"{len(self._waiting)} look-ups of names wait already"))
        waiting: Deferred[Sequence[Address]] = Deferred(lambda own: self._forget(host, own))
        self._waiting.setdefault(host, []).append(waiting)
        if not known:
            self._start(host)
        return waiting

    def _start(self, host: str) -> None:
        def found(addresses: Sequence[Address]) -> None:
            for waiting in self._waiting.pop(host):
                if addresses:
                    waiting.callback(addresses)
                else:
                    waiting.errback(FetchRefused("resolve", f"{host} has no address"))

        def failed(failure: Failure) -> None:
            for waiting in self._waiting.pop(host):
                waiting.errback(FetchRefused("resolve", f"{host}: {failure.getErrorMessage()}"))

        try:
            looking = self.resolve(host)
        except Exception:
            looking = fail(Failure())
        looking.addCallbacks(found, failed)

    def _forget(self, host: str, waiting: Deferred[Sequence[Address]]) -> None:
        self._waiting[host].remove(waiting)
