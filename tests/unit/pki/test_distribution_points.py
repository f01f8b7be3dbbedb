"""Distribution points: read whole, or refused with ValueError and nothing else."""

from __future__ import annotations

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from mtlsd.errors import Refusal
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.der import SEQUENCE, encode
from mtlsd.pki.distribution_points import (
    ALL_REASONS,
    DistributionPoint,
    IssuingDistributionPoint,
    read_distribution_points,
    read_issuing_distribution_point,
    read_reasons,
)
from mtlsd.pki.extensions import AuthorityKeyIdentifier, authority_key_identifier, extensions_of
from tests.pki import Pki
from tests.pki.crls import directory_name, full_name, reasons, relative_name, uri
from tests.pki.maker import dn

PKI = Pki()
LEAF = PKI.leaf(
    more=[
        (
            x509.CRLDistributionPoints(
                [x509.DistributionPoint([x509.UniformResourceIdentifier("http://a")], None, None, None)]
            ),
            False,
        )
    ]
).leaf
NAME = full_name(uri("http://crl.example/ca.crl"))
FLAGS = encode(0x81, reasons(1, 6))
ISSUER = encode(0xA2, directory_name(dn(CN="Issuer")))


def read(*points: bytes) -> tuple[DistributionPoint, ...]:
    return read_distribution_points(encode(SEQUENCE, b"".join(encode(SEQUENCE, own) for own in points)))


def test_all_fields() -> None:
    (found,) = read(NAME + FLAGS + ISSUER)
    assert found.uris == ("http://crl.example/ca.crl",)
    assert found.reasons == frozenset({1, 6})
    assert [name.to_string() for name in found.crl_issuer] == ["CN=Issuer"]


def test_absent_fields() -> None:
    name, issuer = read(NAME, ISSUER)
    assert (name.reasons, name.crl_issuer) == (ALL_REASONS, ())
    assert (issuer.reasons, issuer.name, issuer.uris) == (ALL_REASONS, None, ())


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        FLAGS,
        FLAGS + NAME,
        NAME + NAME,
        NAME + encode(0xA3, b""),
        encode(0xA0, b""),
        full_name(),
        encode(0xA0, encode(0xA2, b"")),
        encode(0xA0, encode(0xA0, uri("http://a")) + encode(0xA0, uri("http://b"))),
        encode(0xA0, encode(0xA1, b"")),
        full_name(encode(SEQUENCE, b"")),
        encode(0xA2, uri("http://issuer.example")),
        NAME + encode(0x81, b""),
        NAME + encode(0x81, b"\x08\x00"),
        NAME + encode(0x81, b"\x01"),
        full_name(*(uri(f"http://{number}") for number in range(257))),
    ],
)
def test_malformed_point(bad: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the messages differ, and nobody reads them by program
        read(bad)


def test_too_many_or_none() -> None:
    assert len(read(*[NAME] * 64)) == 64
    for number in (0, 65):
        with pytest.raises(ValueError, match="point"):
            read(*[NAME] * number)


def test_bits_of_reasons() -> None:
    """RFC 5280 §4.2.1.13: bit 0 is unused, and there is none after aACompromise."""
    assert read_reasons(b"\x00\xff\xff") == ALL_REASONS
    assert read_reasons(b"\x07\x80\x00") == frozenset()
    assert read_reasons(b"\x06\x40") == frozenset({1})
    assert read_reasons(b"\x07\x00\x80") == frozenset({8})
    assert read_reasons(b"\x00") == frozenset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://crl.example/a%20b", True),
        ("ldap://x", True),
        ("http://crl.example/a b", False),
        ("http://crl.example/\r\n", False),
        ("http://crl.exämple/", False),
        ("http://crl.example/" + "a" * 2048, False),
    ],
)
def test_only_plain_uris_are_told(text: str, expected: bool) -> None:
    """The others still are names that a list may have."""
    (found,) = read(full_name(uri(text)))
    assert found.uris == ((text,) if expected else ())
    assert found.name is not None
    assert len(found.name.keys(None)) == 1


def test_issuing_distribution_point() -> None:
    empty = read_issuing_distribution_point(encode(SEQUENCE, b""))
    assert empty == IssuingDistributionPoint()
    whole = relative_name("list") + b"\x81\x01\xff" + encode(0x83, reasons(2)) + b"\x84\x01\xff"
    found = read_issuing_distribution_point(encode(SEQUENCE, whole))
    assert (found.only_user, found.only_ca, found.only_attribute, found.indirect) == (
        True,
        False,
        False,
        True,
    )
    assert found.reasons == frozenset({2})
    assert found.name is not None
    assert len(found.name.keys(None)) == 0  # whose name does it continue?
    for bad in (
        b"\x81\x01\x01",
        b"\x81\x00",
        b"\x81\x01\xff\x82\x01\xff",
        b"\x82\x01\xff\x81\x01\x00",
        b"\x86\x00",
    ):
        with pytest.raises(ValueError):  # noqa: PT011  the messages differ, and nobody reads them by program
            read_issuing_distribution_point(encode(SEQUENCE, bad))


@given(st.binary(max_size=120), st.integers(0, 100), st.binary(max_size=3))
@settings(max_examples=300, deadline=None)
def test_garbage_raises_value_error_alone(data: bytes, position: int, piece: bytes) -> None:
    good = encode(SEQUENCE, encode(SEQUENCE, NAME + FLAGS + ISSUER))
    changed = good[:position] + piece + good[position + 1 :]
    for value in (data, encode(SEQUENCE, data), encode(SEQUENCE, encode(SEQUENCE, data)), changed):
        for reader in (read_distribution_points, read_issuing_distribution_point, extensions_of):
            try:
                reader(value)
            except ValueError:
                continue


@given(st.integers(0, 2000), st.binary(min_size=1, max_size=2))
@settings(max_examples=200, deadline=None)
def test_changed_certificate_is_read_or_refused(position: int, piece: bytes) -> None:
    """A leaf with distribution points, an octet of it changed."""
    der = LEAF
    position %= len(der)
    try:
        Certificate.from_der(der[:position] + piece + der[position + 1 :])
    except Refusal as refusal:
        seen = refusal.reason.code
    else:
        seen = "read"
    assert seen in ("read", "certificate.malformed")


def test_authority_key_identifier() -> None:
    found = authority_key_identifier(extensions_of(PKI.intermediate.der))
    assert found is not None
    name = Certificate.from_der(PKI.intermediate.der).issuer
    assert (len(found.key or b""), found.issuers, found.serial_number) == (20, (), None)
    assert found.allows(found.key, name, 1)
    assert found.allows(None, name, 1)
    assert not found.allows(b"other", name, 1)
    assert authority_key_identifier(extensions_of(PKI.root.der)) is None
    both = AuthorityKeyIdentifier(None, (name,), 7)
    assert both.allows(b"any", name, 7)
    assert not both.allows(b"any", name, 8)
