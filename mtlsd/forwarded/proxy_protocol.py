"""The PROXY protocol, versions 1 and 2: who a connection is forwarded for, as its first octets say.

After HAProxy's doc/proxy-protocol.txt. The version is configured, never found out. Nothing of it is signed,
so it is worth as much as what is known of whoever sent it.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

import attrs

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.forwarded.proxy_tlvs import ProxyTLS, read_tlvs
from mtlsd.pki.certificate import MAX_DER_BYTES

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_V1_OCTETS = 107
"""With CR LF (section 2.1)."""
MAX_V2_OCTETS = MAX_DER_BYTES + 4096
"""Addresses and TLVs: the largest certificate that is read at all, and room for everything else."""

_V2_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
_V2_FIXED: Final = len(_V2_SIGNATURE) + 4
_V2_LOCAL: Final = 0x20
_V2_PROXY: Final = 0x21
_V2_UNSPEC: Final = 0x00
_V2_TCP4: Final = 0x11
_V2_TCP6: Final = 0x21
_V2_UNIX_STREAM: Final = 0x31
_ADDRESS_OCTETS: Final = {_V2_UNSPEC: 0, _V2_TCP4: 12, _V2_TCP6: 36, _V2_UNIX_STREAM: 216}

_V1_PREFIX: Final = b"PROXY "
_v1_line = re.compile(
    rb"PROXY (?:UNKNOWN(?: [ -~]*+)?"
    rb"|(TCP[46]) ([0-9a-f.:]++) ([0-9a-f.:]++) (0|[1-9][0-9]{0,4}+) (0|[1-9][0-9]{0,4}+))\r\n"
).fullmatch


def _unmapped(address: IPAddress) -> IPAddress:
    return getattr(address, "ipv4_mapped", None) or address


@attrs.frozen
class ProxyEndpoint:
    """One end of the client's connection to the proxy.

    :ivar address: an IPv4 address also where it came mapped into IPv6 (RFC 4291 section 2.5.5.2).
    """

    address: IPAddress = attrs.field(converter=_unmapped)
    port: int


@attrs.frozen
class ProxyHeader:
    """What the header says.

    :ivar local: the proxy speaks for itself, as in a health check; nothing else is known then.
    :ivar source: the client's end; None where the proxy does not say, or the client came by a UNIX socket.
    :ivar destination: the proxy's end, likewise.
    :ivar ssl: what the proxy says of the client's TLS connection; None where it says nothing.
    """

    local: bool = False
    source: ProxyEndpoint | None = None
    destination: ProxyEndpoint | None = None
    ssl: ProxyTLS | None = None


def read_header(octets: bytes, version: int) -> tuple[ProxyHeader, int] | None:
    """The header that a connection begins with, and how many octets it takes; None while some are missing.

    :param octets: all that the connection has brought so far.
    :param version: 1 or 2.
    :raises Refusal: forwarded.proxy_header, with the fact ``detail``, as soon as it is certain; nothing else.
    """
    try:
        return _read_v1(octets) if version == 1 else _read_v2(octets)
    except ValueError as error:
        raise Refusal(reasons.FORWARDED_PROXY_HEADER, {"version": version, "detail": str(error)}) from None


def _read_v1(octets: bytes) -> tuple[ProxyHeader, int] | None:
    if not octets.startswith(_V1_PREFIX[: len(octets)]):
        raise ValueError("the connection does not begin with PROXY")
    end = octets.find(b"\n", 0, MAX_V1_OCTETS) + 1
    if not end:
        if len(octets) >= MAX_V1_OCTETS:
            raise ValueError(f"the line is longer than {MAX_V1_OCTETS} octets")
        return None
    match = _v1_line(octets[:end])
    if match is None:
        raise ValueError("the line is not one of version 1")
    family, source, destination, source_port, destination_port = match.groups()
    if family is None:
        return ProxyHeader(), end
    kind = ipaddress.IPv4Address if family == b"TCP4" else ipaddress.IPv6Address
    client = _v1_endpoint(kind, source, source_port)
    return ProxyHeader(source=client, destination=_v1_endpoint(kind, destination, destination_port)), end


def _v1_endpoint(kind: type[IPAddress], host: bytes, port: bytes) -> ProxyEndpoint:
    text = host.decode("ascii")
    try:
        address = kind(text)
    except ValueError:
        raise ValueError("an address is not one of its family") from None
    if text not in _spellings(address):
        raise ValueError("an address is not in its canonical spelling")
    if int(port) > 0xFFFF:
        raise ValueError("a port is greater than 65535")
    return ProxyEndpoint(address, int(port))


def _spellings(address: IPAddress) -> tuple[str, ...]:
    """RFC 5952, and where an IPv4 address is in it, what inet_ntop writes."""
    plain = _unmapped(address)
    return (str(address),) if plain is address else (str(address), f"::ffff:{plain}")


def _read_v2(octets: bytes) -> tuple[ProxyHeader, int] | None:
    if not octets.startswith(_V2_SIGNATURE[: len(octets)]):
        raise ValueError("the connection does not begin with the signature of version 2")
    command = octets[12:13]
    if command and command[0] not in (_V2_LOCAL, _V2_PROXY):
        raise ValueError("the version is not 2, or the command neither LOCAL nor PROXY")
    if len(octets) < _V2_FIXED:
        return None
    end = _V2_FIXED + int.from_bytes(octets[14:_V2_FIXED], "big")
    if end - _V2_FIXED > MAX_V2_OCTETS:
        raise ValueError(f"the length is more than {MAX_V2_OCTETS} octets")
    if len(octets) < end:
        return None
    if command[0] == _V2_LOCAL:
        return ProxyHeader(local=True), end  # section 2.2: whatever else is in there is discarded
    return _v2_header(octets[:end]), end


def _v2_header(header: bytes) -> ProxyHeader:
    """What a complete header with the command PROXY says."""
    family, size = header[13], _ADDRESS_OCTETS.get(header[13])
    if size is None:
        raise ValueError("the address family or the transport is not one of a stream")
    start = _V2_FIXED + size
    if len(header) < start:
        raise ValueError("the addresses are cut off")
    source, destination = _v2_endpoints(family, header[_V2_FIXED:start])
    return ProxyHeader(source=source, destination=destination, ssl=read_tlvs(header, start))


def _v2_endpoints(family: int, octets: bytes) -> tuple[ProxyEndpoint, ProxyEndpoint] | tuple[None, None]:
    if family not in (_V2_TCP4, _V2_TCP6):
        return None, None
    size = len(octets) // 2 - 2
    ports = octets[2 * size :]
    return (
        ProxyEndpoint(ipaddress.ip_address(octets[:size]), int.from_bytes(ports[:2], "big")),
        ProxyEndpoint(ipaddress.ip_address(octets[size : 2 * size]), int.from_bytes(ports[2:], "big")),
    )
