"""Where mtlsd may connect to: the public Internet, and what the operator names.

URLs come from certificates and registrations. Without rules, whoever writes one could make mtlsd speak to
whatever it can reach and others cannot: itself, its neighbours, a cloud's metadata service. The table is that
of IANA's special-purpose address registries (RFC 6890 and its updates): written out here, since what
``ipaddress`` calls global differs by the release of Python.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Final, Self

import attrs

from mtlsd.fetch.refused import FetchRefused
from mtlsd.fetch.url import Address

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_REFUSED_4: Final = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network, unspecified
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, and the metadata services of clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_GLOBAL_6: Final = ipaddress.IPv6Network("2000::/3")
_REFUSED_6: Final = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, with Teredo and ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which leads to an IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


@attrs.frozen
class AddressRules:
    """Which addresses may be connected to.

    :ivar networks: allowed whatever else stands here.
    :ivar hosts: names and addresses in lower case whose addresses are all allowed: trust in these names is
        trust in whoever answers for them.
    """

    networks: frozenset[Network] = frozenset()
    hosts: frozenset[str] = frozenset()

    @classmethod
    def allowing(cls, entries: Iterable[str]) -> Self:
        """Public addresses, and these: ``10.1.0.0/16``, ``fd00::7``, ``ocsp.internal.example``.

        :raises ValueError: naming the entry that is neither a network, an address nor a host.
        """
        networks: set[Network] = set()
        hosts: set[str] = set()
        for entry in entries:
            network = _network(entry)
            if network is not None:
                networks.add(network)
            elif _is_host(entry):
                hosts.add(entry.lower())
            else:
                raise ValueError(f"neither a network, an address nor a host: {entry[:100]!r}")
        return cls(frozenset(networks), frozenset(hosts))

    def with_host(self, host: str) -> Self:
        """The same, and this host: for URLs that the operator wrote down, and nobody else."""
        return attrs.evolve(self, hosts=self.hosts | {host.lower()})

    def usable(self, host: str, addresses: Sequence[Address]) -> Sequence[Address]:
        """Those of the host's addresses that may be connected to, in order.

        :raises FetchRefused: address, where there is none. Fails closed.
        """
        found = [address for address in addresses if host in self.hosts or self._allows(address)]
        if not found:
            raise FetchRefused("address", _not_allowed(host, addresses))
        return found

    def _allows(self, address: Address) -> bool:
        real = embedded(address)
        if any(real in network or address in network for network in self.networks):
            return True
        return is_public(real)


def embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for as IPv4-mapped or NAT64, else the address itself.

    6to4 and Teredo stand for one as well, but nobody serves anything there: they are refused whole.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_public(address: Address) -> bool:
    """Whether an address, with nothing embedded in it, is one of the public Internet."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _REFUSED_4)
    if address.scope_id is not None:
        return False
    return address in _GLOBAL_6 and not any(address in network for network in _REFUSED_6)


def _not_allowed(host: str, addresses: Sequence[Address]) -> str:
    seen = ", ".join(map(str, addresses[:3])) or "no address"
    where = host if seen == host.strip("[]") else f"{host} is at {seen}, which"
    return f"{where} is not public, and not in allow of [fetch]"


def _network(entry: str) -> Network | None:
    try:
        return ipaddress.ip_network(entry)
    except ValueError:
        return None


def _is_host(entry: str) -> bool:
    labels = entry.split(".")
    plain = entry.isascii() and all(label.replace("-", "").replace("_", "").isalnum() for label in labels)
    return plain and not labels[-1].isdigit()
