"""How many connections a listener takes, in total and from one address."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

import attrs
from twisted.internet.interfaces import IAddress

_IPV6_SITE_BITS = 64  # what one customer gets at least (RFC 6177); single addresses cost him nothing


@attrs.frozen
class ConnectionLimits:
    """
    :ivar total: connections at once.
    :ivar per_address: connections at once from one IPv4 address or one IPv6 /64.
    """

    total: int = 10_000
    per_address: int = 256


def host_of(address: IAddress | None) -> str:
    """The host of an address; empty where it has none, as that of a UNIX socket."""
    host = getattr(address, "host", "")
    return host if isinstance(host, str) else ""


def source_of(address: IAddress | None) -> str:
    """What connections are counted by: an IPv4 address, an IPv6 /64, or nothing for everything else."""
    host = host_of(address)
    try:
        ip = ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return f"{int(ip) >> (128 - _IPV6_SITE_BITS):x}/{_IPV6_SITE_BITS}"
    return str(ip)


@attrs.define
class ConnectionCount:
    """The connections that are open now."""

    limits: ConnectionLimits
    total: int = 0
    by_source: dict[str, int] = attrs.field(factory=dict)

    def has_room(self, source: str) -> bool:
        if self.total >= self.limits.total:
            return False
        return not source or self.by_source.get(source, 0) < self.limits.per_address

    def opened(self, source: str) -> None:
        self.total += 1
        self.by_source[source] = self.by_source.get(source, 0) + 1

    def moved(self, source: str) -> None:
        """Count one that is open by no source any more."""
        self.closed(source)
        self.opened("")

    def closed(self, source: str) -> None:
        self.total -= 1
        left = self.by_source[source] - 1
        if left:
            self.by_source[source] = left
        else:
            del self.by_source[source]
