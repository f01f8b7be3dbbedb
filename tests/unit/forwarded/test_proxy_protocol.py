"""The PROXY protocol: version 1 and 2 (P26)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlsd.errors import Refusal
from mtlsd.forwarded.forwarded import ForwardedCertificate
from mtlsd.forwarded.proxy_protocol import MAX_V2_OCTETS, ProxyEndpoint, ProxyHeader, read_header
from mtlsd.forwarded.proxy_tlvs import ProxyTLS, crc32c
from tests.der import sequence
from tests.pki import Pki

LEAF = Pki().leaf().leaf
SOURCE, DESTINATION = IPv4Address("192.0.2.7"), IPv4Address("198.51.100.1")
FROM, TO = ProxyEndpoint(SOURCE, 51000), ProxyEndpoint(DESTINATION, 443)
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
ADDRESSES = SOURCE.packed + DESTINATION.packed + struct.pack("!HH", 51000, 443)

Tlv = tuple[int, bytes]
ports = st.integers(0, 65535)


def tlvs(*rows: Tlv) -> bytes:
    return b"".join(struct.pack("!BH", kind, len(value)) + value for kind, value in rows)


def v2(rest: bytes = ADDRESSES, command: int = 0x21, family: int = 0x11, length: int | None = None) -> bytes:
    size = len(rest) if length is None else length
    return SIGNATURE + struct.pack("!BBH", command, family, size) + rest


def ssl(client: int, *rows: Tlv, verify: int = 0) -> Tlv:
    return 0x20, struct.pack("!BL", client, verify) + tlvs(*rows)


def of_ghostunnel(leaf: bytes | None) -> bytes:
    """As its proxy/proxy_protocol.go makes it with --proxy-protocol-mode=tls-full; not recorded."""
    version = (0x21, b"TLS 1.3")
    tls = ssl(0x01, version) if leaf is None else ssl(0x07, version, (0x22, b"client"), (0x28, leaf))
    return v2(ADDRESSES + tlvs((0x01, b"http/1.1"), (0x02, b"as.example.com"), tls))


def checked(header: bytes, at: int) -> bytes:
    return header[:at] + struct.pack("!L", crc32c(header)) + header[at + 4 :]


def refused(octets: bytes, version: int = 2) -> str:
    with pytest.raises(Refusal) as caught:
        read_header(octets, version)
    assert caught.value.reason.code == "forwarded.proxy_header"
    assert caught.value.facts["version"] == version
    return str(caught.value.facts["detail"])


# -- version 1 ------------------------------------------------------------------------------------------


@given(st.ip_addresses(), ports, ports)
def test_v1_addresses(address: IPv4Address | IPv6Address, source: int, destination: int) -> None:
    line = f"PROXY TCP{address.version} {address} {address} {source} {destination}\r\n".encode()
    expected = ProxyHeader(
        source=ProxyEndpoint(address, source), destination=ProxyEndpoint(address, destination)
    )
    assert read_header(line + b"GET /", 1) == (expected, len(line))
    assert all(read_header(line[:length], 1) is None for length in range(len(line)))


def test_v1_unknown() -> None:
    """The client's address is then not known, and nothing behind the word is read."""
    for line in (b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff::1 whatever 1\r\n"):
        assert read_header(line, 1) == (ProxyHeader(), len(line))


def test_v1_longest() -> None:
    line = b"PROXY UNKNOWN " + b"a" * 91 + b"\r\n"
    assert len(line) == 107
    assert read_header(line, 1) is not None
    assert "longer than 107" in refused(line.replace(b"\r", b"a\r"), 1)
    assert "longer than 107" in refused(b"PROXY UNKNOWN " + b"a" * 200, 1)


def test_mapped_addresses_are_ipv4() -> None:
    for text in ("::ffff:192.0.2.7", str(ip_address("::ffff:192.0.2.7"))):
        found = read_header(f"PROXY TCP6 {text} ::1 1 2\r\n".encode(), 1)
        assert found is not None
        assert found[0].source == ProxyEndpoint(SOURCE, 1)
    octets = IPv6Address("::ffff:192.0.2.7").packed + IPv6Address("::1").packed + struct.pack("!HH", 1, 2)
    found = read_header(v2(octets, family=0x21), 2)
    assert found is not None
    assert found[0] == ProxyHeader(
        source=ProxyEndpoint(SOURCE, 1), destination=ProxyEndpoint(IPv6Address("::1"), 2)
    )


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/1.1\r\n",
        b"proxy TCP4 192.0.2.7 198.51.100.1 1 2\r\n",
        b" PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY  TCP4 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP4\t192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2 \r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 65536\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 +1 2\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 1 \xd9\xa1\r\n",
        b"PROXY TCP4 192.0.2.07 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY TCP6 ::0001 ::1 1 2\r\n",
        b"PROXY TCP6 0:0:0:0:0:0:0:1 ::1 1 2\r\n",
        b"PROXY TCP6 2001:DB8::1 ::1 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        b"PROXY UDP4 192.0.2.7 198.51.100.1 1 2\r\n",
        b"PROXY UNIX a b\r\n",
        b"PROXY UNKNOWNX\r\n",
        b"PROXY UNKNOWN \0\r\n",
        b"PROXY \r\n",
    ],
)
def test_v1_otherwise(line: bytes) -> None:
    refused(line, 1)


def test_the_version_is_not_found_out() -> None:
    assert refused(v2(), 1)
    assert refused(b"PROXY UNKNOWN\r\n", 2)
    assert refused(b"\x16\x03\x01", 1)  # a TLS handshake
    assert refused(b"\x16\x03\x01", 2)


# -- version 2 ------------------------------------------------------------------------------------------


def test_v2_addresses() -> None:
    assert read_header(v2() + b"GET /", 2) == (ProxyHeader(source=FROM, destination=TO), 28)
    octets = IPv6Address("2001:db8::7").packed + IPv6Address("2001:db8::1").packed + struct.pack("!HH", 1, 2)
    found = read_header(v2(octets, family=0x21), 2)
    assert found is not None
    assert found[0].source == ProxyEndpoint(IPv6Address("2001:db8::7"), 1)
    assert read_header(v2(bytes(216), family=0x31), 2) == (ProxyHeader(), 232)
    assert read_header(v2(b"", family=0), 2) == (ProxyHeader(), 16)


def test_local_says_nothing_whatever_is_in_it() -> None:
    """Section 2.2: the rest is to be discarded; so there is no certificate either."""
    for rest in (b"", ADDRESSES, b"\xff" * 40, of_ghostunnel(LEAF)[16:]):
        octets = v2(rest, command=0x20, family=0xFF if rest else 0)
        assert read_header(octets, 2) == (ProxyHeader(local=True), len(octets))


def test_ghostunnels_certificate() -> None:
    octets = of_ghostunnel(LEAF)
    tls = ProxyTLS(True, 0, ForwardedCertificate(LEAF))
    assert read_header(octets + b"GET /", 2) == (ProxyHeader(False, FROM, TO, tls), len(octets))
    without = read_header(of_ghostunnel(None), 2)
    assert without is not None
    assert without[0].ssl == ProxyTLS(False, 0, None)


@given(st.binary(max_size=300).map(sequence), st.integers(0, 2**32 - 1))
def test_certificates_and_verdicts(leaf: bytes, verify: int) -> None:
    """What the proxy's verdict is changes nothing: it is its word alone (P27)."""
    found = read_header(v2(ADDRESSES + tlvs(ssl(0x03, (0x28, leaf), verify=verify))), 2)
    assert found is not None
    assert found[0].ssl == ProxyTLS(True, verify, ForwardedCertificate(leaf))


def test_however_it_arrives() -> None:
    octets = of_ghostunnel(LEAF)
    assert all(read_header(octets[:length], 2) is None for length in range(len(octets)))


def test_unknown_tlvs_are_skipped() -> None:
    unknown: Sequence[Tlv] = [(0x04, b""), (0x04, bytes(9)), (0xEA, b"\x01vpce"), (0xEA, b""), (0x30, b"ns")]
    assert read_header(v2(ADDRESSES + tlvs(*unknown)), 2) == (
        ProxyHeader(source=FROM, destination=TO),
        28 + len(tlvs(*unknown)),
    )


def test_checksum() -> None:
    """Of "123456789" it is e3069283; of a header it is over itself with zeros in its place."""
    assert crc32c(b"123456789") == 0xE3069283
    header = v2(ADDRESSES + tlvs((0x03, bytes(4)), (0x04, b"x")))
    good = checked(header, 31)
    assert read_header(good, 2) is not None
    for position in range(16, len(good)):
        if not 28 <= position < 31:
            changed = good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :]
            refused(changed)
    assert "four octets" in refused(v2(ADDRESSES + tlvs((0x03, bytes(3)))))
    assert "twice" in refused(v2(ADDRESSES + tlvs((0x03, bytes(4)), (0x03, bytes(4)))))


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"\r\n\r\n\0\r\nQUIX", "signature"),
        (b"GET / HTTP/1.1\r\n", "signature"),
        (v2(command=0x11), "version is not 2"),
        (v2(command=0x22), "neither LOCAL nor PROXY"),
        (SIGNATURE + b"\x10", "version is not 2"),
        (v2(family=0x12), "not one of a stream"),
        (v2(family=0x22), "not one of a stream"),
        (v2(family=0x01), "not one of a stream"),
        (v2(family=0x41), "not one of a stream"),
        (v2(ADDRESSES[:-1]), "cut off"),
        (v2(family=0x21), "cut off"),
        (v2(b"", length=MAX_V2_OCTETS + 1), "more than"),
        (v2(b"", length=65535), "more than"),
        (v2(ADDRESSES + b"\x04"), "cut off"),
        (v2(ADDRESSES + b"\x04\x00"), "cut off"),
        (v2(ADDRESSES + b"\x04\x00\x02x"), "cut off"),
        (v2(ADDRESSES + b"\x04\xff\xff"), "cut off"),
        (v2(ADDRESSES + tlvs(ssl(1), ssl(1))), "0x20 is there twice"),
        (v2(ADDRESSES + tlvs((0x20, b"\x01\0\0\0"))), "cut off"),
        (v2(ADDRESSES + tlvs((0x20, b"\x01\0\0\0\0\x28\0\x09a"))), "cut off"),
        (v2(ADDRESSES + tlvs(ssl(7, (0x28, LEAF), (0x28, LEAF)))), "0x28 is there twice"),
        (v2(ADDRESSES + tlvs(ssl(7, (0x28, LEAF), (0x28, b"")))), "0x28 is there twice"),
        (v2(ADDRESSES + tlvs(ssl(1, (0x28, LEAF)))), "none came in this connection"),
        (v2(ADDRESSES + tlvs(ssl(5, (0x28, LEAF)))), "none came in this connection"),
        (v2(ADDRESSES + tlvs(ssl(0, (0x28, LEAF)))), "none came in this connection"),
        (v2(ADDRESSES + tlvs(ssl(2, (0x28, LEAF)))), "no TLS"),
        (v2(ADDRESSES + tlvs(ssl(6))), "no TLS"),
        (v2(ADDRESSES + tlvs(ssl(7, (0x28, b"")))), "no DER SEQUENCE"),
        (v2(ADDRESSES + tlvs(ssl(7, (0x28, LEAF + b"\0")))), "after the end"),
        (v2(ADDRESSES + tlvs(ssl(7, (0x28, LEAF[:-1])))), "cut off"),
        (v2(ADDRESSES + tlvs(ssl(7, (0x28, b"-----BEGIN CERTIFICATE-----\n")))), "no DER SEQUENCE"),
    ],
)
def test_v2_otherwise(octets: bytes, words: str) -> None:
    assert words in refused(octets)


@given(
    st.sampled_from([1, 2]), st.sampled_from([b"", b"PROXY ", SIGNATURE, v2()[:14]]), st.binary(max_size=300)
)
def test_arbitrary_octets(version: int, start: bytes, rest: bytes) -> None:
    """Nothing is raised but refusals."""
    with suppress(Refusal):
        found = read_header(start + rest, version)
        assert found is None or found[1] <= len(start + rest)


@given(st.data())
def test_mutations(data: st.DataObject) -> None:
    """However a good header is cut short or changed, what is read of it was in it."""
    octets = of_ghostunnel(LEAF)
    start = data.draw(st.integers(0, len(octets)))
    changed = (
        octets[:start] + data.draw(st.binary(max_size=3)) + octets[start + data.draw(st.integers(0, 3)) :]
    )
    with suppress(Refusal):
        found = read_header(changed, 2)
        tls = None if found is None else found[0].ssl
        if found is not None and tls is not None and tls.client_certificate is not None:
            assert tls.client_certificate.leaf in changed[: found[1]]
