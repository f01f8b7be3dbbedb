"""Connections that begin with the header of the PROXY protocol: who the proxy speaks for, before all else.

Nothing in the header is encrypted or signed, so whoever can send one can have any address: only connections
from the configured networks, or by a UNIX socket, are read at all.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import Any

import attrs
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress, IDelayedCall, IProtocol, IReactorTime
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from zope.interface import directlyProvides, providedBy

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.forwarded.credentials import uid_at
from mtlsd.forwarded.forwarded import ForwardedCertificate
from mtlsd.forwarded.proxy_protocol import ProxyHeader, read_header

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Behind = Callable[[IAddress | None], IProtocol | None]
RefusedHeader = Callable[[str, Refusal], None]
"""Told of every connection whose header was refused: the address that it came from, and why."""


class HeaderFactory(ServerFactory[Any]):
    """Reads the header of each connection, and has it served as one from the client's address.

    :param behind: makes the protocol for that address; None where there is no room.
    :ivar seconds: in which the header has to be there.
    :ivar most: how many connections may have none yet.
    :ivar uids: as which users whoever connects by a UNIX socket may run; None for any.
    """

    noisy = False

    def __init__(self, behind: Behind, clock: IReactorTime, refused: RefusedHeader) -> None:
        self.behind = behind
        self.clock = clock
        self.refused = refused
        self.seconds = 10.0
        self.most = 0
        self.uids: frozenset[int] | None = None
        self.waiting = 0
        self.version = 2
        self._networks: Sequence[Network] = ()

    def take(
        self,
        version: int,
        networks: Sequence[Network],
        *,
        uids: frozenset[int] | None,
        seconds: float,
        most: int,
    ) -> None:
        """Read new connections' headers in this version, and from these networks and users alone."""
        self.version, self._networks, self.uids = version, networks, uids
        self.seconds, self.most = seconds, most

    def buildProtocol(self, addr: IAddress | None) -> HeaderProtocol | None:
        if self.waiting >= self.most:
            return None
        if not self._is_proxy(addr):
            host = getattr(addr, "host", "")
            self.refused(host, Refusal(reasons.FORWARDED_PROXY, {"expected": "an address among proxies"}))
            return None
        return HeaderProtocol(self)

    def _is_proxy(self, addr: IAddress | None) -> bool:
        if isinstance(addr, UNIXAddress):
            return True
        if not isinstance(addr, (IPv4Address, IPv6Address)):
            return False
        address = ipaddress.ip_address(addr.host.partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)


class HeaderProtocol(ProtocolWrapper):
    """One connection that a proxy passes on.

    For what stands behind it, it is the transport: its peer is the client.

    :ivar header: None until it is read.
    """

    header: ProxyHeader | None = None
    _behind: IProtocol | None = None
    _address: IAddress | None = None
    _deadline: IDelayedCall | None = None
    _read = b""
    _wire: Any  # the transport, which the wrapper has for whoever stands behind it

    def __init__(self, headers: HeaderFactory) -> None:
        super().__init__(headers, None)  # type: ignore[arg-type]  # nothing is wrapped as yet
        self._headers = headers

    def makeConnection(self, transport: Any) -> None:
        directlyProvides(self, providedBy(transport))
        self._wire = transport
        Protocol.makeConnection(self, transport)
        if self._headers.uids is not None and uid_at(transport) not in self._headers.uids:
            # Others could take the proxy's place without a word
            self._refuse(Refusal(reasons.FORWARDED_PROXY, {"expected": "one of proxy_users"}))
            return
        self._headers.waiting += 1
        self._deadline = self._headers.clock.callLater(self._headers.seconds, self._give_up)

    def getPeer(self) -> Any:
        """The client, where the proxy has told its address."""
        return self._address or self._wire.getPeer()

    def dataReceived(self, data: bytes) -> None:
        if self.header is not None:
            if self._behind is not None:
                self._behind.dataReceived(data)
            return
        self._read += data
        try:
            found = read_header(self._read, self._headers.version)
        except Refusal as refusal:
            self._refuse(refusal)
            return
        if found is not None:
            self.header, used = found
            self._go_on(self.header, self._read[used:])

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop_waiting()
        behind, self._behind = self._behind, None
        if behind is not None:
            behind.connectionLost(reason)

    def _go_on(self, header: ProxyHeader, rest: bytes) -> None:
        """Have the connection served from here on."""
        self._stop_waiting()
        self._read = b""
        self._address = _address_of(header)
        behind = self._headers.behind(self.getPeer())
        if behind is None:
            self._wire.abortConnection()
            return
        self._behind = behind
        behind.makeConnection(self)  # type: ignore[arg-type]  # it provides what its transport does
        if rest:
            behind.dataReceived(rest)

    def _give_up(self) -> None:
        self._refuse(Refusal(reasons.TLS_TIMEOUT, {"detail": "the proxy sent no header"}))

    def _refuse(self, refusal: Refusal) -> None:
        self._stop_waiting()
        self._headers.refused(getattr(self._wire.getPeer(), "host", ""), refusal)
        self._wire.abortConnection()

    def _stop_waiting(self) -> None:
        deadline, self._deadline = self._deadline, None
        if deadline is not None:
            self._headers.waiting -= 1
            if deadline.active():
                deadline.cancel()


@attrs.frozen
class PassedOn:
    """What the header of a connection says of the client.

    :ivar address: empty where the proxy speaks for itself, as to see whether we are up.
    :ivar client_certificate: None where the client came without.
    :ivar withheld: whether the client came with one, and the proxy has kept it to itself.
    """

    address: str
    client_certificate: ForwardedCertificate | None
    withheld: bool = False


def header_below(transport: object) -> PassedOn | None:
    """What stood at the beginning of the connection below this transport; None where nothing did.

    :param transport: of a protocol of Twisted's, which may stand on others.
    """
    while transport is not None:
        if isinstance(transport, HeaderProtocol):
            return None if transport.header is None else _passed_on(transport.header)
        transport = getattr(transport, "transport", None)
    return None


def _passed_on(header: ProxyHeader) -> PassedOn:
    address = "" if header.source is None else str(header.source.address)
    if header.ssl is None:
        return PassedOn(address, None)
    certificate = header.ssl.client_certificate
    return PassedOn(address, certificate, header.ssl.presented and certificate is None)


def _address_of(header: ProxyHeader) -> IAddress | None:
    """Where the client has connected from; None where the header does not tell."""
    source = header.source
    if source is None:
        return None
    kind = IPv6Address if source.address.version == 6 else IPv4Address
    return kind("TCP", str(source.address), source.port)
