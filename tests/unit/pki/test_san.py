"""Comparing subjectAltNames (R37, P21)."""

from __future__ import annotations

import ipaddress
from typing import Any, get_args

import pytest
from cryptography import x509
from hypothesis import example, given
from hypothesis import strategies as st

from mtlsd.pki.san import Kind, SubjectAltName

KINDS: tuple[Kind, ...] = get_args(Kind)


def registered(kind: Kind, text: str) -> SubjectAltName:
    return SubjectAltName.from_registration(kind, text)


def seen(*names: x509.GeneralName) -> tuple[SubjectAltName, ...]:
    return SubjectAltName.from_general_names(x509.SubjectAlternativeName(names))


def raw(kind: type[Any], text: str) -> x509.GeneralName:
    """A name as `cryptography` reads it from a certificate, though it would not make it."""
    name: x509.GeneralName = kind._init_without_validation(text)
    return name


MAKERS: dict[Kind, type[Any]] = {
    "dns": x509.DNSName,
    "uri": x509.UniformResourceIdentifier,
    "email": x509.RFC822Name,
}


@pytest.mark.parametrize(
    ("kind", "one", "other", "equal"),
    [
        ("dns", "billing.example.com", "BILLING.Example.COM", True),
        ("dns", "xn--bcher-kva.example", "XN--Bcher-kva.example", True),
        ("dns", "_a_b.example", "_A_b.example", True),
        ("dns", "billing.example.com", "a.billing.example.com", False),
        ("dns", "billing.example.com", "example.com", False),
        ("dns", "billing.example.com", "*.example.com", False),
        ("dns", "billing.example.com", "billing.example.com.", False),
        ("dns", "billing.example.com", "billing.example.com\x00.evil.example", False),
        ("dns", "billing.example.com", "billing.example.com\n", False),
        ("dns", "billing.example.com", " billing.example.com", False),
        ("dns", "k.example", "\u212a.example", False),
        ("dns", "xn--bcher-kva.example", "bücher.example", False),
        ("uri", "spiffe://Example.com/Client", "SPIFFE://example.COM/Client", True),
        ("uri", "https://User@example.com:443/", "https://User@EXAMPLE.com:443/", True),
        ("uri", "https://[2001:DB8::1]/", "https://[2001:db8::1]/", True),
        ("uri", "spiffe://example.com/Client", "spiffe://example.com/client", False),
        ("uri", "https://example.com", "https://example.com/", False),
        ("uri", "https://example.com/", "https://example.com:443/", False),
        ("uri", "https://example.com/%41", "https://example.com/A", False),
        ("uri", "https://example.com/%4A", "https://example.com/%4a", False),
        ("uri", "https://example.com/a/../b", "https://example.com/b", False),
        ("uri", "https://User@example.com/", "https://user@example.com/", False),
        ("uri", "https://example.com/", "https://example.com\\@evil.example/", False),
        ("uri", "https://example.com/", "https://example.com/\x00", False),
        ("uri", "https://example.com/e", "https://example.com/é", False),
        ("uri", "urn:Example:A", "URN:Example:A", True),
        ("uri", "urn:example:a", "urn:Example:a", False),
        ("email", "Client@example.com", "Client@EXAMPLE.com", True),
        ("email", "Client@example.com", "client@example.com", False),
        ("email", "client@example.com", "client@example.com\x00", False),
        ("email", "client@example.com", "client\x00@example.com", False),
        ("email", "client@example.com", "example.com", False),
        ("email", "client@example.com", "@example.com", False),
        ("email", "client@example.com", "x@client@example.com", False),
    ],
)
def test_comparing(kind: Kind, one: str, other: str, equal: bool) -> None:
    (name,) = seen(raw(MAKERS[kind], other))
    assert registered(kind, one).matches(name) is equal
    assert name.matches(registered(kind, one)) is equal


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("2001:db8::1", "2001:0DB8:0:0::1", True),
        ("::ffff:192.0.2.1", "::ffff:c000:201", True),
        ("192.0.2.1", "::ffff:192.0.2.1", False),
        ("192.0.2.1", "::192.0.2.1", False),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_addresses_are_compared_in_binary(one: str, other: str, equal: bool) -> None:
    """R11."""
    (name,) = seen(x509.IPAddress(ipaddress.ip_address(other)))
    assert registered("ip", one).matches(name) is equal


def test_a_range_in_a_certificate_is_no_address() -> None:
    for network in ("192.0.2.1/32", "192.0.2.0/24", "::/0"):
        (name,) = seen(x509.IPAddress(ipaddress.ip_network(network)))
        assert name.key is None
        assert not name.matches(name)


def test_kinds_do_not_mix() -> None:
    """The same text as another kind is another name."""
    (dns, uri) = seen(raw(x509.DNSName, "urn:a"), raw(x509.UniformResourceIdentifier, "urn:a"))
    assert dns.key is None
    assert not registered("uri", "urn:a").matches(dns)
    assert registered("uri", "urn:a").matches(uri)
    (address,) = seen(raw(x509.DNSName, "192.0.2.1"))
    assert not address.matches(registered("ip", "192.0.2.1"))


def test_other_kinds_are_left_out() -> None:
    names = seen(
        x509.RegisteredID(x509.ObjectIdentifier("1.2.3")),
        x509.DNSName("a.example"),
        x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x01a"),
        x509.DirectoryName(x509.Name([])),
    )
    assert [name.value for name in names] == ["a.example"]


def test_a_bad_name_leaves_the_others_readable() -> None:
    names = seen(raw(x509.DNSName, "\x00\r\n\u202e"), raw(x509.DNSName, ""), x509.DNSName("a.example"))
    assert [name.key for name in names] == [None, None, "a.example"]
    assert names[0].value == "\\00\\0D\\0A\\E2\\80\\AE"
    assert names[2].matches(registered("dns", "a.example"))


def test_there_is_a_bound() -> None:
    many = x509.SubjectAlternativeName([x509.DNSName(f"h{number}.example") for number in range(5000)])
    with pytest.raises(ValueError, match="512"):
        SubjectAltName.from_general_names(many)


@pytest.mark.parametrize(
    ("kind", "text", "remedy"),
    [
        ("dns", "*.example.com", "wildcard"),
        ("dns", "billing.*", "wildcard"),
        ("dns", "example.com.", ": example.com"),
        ("dns", "bücher.example", "xn--bcher-kva.example"),
        ("dns", "192.0.2.1", "tls_client_auth_san_ip"),
        ("dns", "::1", "tls_client_auth_san_ip"),
        ("dns", "https://example.com/", "tls_client_auth_san_uri"),
        ("dns", "a..example", "client.example.com"),
        ("dns", "-a.example", "client.example.com"),
        ("dns", "a" * 64 + ".example", "client.example.com"),
        ("dns", "a." * 127 + "example", "client.example.com"),
        ("dns", "", "client.example.com"),
        ("dns", "a.example\n", "client.example.com"),
        ("dns", "1.2.3.4.5", "client.example.com"),
        ("dns", "\ud800.example", "client.example.com"),
        ("uri", "example.com/client", "scheme"),
        ("uri", "https://bücher.example/", "A-labels"),
        ("uri", "https://a b/", "scheme"),
        ("uri", "https://a@b@c/", "scheme"),
        ("uri", "https://a:b/", "scheme"),
        ("uri", "https://*.example/", "scheme"),
        ("uri", "https://a/%zz", "scheme"),
        ("uri", "https:", "scheme"),
        ("uri", "https://", "scheme"),
        ("ip", "192.0.2.0/24", "range"),
        ("ip", "192.0.2.01", "brackets"),
        ("ip", "[::1]", "brackets"),
        ("ip", "fe80::1%eth0", "zone"),
        ("ip", "localhost", "brackets"),
        ("ip", "3221225985", "brackets"),
        ("email", "example.com", "client@example.com"),
        ("email", "client@bücher.example", "client@xn--bcher-kva.example"),
        ("email", '"a b"@example.com', "quoted"),
        ("email", "a@[192.0.2.1]", "client@example.com"),
    ],
)
def test_a_registration_that_no_certificate_can_have_is_refused(kind: Kind, text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=r"^'") as caught:
        registered(kind, text)
    assert remedy in str(caught.value)
    assert str(caught.value).isprintable()


@given(st.sampled_from(KINDS), st.text() | st.text("aA0.:/@%[]*-_\x00é?#"))
@example("uri", "a://")
@example("ip", "\u0661.1.1.1")
def test_any_text_is_read_or_refused(kind: Kind, text: str) -> None:
    """Also what a certificate has is read without an exception, to the same key or none."""
    try:
        key, mistake = registered(kind, text).key, ""
    except ValueError as caught:
        key, mistake = None, str(caught)
    assert mistake.isprintable()
    assert (key is None) == bool(mistake)
    assert key is None or (text.isascii() and text.isprintable())
    if kind in MAKERS:
        (name,) = seen(raw(MAKERS[kind], text))
        assert name.key == key
        assert name.value.isprintable()


LABELS = st.from_regex(r"[A-Za-z]([A-Za-z0-9-]{0,10}[A-Za-z0-9])?", fullmatch=True)
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
PATHS = st.from_regex(r"(/[A-Za-z0-9%20._~-]{0,5}){0,3}", fullmatch=True).filter(lambda path: "%" not in path)


@given(HOSTS, HOSTS)
def test_hosts_are_equal_without_case_and_no_other_way(one: str, other: str) -> None:
    frames: dict[Kind, str] = {"dns": "{}", "email": "a@{}", "uri": "https://{}:1/"}
    for kind, frame in frames.items():
        first, second = registered(kind, frame.format(one)), registered(kind, frame.format(other))
        assert first.matches(second) == (one.lower() == other.lower())
        assert first.matches(registered(kind, frame.format(one.swapcase())))


@given(HOSTS, PATHS, PATHS)
def test_paths_are_exact(host: str, one: str, other: str) -> None:
    first, second = registered("uri", f"spiffe://{host}{one}"), registered("uri", f"SPIFFE://{host}{other}")
    assert first.matches(second) == (one == other)


@given(st.ip_addresses(), st.ip_addresses())
def test_addresses_are_equal_as_octets(one: Any, other: Any) -> None:
    first, second = registered("ip", str(one)), registered("ip", str(other))
    assert first.matches(second) == (one.packed == other.packed)
    assert first.key == one.packed
    (name,) = seen(x509.IPAddress(one))
    assert name.matches(first)
