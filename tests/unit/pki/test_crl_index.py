"""The compact index: it says of every serial number what a plain set would say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtlsd.pki.certificate import Certificate
from mtlsd.pki.crl import OpenedList
from mtlsd.pki.crl_index import STRIDE, RevokedIndex, encode_serial
from mtlsd.pki.crl_refused import CrlRefused
from mtlsd.pki.crl_scan import scan_entries
from mtlsd.pki.der import SEQUENCE, encode
from mtlsd.pki.dn import DistinguishedName
from tests.pki import NOW, Pki
from tests.pki.crls import crl_of, directory_name, entry, extension, integer, scope
from tests.pki.maker import dn

PKI = Pki()
OURS = Certificate.from_der(PKI.root.der).subject
A, B = dn(CN="A"), dn(CN="B")
NAME_A, NAME_B = DistinguishedName.from_name(A), DistinguishedName.from_name(B)

# Near each other, so that neighbours and prefixes are tried; long ones as RFC 5280 allows, and longer.
SERIALS = st.one_of(
    st.integers(-300, 300), st.integers(-(1 << 159), (1 << 159) - 1), st.integers(1 << 159, 1 << 300)
)


def index_of(*entries: bytes, indirect: bool = False, delta: bool = False) -> RevokedIndex:
    more = [scope(indirect=True)] if indirect else []
    data = crl_of(PKI.root, *entries, more=more).der()
    opened = OpenedList.from_der(data)
    return scan_entries(data, *opened.entries, indirect=indirect, delta=delta)


@given(st.sets(SERIALS, max_size=60), st.lists(SERIALS, max_size=60))
@settings(max_examples=150, deadline=None)
def test_finds_what_a_set_holds(revoked: set[int], asked: list[int]) -> None:
    """No false positive and no false negative."""
    index = index_of(*map(entry, revoked))
    assert index.count == len(revoked)
    for serial in revoked:
        found = index.find(serial, OURS, True)
        assert found is not None
        assert found.serial_number == serial
    for serial in asked:
        assert (index.find(serial, OURS, True) is not None) == (serial in revoked)


def test_many_entries() -> None:
    """More than one stride, one serial number in three, with neighbours on both sides."""
    numbers = range(1, 9 * STRIDE, 3)
    index = index_of(*map(entry, numbers))
    assert [number for number in range(9 * STRIDE) if index.find(number, OURS, True)] == list(numbers)
    assert [own.serial_number for own in index] == list(numbers)


def test_entries_are_small() -> None:
    """At most 64 bytes each, also with 20 octets of serial number and with a reason."""
    index = index_of(*(entry((1 << 158) + number, 1) for number in range(4000)))
    assert index.octets / index.count <= 64


def test_empty_index() -> None:
    assert index_of().find(7, OURS, True) is None
    assert list(index_of()) == []


def test_values_of_an_entry() -> None:
    then = datetime(2025, 2, 28, 23, 59, 58, tzinfo=UTC)
    index = index_of(entry(7, 4, revoked_at=then), entry(8), entry(9, 6))
    found = [index.find(number, OURS, True) for number in (7, 8, 9)]
    assert [own and (own.revoked_at, own.reason) for own in found] == [
        (then, 4),
        (NOW - timedelta(days=3), 0),
        (NOW - timedelta(days=3), 6),
    ]


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (b"\x17\x0d500101000000Z", datetime(1950, 1, 1, tzinfo=UTC)),
        (b"\x17\x0d491231235959Z", datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (b"\x18\x0f20500101000000Z", datetime(2050, 1, 1, tzinfo=UTC)),
        (b"\x17\x0d260230000000Z", None),
    ],
)
def test_dates(time: bytes, expected: datetime | None) -> None:
    """RFC 5280 §5.1.2.6; a day that the calendar does not have revokes too."""
    found = index_of(encode(SEQUENCE, integer(7) + time)).find(7, OURS, True)
    assert found is not None
    assert found.revoked_at == expected


def test_entry_with_rarer_extensions() -> None:
    """invalidityDate and what nobody knows, while it is not critical, in any number of different values."""
    entries = [
        entry(number, 1, more=extension("invalidity_date", b"\x18\x0f%014dZ" % number))
        for number in range(1, 3000)
    ]
    index = index_of(*entries)
    assert {own.reason for own in index} == {1}
    assert all(index.find(number, OURS, True) for number in range(1, 3000))


def test_issuers_that_look_like_dates() -> None:
    """What is passed over in an entry must not make two issuers one."""
    values = [bytes.fromhex("0603551d180411180f") + b"%014dZ" % number for number in (1, 2)]
    attributes = [encode(SEQUENCE, b"\x06\x03\x2a\x03\x05" + encode(4, value)) for value in values]
    names = [encode(SEQUENCE, encode(0x31, attribute)) for attribute in attributes]
    entries = [entry(number, 1, issuer=encode(0xA4, names[number])) for number in (0, 1)]
    index = index_of(*entries, indirect=True)
    for number, name in enumerate(map(DistinguishedName.from_der, names)):
        found = [serial for serial in (0, 1) if index.find(serial, name, False)]
        assert found == [number]


_TIME = b"\x17\x0d261120120000Z"


@pytest.mark.parametrize(
    "bad",
    [
        b"\x31\x12" + integer(7) + _TIME,
        b"\x30\x12\x0a\x01\x07" + _TIME,
        b"\x30\x12" + integer(7) + b"\x17\x0c261120120000Z",
        b"\x30\x11" + integer(7) + _TIME,
        b"\x30\x13" + integer(7) + _TIME,
        b"\x30\x7f" + integer(7) + _TIME,
        b"\x30\x81\x12" + integer(7) + _TIME,
        b"\x30\x80" + integer(7) + _TIME + b"\0\0",
        b"\x30\x11\x02\x00" + _TIME,
        b"\x30\x13\x02\x02\xff\x80" + _TIME,
        b"\x30\x12" + integer(7) + b"\x17\x0d26112012000 Z",
        b"\x30\x14" + integer(7) + _TIME + b"\x05\x00",
        b"\x30\x14" + integer(7) + _TIME + b"\x30\x00",
        b"\x30",
    ],
)
def test_entries_are_strict_der(bad: bytes) -> None:
    """First, last or alone, and whatever stands after the entries."""
    good = entry(9)
    for entries in (bad, good + bad, bad + good):
        for after in (b"", good, bytes(64)):
            with pytest.raises(CrlRefused, match="malformed"):
                scan_entries(entries + after, 0, len(entries), indirect=False, delta=False)


def test_issuer_of_an_entry_stays_until_the_next() -> None:
    """RFC 5280 §5.3.3, with the same endings before and after."""
    index = index_of(
        entry(1),
        entry(2, 1),
        entry(3, 1, issuer=directory_name(A)),
        entry(4),
        entry(5, 1),
        entry(6, 1, issuer=directory_name(B)),
        entry(7, 1),
        entry(8),
        entry(9, 1, issuer=directory_name(A)),
        entry(10),
        indirect=True,
    )

    def numbers(name: DistinguishedName, direct: bool) -> list[int]:
        return [number for number in range(12) if index.find(number, name, direct)]

    assert numbers(OURS, True) == [1, 2]
    assert numbers(NAME_A, False) == [3, 4, 5, 9, 10]
    assert numbers(NAME_B, False) == [6, 7, 8]
    assert numbers(DistinguishedName.from_name(dn(CN="C")), False) == []


def test_one_serial_number_of_two_issuers() -> None:
    index = index_of(
        entry(1, 1, issuer=directory_name(A)), entry(1, 4, issuer=directory_name(B)), indirect=True
    )
    found = [index.find(1, name, False) for name in (NAME_A, NAME_B)]
    assert [own and own.reason for own in found] == [1, 4]


def test_list_that_names_its_own_issuer() -> None:
    index = index_of(entry(1, issuer=directory_name(PKI.root.certificate.subject)), entry(2), indirect=True)
    assert [number for number in range(4) if index.find(number, OURS, True)] == [1, 2]


def test_of_duplicates_that_counts_which_revokes() -> None:
    index = index_of(entry(1, 8), entry(1, 4), entry(2, 4), entry(2, 8), entry(3, 1), entry(3, 4), delta=True)
    found = [index.find(number, OURS, True) for number in (1, 2, 3)]
    assert [own and own.reason for own in found] == [4, 4, 1]


def test_too_many_issuers() -> None:
    entries = [entry(number, issuer=directory_name(dn(CN=f"{number}"))) for number in range(4097)]
    with pytest.raises(CrlRefused, match="too_large"):
        index_of(*entries, indirect=True)


def test_breathes() -> None:
    """So often that nobody else waits long."""
    data = crl_of(PKI.root, *map(entry, range(8 * STRIDE))).der()
    breaths: list[int] = []
    opened = OpenedList.from_der(data)
    scan_entries(
        data, *opened.entries, indirect=False, delta=False, breathe=lambda: breaths.append(len(breaths))
    )
    assert len(breaths) == 16


@pytest.mark.parametrize("number", [0, 1, 127, 128, 255, 256, -1, -128, -129, 1 << 127, -(1 << 127)])
def test_serial_numbers_are_encoded_as_in_der(number: int) -> None:
    encoded = encode_serial(number)
    assert int.from_bytes(encoded, "big", signed=True) == number
    assert len(encoded) == 1 or (encoded[0] not in (0, 255) or encoded[0] >> 7 != encoded[1] >> 7)
