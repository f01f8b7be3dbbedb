"""What stands behind the addresses in a header of the PROXY protocol, version 2 (section 2.2).

Read are the checksum (``PP2_TYPE_CRC32C``) and what is said of the client's TLS connection
(``PP2_TYPE_SSL``), of that the client certificate (``PP2_SUBTYPE_SSL_CLIENT_CERT``, 0x28): the leaf alone,
in DER. ghostunnel sends it with ``--proxy-protocol-mode=tls-full`` (proxy/proxy_protocol.go), as does
whoever uses go-proxyproto so. All other types are skipped, as the protocol wants it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import attrs

from mtlsd.forwarded.codecs import der
from mtlsd.forwarded.forwarded import ForwardedCertificate

_CRC32C: Final = 0x03
_SSL: Final = 0x20
_SSL_CLIENT_CERT: Final = 0x28

_CLIENT_SSL: Final = 0x01
_CLIENT_CERT_CONN: Final = 0x02
_CLIENT_CERT_SESS: Final = 0x04
_SSL_FIXED: Final = 5  # client, verify


@attrs.frozen
class ProxyTLS:
    """What the proxy says of the client's TLS connection.

    :ivar presented: whether the client presented a certificate in this connection. That may be so although
        :attr:`client_certificate` is None: HAProxy does not forward it.
    :ivar verify: 0 where the proxy verified that certificate; its word alone, so nothing rests on it.
    :ivar client_certificate: with an empty chain.
    """

    presented: bool
    verify: int
    client_certificate: ForwardedCertificate | None


def read_tlvs(header: bytes, start: int) -> ProxyTLS | None:
    """What the TLVs of a whole header, from `start` to its end, say of TLS; None where they do not.

    :raises ValueError: where they do not fill the header exactly, one of those that are read is there twice
        or contradicts itself, or the checksum is wrong.
    """
    found = _tlvs(header, start, {_CRC32C, _SSL})
    if _CRC32C in found:
        _check(header, *found[_CRC32C])
    return None if _SSL not in found else _tls(header[slice(*found[_SSL])])


def _tlvs(octets: bytes, start: int, types: Collection[int]) -> dict[int, tuple[int, int]]:
    """Where the values of these types begin and end."""
    found: dict[int, tuple[int, int]] = {}
    while start < len(octets):
        value = start + 3
        end = value + int.from_bytes(octets[start + 1 : value], "big")
        if value > len(octets) or end > len(octets):
            raise ValueError("a TLV is cut off")
        if octets[start] in found:
            raise ValueError(f"the TLV of type {octets[start]:#04x} is there twice")
        if octets[start] in types:
            found[octets[start]] = value, end
        start = end
    return found


def _check(header: bytes, start: int, end: int) -> None:
    """Compare the checksum, which is over the whole header with zeros in its own place (section 2.2.3)."""
    if end - start != 4:
        raise ValueError("the checksum is not of four octets")
    if crc32c(header[:start] + bytes(4) + header[end:]).to_bytes(4, "big") != header[start:end]:
        raise ValueError("the checksum is wrong")


def _tls(value: bytes) -> ProxyTLS:
    if len(value) < _SSL_FIXED:
        raise ValueError("the TLV for TLS is cut off")
    client, verify = value[0], int.from_bytes(value[1:_SSL_FIXED], "big")
    presented = bool(client & _CLIENT_CERT_CONN)
    if client & (_CLIENT_CERT_CONN | _CLIENT_CERT_SESS) and not client & _CLIENT_SSL:
        raise ValueError("there is said to be a client certificate, and no TLS")
    found = _tlvs(value, _SSL_FIXED, {_SSL_CLIENT_CERT})
    if _SSL_CLIENT_CERT not in found:
        return ProxyTLS(presented, verify, None)
    if not presented:
        raise ValueError("there is a client certificate, and it is said that none came in this connection")
    certificate = ForwardedCertificate(der(value[slice(*found[_SSL_CLIENT_CERT])]))
    return ProxyTLS(presented, verify, certificate)


def crc32c(octets: bytes) -> int:
    """The CRC-32C of these octets (RFC 9260 appendix A)."""
    value = 0xFFFFFFFF
    for octet in octets:
        value = _TABLE[(value ^ octet) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def _entry(value: int) -> int:
    for _bit in range(8):
        value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value


_TABLE: Final = tuple(map(_entry, range(256)))
