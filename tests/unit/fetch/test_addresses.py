"""Where mtlsd may connect to."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtlsd.fetch.addresses import AddressRules, embedded, is_public
from mtlsd.fetch.refused import FetchRefused

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "172.32.0.1",
    "2606:4700::1111",
    "64:ff9b::808:808",
    "::ffff:8.8.8.8",
]
REFUSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:10::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1111%1",
    "fec0::1",
    "ff02::1",
]


def is_usable(address: str, *allow: str, host: str = "a.example") -> bool:
    try:
        AddressRules.allowing(allow).usable(host, [ip_address(address)])
    except FetchRefused as refused:
        return refused.code != "address"
    return True


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert is_usable(address)


@pytest.mark.parametrize("address", REFUSED)
def test_others_are_refused(address: str) -> None:
    """P23, attack 7: in every disguise."""
    assert not is_usable(address)


@pytest.mark.parametrize(
    ("address", "allow"),
    [
        ("10.1.2.3", "10.1.0.0/16"),
        ("::ffff:10.1.2.3", "10.1.0.0/16"),
        ("64:ff9b::a01:203", "10.1.0.0/16"),
        ("fd00::7", "fd00::/8"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("10.9.9.9", "A.example"),
    ],
)
def test_the_operator_allows(address: str, allow: str) -> None:
    assert is_usable(address, allow)
    assert not is_usable(address, "10.2.0.0/16", "b.example", "example")


def test_the_usable_ones_are_left() -> None:
    """An address beside one that is refused is no worse for it: nothing but checked ones is connected to."""
    both = [ip_address("10.0.0.1"), ip_address("1.1.1.1")]
    assert AddressRules().usable("a.example", both) == both[1:]
    with pytest.raises(FetchRefused, match="no address"):
        AddressRules().usable("a.example", [])


@pytest.mark.parametrize(
    ("host", "address", "said"),
    [
        ("127.0.0.1", "127.0.0.1", "127.0.0.1 is not public, and not in allow of [fetch]"),
        ("[::1]", "::1", "[::1] is not public, and not in allow of [fetch]"),
        (
            "a.example",
            "10.0.0.1",
            "a.example is at 10.0.0.1, which is not public, and not in allow of [fetch]",
        ),
    ],
)
def test_the_operator_reads_where_it_is_allowed(host: str, address: str, said: str) -> None:
    with pytest.raises(FetchRefused) as caught:
        AddressRules().usable(host, [ip_address(address)])
    assert str(caught.value) == f"address: {said}"


def test_one_more_host() -> None:
    rules = AddressRules.allowing(["10.0.0.0/8"])
    assert rules.with_host("OCSP.example").usable("ocsp.example", [ip_address("127.0.0.1")])
    assert rules.hosts == frozenset()


@pytest.mark.parametrize(
    "entry", ["", "10.0.0.0/33", "10.0.0.1/8", "a b", "http://a/", "*.example", "a..b", "ä", "1.2.3"]
)
def test_entries_that_are_neither(entry: str) -> None:
    with pytest.raises(ValueError, match="neither"):
        AddressRules.allowing([entry])


@settings(max_examples=200)
@given(st.ip_addresses())
def test_no_stricter_than_python_where_it_refuses(address: object) -> None:
    """Whatever Python says is private, loopback and so on is refused here too."""
    found = embedded(ip_address(str(address)))
    if is_public(found):
        assert found.is_global
        assert not any((found.is_multicast, found.is_reserved, found.is_link_local))
