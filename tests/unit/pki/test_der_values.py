"""Values in DER: one way to write each, and every other way refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from mtlsd.pki.der import Element
from mtlsd.pki.der_values import (
    GENERALIZED_TIME,
    extensions,
    generalized_time,
    integer,
    octets_of_bits,
    public_key_bits,
    row,
    serial_number,
)
from tests.der import extension, sequence, tlv
from tests.der import integer as written
from tests.pki import Pki

LEAF = Pki().leaf().leaf


def found(content: bytes, tag: int = 2) -> Element:
    return Element(tag, content, tlv(tag, content))


@given(st.integers(-(2**200), 2**200))
def test_integers(number: int) -> None:
    assert integer(row(sequence(written(number))).take()) == number


@pytest.mark.parametrize("content", [b"", b"\0\0", b"\0\x7f", b"\xff\xff", b"\xff\x80"])
def test_integers_in_another_form(content: bytes) -> None:
    with pytest.raises(ValueError, match="shortest"):
        integer(found(content))


def test_times() -> None:
    time = generalized_time(found(b"20261121120000Z", GENERALIZED_TIME))
    assert time == datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"20261121120000",
        b"202611211200Z",
        b"20261121120000.5Z",
        b"20261121120000+0100",
        b"00001121120000Z",
        b"20261321120000Z",
        b"20261121120061Z",
        b"2026112112 000Z",
        b"\xd9\xa2261121120000Z",
    ],
)
def test_times_in_another_form(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        generalized_time(found(content))


@pytest.mark.parametrize("content", [b"", b"\1\xfe", b"\x08"])
def test_bits_that_are_no_octets(content: bytes) -> None:
    with pytest.raises(ValueError, match="whole octets"):
        octets_of_bits(found(content))


def test_extensions() -> None:
    both = extensions(sequence(extension("1.2.3", b"a", b"\xff"), extension("1.2.4", b"b")))
    assert [(own.oid, own.critical, own.value) for own in both.values()] == [
        ("1.2.3", True, b"a"),
        ("1.2.4", False, b"b"),
    ]


@pytest.mark.parametrize(
    "data",
    [
        sequence(),
        sequence(extension("1.2.3", b"a"), extension("1.2.3", b"b")),
        sequence(extension("1.2.3", b"a", b"\x00")),
        sequence(extension("1.2.3", b"a", b"\x01")),
        sequence(extension("1.2.3", b"a"))[:-1],
        sequence(*(extension(f"1.2.{number}", b"") for number in range(65))),
    ],
    ids=["none", "twice", "FALSE", "another TRUE", "cut off", "too many"],
)
def test_extensions_that_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        extensions(data)


def test_parts_of_a_certificate() -> None:
    library = x509.load_der_x509_certificate(LEAF)
    assert serial_number(LEAF) == library.serial_number
    assert x509.SubjectKeyIdentifier.from_public_key(library.public_key()).digest in LEAF
    assert public_key_bits(LEAF)[:1] == b"\x04"  # an uncompressed point


@settings(max_examples=100)
@given(st.binary(max_size=100))
def test_no_certificate(data: bytes) -> None:
    for reader in (public_key_bits, serial_number, extensions):
        with pytest.raises(ValueError, match=r"."):
            reader(data)
