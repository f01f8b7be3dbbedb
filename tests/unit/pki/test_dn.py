"""Comparing distinguished names (R34, R36, P17, P21, P22)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlsd.pki.dn import AttributeTypeAndValue, DistinguishedName, RelativeDistinguishedName
from tests.der import oid as encoded_oid
from tests.der import tlv

CN, O, SERIAL, DC = "2.5.4.3", "2.5.4.10", "2.5.4.5", "0.9.2342.19200300.100.1.25"  # noqa: E741 - X.520's name
UNKNOWN = "1.3.6.1.4.1.99999.1"

UTF8, PRINTABLE, TELETEX, IA5, UNIVERSAL, BMP = 0x0C, 0x13, 0x14, 0x16, 0x1C, 0x1E


def attribute(oid: str, value: bytes, tag: int = UTF8) -> bytes:
    return tlv(0x30, encoded_oid(oid), tlv(tag, value))


def name_of(*levels: bytes) -> DistinguishedName:
    """A name of levels, each the content of its SET."""
    return DistinguishedName.from_der(tlv(0x30, *(tlv(0x31, level) for level in levels)))


def common_name(value: bytes, tag: int = UTF8) -> DistinguishedName:
    return name_of(attribute(CN, value, tag))


def read(text: str) -> DistinguishedName:
    return DistinguishedName.from_string(text)


# -- what is equal ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "encoding"),
    [
        (UTF8, "utf-8"),
        (PRINTABLE, "ascii"),
        (TELETEX, "ascii"),
        (IA5, "ascii"),
        (UNIVERSAL, "utf-32-be"),
        (BMP, "utf-16-be"),
        (0x1A, "ascii"),
    ],
)
def test_the_string_type_does_not_matter(tag: int, encoding: str) -> None:
    """RFC 5280 §7.1."""
    assert common_name("Billing  Service".encode(encoding), tag).matches(read("cn=billing service"))
    assert name_of(attribute(UNKNOWN, "Value".encode(encoding), tag)).matches(read(f"{UNKNOWN}=Value"))


def test_a_teletex_string_beyond_ascii_equals_only_its_own_encoding() -> None:
    """Its character set is T.61 or Latin-1, and nobody can tell which."""
    teletex = common_name(b"M\xfcller", TELETEX)
    assert not teletex.matches(read("CN=Müller"))
    assert teletex.to_string() == "CN=#14064dfc6c6c6572"
    assert teletex.matches(read("CN=#14064DFC6C6C6572"))


def test_levels_are_compared_in_order_and_within_a_level_without() -> None:
    """R34."""
    assert read("CN=a+O=b,C=DE").matches(read("O=b+CN=a,C=DE"))
    assert not read("CN=a,O=b").matches(read("O=b,CN=a"))
    assert not read("CN=a,O=b").matches(read("CN=a+O=b"))
    assert not read("CN=a,CN=b").matches(read("CN=b,CN=a"))
    assert not read("CN=a,O=b").matches(read("CN=a"))
    assert not read("CN=a").matches(read("CN=a,O=b"))
    assert name_of(attribute(CN, b"a"), attribute(CN, b"b")).matches(read("CN=b,CN=a"))


def test_reversed_order_is_recognised_and_not_accepted() -> None:
    """P22."""
    registered, seen = read("C=DE, O=x, CN=a+UID=b"), read("UID=b+CN=a,O=x,C=DE")
    assert registered.is_reversed_of(seen)
    assert not registered.matches(seen)
    assert not seen.is_reversed_of(seen)
    assert not read("CN=a").is_reversed_of(read("CN=a"))
    assert not read("O=a,CN=a").is_reversed_of(read("O=a,CN=b"))
    assert read("O=a,O=a").matches(read("O=a,O=a"))
    assert not read("O=a,O=a").is_reversed_of(read("O=a,O=a"))
    assert not DistinguishedName(()).is_reversed_of(DistinguishedName(()))


# -- what never matches -------------------------------------------------------------------------------------


def test_the_empty_name_matches_nothing() -> None:
    """P21."""
    empty = DistinguishedName.from_der(b"\x30\x00")
    assert empty.key is None
    assert not empty.matches(empty)
    assert empty.to_string() == ""


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"  ",
        b"admin\x00",
        b"\x00",
        b"ad\x00min",
        b"\xee\x80\x80",
        b"\xf0\x9f\x98\x80",
        b"\x1b[2J",
        b"\xc2\x9b",
    ],
)
def test_an_undefined_value_matches_nothing(value: bytes) -> None:
    """R34: not even itself, and it does not vanish from the rest of the name."""
    name = name_of(attribute(O, b"x"), attribute(CN, value))
    assert name.key is None
    assert not name.matches(name)
    assert not name.matches(read("CN=admin,O=x"))
    assert not name.matches(read("O=x"))


def test_beyond_ascii_in_an_ia5_attribute_is_undefined() -> None:
    """RFC 5280 §7.3 and §7.5."""
    for oid in (DC, "1.2.840.113549.1.9.1"):
        assert name_of(attribute(oid, "ü".encode())).key is None
    # What folds to ASCII is not ASCII: U+212A KELVIN SIGN.
    assert name_of(attribute(DC, "\u212a".encode())).key is None


def test_an_attribute_twice_in_a_level_matches_nothing() -> None:
    """R34: every attribute has exactly one partner."""
    assert name_of(attribute(CN, b"a") + attribute(CN, b"A")).key is None
    assert name_of(attribute(CN, b"a") + attribute(CN, b"b")).matches(read("CN=b+CN=a"))


def test_control_characters_are_data() -> None:
    """They neither end a value nor vanish; white space is a space as RFC 4518 §2.2 says."""
    assert common_name(b"a\r\nb").matches(read("CN=a b"))
    assert not common_name(b"a\r\nb").matches(read("CN=ab"))
    assert not common_name(b"a,O=b").matches(read("CN=a,O=b"))
    assert common_name(b"a,O=b").matches(read("CN=a\\,O=b"))


def test_unknown_types_are_compared_exactly() -> None:
    assert not name_of(attribute(UNKNOWN, b"Value")).matches(read(f"{UNKNOWN}=value"))
    assert not name_of(attribute(UNKNOWN, b"a  b")).matches(read(f"{UNKNOWN}=a b"))
    assert not name_of(attribute(UNKNOWN, b"a", 0x04)).matches(read(f"{UNKNOWN}=a"))
    assert name_of(attribute(UNKNOWN, b"a", 0x04)).matches(read(f"{UNKNOWN}=#040161"))


def test_a_text_never_equals_an_encoding() -> None:
    encoded = AttributeTypeAndValue(UNKNOWN, b"\x05\x00")
    text = AttributeTypeAndValue(UNKNOWN, "\x05\x00")
    both = RelativeDistinguishedName((encoded, text))
    assert encoded.key != text.key
    assert both.key == RelativeDistinguishedName((text, encoded)).key


# -- what is printed ----------------------------------------------------------------------------------------


def test_nothing_forges_a_line() -> None:
    printed = common_name("a\r\n2026 issued\u202e\u2066\x1b[2J\x85\u2028".encode()).to_string()
    assert printed == "CN=a\\0D\\0A2026 issued\\E2\\80\\AE\\E2\\81\\A6\\1B[2J\\C2\\85\\E2\\80\\A8"


# -- what is malformed --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x31\x00",
        b"\x30\x00\x00",
        b"\x30\x02\x30\x00",
        b"\x30\x02\x31\x00",
        b"\x30\x81\x00",
        b"\x30\x80\x00\x00",
        b"\x30\x85\x00\x00\x00\x00\x00",
        b"\x30\x82\x00\x7f" + bytes(127),
        b"\x3f\x1f\x00",
        b"\x30",
        b"\x30\x05\x31",
        tlv(0x30, tlv(0x31, attribute(CN, b"\xff\xfe"))),
        tlv(0x30, tlv(0x31, attribute(CN, b"\xc0\x80"))),
        tlv(0x30, tlv(0x31, attribute(CN, b"\xed\xa0\x80"))),
        tlv(0x30, tlv(0x31, attribute(CN, b"\xe4", PRINTABLE))),
        tlv(0x30, tlv(0x31, attribute(CN, b"abc", BMP))),
        tlv(0x30, tlv(0x31, attribute(CN, b"\xd8\x00", BMP))),
        tlv(0x30, tlv(0x31, attribute(CN, b"\x00\x11\x00\x00", UNIVERSAL))),
        tlv(0x30, tlv(0x31, tlv(0x30, encoded_oid(CN)))),
        tlv(0x30, tlv(0x31, tlv(0x30, encoded_oid(CN), tlv(UTF8, b"a"), tlv(UTF8, b"b")))),
        tlv(0x30, tlv(0x31, tlv(0x30, tlv(UTF8, b"a"), tlv(UTF8, b"b")))),
        tlv(0x30, tlv(0x31, tlv(0x30, b"\x06\x00", tlv(UTF8, b"b")))),
        tlv(0x30, tlv(0x31, tlv(0x30, b"\x06\x02\x55\x84", tlv(UTF8, b"b")))),
        tlv(0x30, tlv(0x31, tlv(0x30, b"\x06\x04\x55\x04\x80\x03", tlv(UTF8, b"b")))),
        tlv(0x30, tlv(0x31, tlv(0x30, b"\x06\x7f" + b"\x83" * 126 + b"\x03", tlv(UTF8, b"b")))),
        tlv(0x30, tlv(0x31, attribute(CN, b"a")) * 101),
        tlv(0x30, tlv(0x31, attribute(CN, b"a" * 17_000))),
    ],
)
def test_malformed_names_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which words it says is not what this is about
        DistinguishedName.from_der(data)


@given(st.binary() | st.binary().map(lambda data: tlv(0x30, tlv(0x31, data))))
def test_any_octets_are_read_or_refused(data: bytes) -> None:
    try:
        name = DistinguishedName.from_der(data)
    except ValueError:
        return
    assert name.to_string().isprintable()
