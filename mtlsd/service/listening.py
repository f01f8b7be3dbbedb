"""One open listener: its port, its TLS context, and the channels on it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from errno import EACCES, EADDRINUSE, EADDRNOTAVAIL, ENOENT, EROFS
from types import MappingProxyType
from typing import Any, Final, Self

import attrs
from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IListeningPort

from mtlsd.config.model import Listener
from mtlsd.service.front import Front, PreparedTLS, prepare_tls
from mtlsd.verdicts import Judge
from mtlsd.web.door import Door
from mtlsd.web.serving import Current

_REMEDIES: Final = MappingProxyType(
    {
        EADDRINUSE: "ss -ltnp tells who listens there: stop that, or change endpoint",
        EACCES: "a port below 1024 needs CAP_NET_BIND_SERVICE or a socket of systemd's",
    }
)
_IN_ITS_OWN: Final = "the socket belongs into a directory that mtlsd's user may write, such as /run/mtlsd"
_REMEDIES_OF_PATHS: Final = MappingProxyType(
    {
        EACCES: _IN_ITS_OWN,
        ENOENT: _IN_ITS_OWN,
        EROFS: _IN_ITS_OWN,
        EADDRINUSE: "another process listens there: stop that, or change endpoint",
    }
)


@attrs.frozen
class Prepared:
    """All of a listener but its port: what may fail has been done."""

    listener: Listener
    tls: PreparedTLS | None
    door: Door

    @property
    def name(self) -> str:
        return self.listener.name

    @classmethod
    def from_listener(
        cls,
        listener: Listener,
        judge: Judge,
        proxy_judge: Judge | None,
        door: Door,
        now: Callable[[], datetime],
    ) -> Self:
        """
        :param judge: of clients.
        :param proxy_judge: of the listener's proxy; None where it need not present a certificate.
        :raises OpenSSL.SSL.Error: when OpenSSL does not take the listener's certificate or key.
        """
        tls = None if listener.credential is None else prepare_tls(listener, judge, proxy_judge, now)
        return cls(listener, tls, door)


@attrs.define(eq=False)
class Listening:
    """A listener that is open."""

    listener: Listener
    _port: IListeningPort
    _front: Front

    @classmethod
    async def open(cls, prepared: Prepared, current: Current, reactor: Any) -> Self:
        """:raises OSError: when the endpoint cannot be opened."""
        listener = prepared.listener
        front = Front(listener, prepared.tls, prepared.door, current, reactor)
        try:
            port = await serverFromString(reactor, listener.endpoint).listen(front)
        except CannotListenError as error:  # which is no OSError
            raise _not_opened(listener, error.socketError) from error
        except OSError as error:  # of the lock beside a UNIX socket
            raise _not_opened(listener, error) from error
        except LookupError as error:  # what Twisted raises for a socket that it did not inherit
            if not listener.endpoint.startswith("systemd:"):
                raise
            why = "systemd has passed no such socket: start the socket unit, mtlsd.socket, before the service"
            raise _not_opened(listener, why) from error
        if "backlog=" not in listener.endpoint:
            _lengthen_queue(port)
        return cls(listener, port, front)

    @property
    def address(self) -> IAddress:
        """Where it listens."""
        return self._port.getHost()

    def has_endpoint_of(self, prepared: Prepared) -> bool:
        return self.listener.endpoint == prepared.listener.endpoint

    def swap(self, prepared: Prepared) -> None:
        """Serve new connections by `prepared`; open ones keep their context and get the new resources.

        It may have another name. The endpoint is the same: whoever asks for this has seen to it.
        """
        self.listener = prepared.listener
        self._front.swap(prepared.listener, prepared.tls, prepared.door)

    async def close(self, drain_seconds: float, reactor: Any) -> None:
        """Take no new connection, let the requests in flight finish, and cut what the deadline leaves."""
        await maybeDeferred(self._port.stopListening)
        drained = self._front.channels.drain()
        deadline = reactor.callLater(drain_seconds, self._front.channels.abort_all)
        await drained
        if deadline.active():
            deadline.cancel()


def kept_open(listening: Mapping[str, Listening], prepared: Sequence[Prepared]) -> dict[str, Listening]:
    """Those whose ports stay open, by their new names: where somebody listens at the same endpoint.

    Of several such endpoints, as `tcp:0` may be, it is rather that of the same name.
    """
    left, kept = dict(listening), dict[str, Listening]()
    for by_name in (True, False):
        for one in prepared:
            names = (one.name,) if by_name else tuple(left)
            same = [name for name in names if name in left and left[name].has_endpoint_of(one)]
            if same and one.name not in kept:
                kept[one.name] = left.pop(same[0])
    return kept


def _not_opened(listener: Listener, why: object) -> OSError:
    """What to raise where an endpoint cannot be opened: why, where, and what to do about it."""
    code, text = (why.errno, why.strerror) if isinstance(why, OSError) else (None, None)
    of_path = listener.endpoint.startswith("unix:")
    remedy = (_REMEDIES_OF_PATHS if of_path else _REMEDIES).get(code or 0)
    said = text or str(why)
    place = f"listener {listener.name}, {listener.endpoint}"
    return OSError(code or EADDRNOTAVAIL, f"{said}: {remedy}" if remedy else said, place)


def _lengthen_queue(port: IListeningPort) -> None:
    """Let as many connections wait to be accepted as the system allows.

    Twisted's 50 are full at once when many come together; whoever is turned away tries again after a second.
    """
    listening = getattr(port, "socket", None)
    if isinstance(listening, socket.socket):
        listening.listen(socket.SOMAXCONN)
