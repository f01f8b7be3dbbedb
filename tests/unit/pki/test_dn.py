"""Comparing distinguished names (R34, R36, P17, P21, P22)."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from mtlsd.pki import der
from mtlsd.pki.attributes import ATTRIBUTE_TYPES, EqualityRule
from mtlsd.pki.dn import AttributeTypeAndValue, DistinguishedName, RelativeDistinguishedName
from mtlsd.pki.stringprep import prepare
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


def test_the_names_of_a_certificate() -> None:
    certificate = _certificate([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")])
    issuer, subject = der.names_of(certificate.public_bytes(serialization.Encoding.DER))
    assert issuer == certificate.issuer.public_bytes()
    assert subject == certificate.subject.public_bytes()
    for garbage in (
        b"",
        b"\x30\x00",
        b"\x30\x02\x30\x00",
        issuer,
        certificate.public_bytes(serialization.Encoding.DER)[:-1],
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - see above
            der.names_of(garbage)


# -- through every spelling ---------------------------------------------------------------------------------

TEXT_TYPES = [known for known in ATTRIBUTE_TYPES if known.rule is EqualityRule.CASE_IGNORE]
IA5_TYPES = [known for known in ATTRIBUTE_TYPES if known.rule is EqualityRule.CASE_IGNORE_IA5]
KNOWN = {known.oid: known for known in ATTRIBUTE_TYPES}

LETTERS = st.characters(exclude_categories=["C"], max_codepoint=0x2FF) | st.sampled_from(
    ' ,+"\\<>;=#äßΣé中Ａ'
)
VALUES = st.text(LETTERS, min_size=1, max_size=12)
ASCII_VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=12)

ATTRIBUTES = (
    st.builds(AttributeTypeAndValue, st.sampled_from([known.oid for known in TEXT_TYPES]), VALUES)
    | st.builds(AttributeTypeAndValue, st.sampled_from([known.oid for known in IA5_TYPES]), ASCII_VALUES)
    | st.builds(AttributeTypeAndValue, st.sampled_from([UNKNOWN, "2.999.3"]), VALUES)
    | st.builds(AttributeTypeAndValue, st.just("2.5.4.45"), st.just(b"\x03\x02\x07\x80"))
)
LEVELS = st.lists(ATTRIBUTES, min_size=1, max_size=3).map(
    lambda found: RelativeDistinguishedName(tuple(found))
)
NAMES = (
    st.lists(LEVELS, min_size=1, max_size=4)
    .map(lambda levels: DistinguishedName(tuple(levels)))
    .filter(lambda name: name.key is not None)
)


def _exact(oid: str) -> bool:
    return oid not in KNOWN or KNOWN[oid].rule is EqualityRule.EXACT


@st.composite
def spelled_value(draw: st.DrawFn, oid: str, value: str) -> str:
    """One value of text in one of its many spellings."""
    if not _exact(oid):
        cased = draw(st.sampled_from([value, value.lower(), value.upper()]))
        # Only where folding there and back gives the same, not for ı, whose capital is I, and where Unicode 3.2
        # has the other case.
        if cased.casefold() == value.casefold() and prepare(cased) is not None:
            value = cased
        value = value.replace(" ", draw(st.sampled_from([" ", "   "])))
    how = draw(st.sampled_from(["escaped", "octets", "hexadecimal", "quoted"]))
    if how == "octets":
        return "".join(f"\\{octet:02x}" for octet in value.encode())
    if how == "hexadecimal":
        tag, encoding = draw(st.sampled_from([(UTF8, "utf-8"), (UNIVERSAL, "utf-32-be"), (BMP, "utf-16-be")]))
        return "#" + tlv(tag, value.encode(encoding)).hex()
    if how == "quoted":
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\x7f", "\\7f") + '"'
    special = ',+"\\<>;=# '
    return "".join("\\" + character if character in special else character for character in value)


@st.composite
def spelled(draw: st.DrawFn, name: DistinguishedName) -> str:
    """A whole name in one of its many spellings."""
    space = st.sampled_from(["", " ", "  "])
    levels = []
    for level in reversed(name.rdns):
        attributes = []
        for found in draw(st.permutations(level.attributes)):
            keywords = KNOWN[found.oid].keywords if found.oid in KNOWN else ()
            spellings = [found.oid, "OID." + found.oid, *keywords, *(keyword.upper() for keyword in keywords)]
            value = (
                "#" + found.value.hex()
                if isinstance(found.value, bytes)
                else draw(spelled_value(found.oid, found.value))
            )
            before, after = draw(space), draw(space)
            attributes.append(f"{draw(st.sampled_from(spellings))}{before}={after}{value}")
        levels.append((draw(space) + "+" + draw(space)).join(attributes))
    return (draw(space) + "," + draw(space)).join(levels)


@settings(max_examples=200)
@given(st.data(), NAMES)
def test_a_name_equals_itself_through_every_spelling(data: st.DataObject, name: DistinguishedName) -> None:
    text = data.draw(spelled(name))
    again = DistinguishedName.from_string(text)
    assert again.key == name.key, text
    assert hash(again.key) == hash(name.key)


@given(NAMES)
def test_a_name_reads_back(name: DistinguishedName) -> None:
    assert DistinguishedName.from_string(name.to_string()).key == name.key


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from([CN, O, UNKNOWN]), st.text(max_size=8)), min_size=1, max_size=2),
        max_size=3,
    )
)
def test_what_is_printed_is_printable(levels: list[list[tuple[str, str]]]) -> None:
    """Neither CR LF nor a bidirectional control gets into a log line."""
    name = DistinguishedName(
        tuple(
            RelativeDistinguishedName(tuple(AttributeTypeAndValue(*found) for found in level))
            for level in levels
        )
    )
    assert name.to_string().isprintable()
    if name.key is not None:
        assert DistinguishedName.from_string(name.to_string()).key == name.key


def test_nothing_forges_a_line() -> None:
    printed = common_name("a\r\n2026 issued\u202e\u2066\x1b[2J\x85\u2028".encode()).to_string()
    assert printed == "CN=a\\0D\\0A2026 issued\\E2\\80\\AE\\E2\\81\\A6\\1B[2J\\C2\\85\\E2\\80\\A8"


# -- no two different names ---------------------------------------------------------------------------------


def _plain(name: DistinguishedName) -> list[list[tuple[str, str | bytes]]]:
    """A name of lower-case letters, compared in another way than by its key."""
    return [sorted(((a.oid, a.value) for a in level.attributes), key=repr) for level in name.rdns]


SMALL = st.builds(
    AttributeTypeAndValue, st.sampled_from([CN, O, UNKNOWN]), st.text("ab,+=", min_size=1, max_size=3)
)
SMALL_NAMES = (
    st.lists(
        st.lists(SMALL, min_size=1, max_size=2).map(lambda found: RelativeDistinguishedName(tuple(found))),
        min_size=1,
        max_size=3,
    )
    .map(lambda levels: DistinguishedName(tuple(levels)))
    .filter(lambda name: name.key is not None)
)


@settings(max_examples=300)
@given(SMALL_NAMES, SMALL_NAMES)
def test_no_two_different_names_are_equal(one: DistinguishedName, other: DistinguishedName) -> None:
    assert one.matches(other) == (_plain(one) == _plain(other))


@given(st.data(), NAMES, st.sampled_from("xyz7é"))
def test_one_more_character_makes_another_name(
    data: st.DataObject, name: DistinguishedName, character: str
) -> None:
    level = data.draw(st.integers(0, len(name.rdns) - 1))
    attributes = list(name.rdns[level].attributes)
    value = attributes[0].value
    assume(isinstance(value, str))
    assert isinstance(value, str)
    at = data.draw(st.integers(0, len(value)))
    attributes[0] = AttributeTypeAndValue(attributes[0].oid, value[:at] + character + value[at:])
    rdns = (*name.rdns[:level], RelativeDistinguishedName(tuple(attributes)), *name.rdns[level + 1 :])
    assert not DistinguishedName(rdns).matches(name)


# -- against others -----------------------------------------------------------------------------------------


def _certificate(subject: list[x509.NameAttribute[Any]]) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2046, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )


X509_NAMES = st.lists(
    st.tuples(st.sampled_from(["2.5.4.3", "2.5.4.10", "2.5.4.11", "2.5.4.7"]), VALUES).map(
        lambda pair: x509.NameAttribute(x509.ObjectIdentifier(pair[0]), pair[1])
    ),
    min_size=1,
    max_size=4,
)


@given(X509_NAMES)
@example([x509.NameAttribute(NameOID.COMMON_NAME, "a", _ASN1Type.BMPString)])
@example([x509.NameAttribute(NameOID.COMMON_NAME, "a", _ASN1Type.T61String)])
@example([x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, b"\x00\x80", _ASN1Type.BitString)])
def test_cryptography_prints_what_we_read(attributes: list[x509.NameAttribute[Any]]) -> None:
    name = x509.Name(attributes)
    ours = DistinguishedName.from_name(name)
    assume(ours.key is not None)
    if not isinstance(attributes[0].value, bytes):  # it prints those against RFC 4514
        assert read(name.rfc4514_string()).matches(ours)
    assert read(ours.to_string()).matches(ours)


ATTRIBUTES_OF_ALL_KINDS: list[x509.NameAttribute[Any]] = [
    x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
    x509.NameAttribute(NameOID.JURISDICTION_COUNTRY_NAME, "BR"),
    x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, "PSDDE-BAFIN-125314"),
    x509.NameAttribute(NameOID.BUSINESS_CATEGORY, "Private Organization"),
    x509.NameAttribute(NameOID.ORGANIZATION_NAME, 'Müller, Söhne & "Co" <x>; +1', _ASN1Type.BMPString),
    x509.NameAttribute(NameOID.SERIAL_NUMBER, "#123 ", _ASN1Type.UTF8String),
    x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "Example"),
    x509.NameAttribute(NameOID.EMAIL_ADDRESS, "A.b@Example.com"),
    x509.NameAttribute(NameOID.USER_ID, " leading", _ASN1Type.UTF8String),
    x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, b"\x00\x80", _ASN1Type.BitString),
    x509.NameAttribute(NameOID.POSTAL_CODE, "10115"),
    x509.NameAttribute(NameOID.STREET_ADDRESS, "Weg\\Straße 1"),
    x509.NameAttribute(NameOID.GIVEN_NAME, "Jo"),
    x509.NameAttribute(NameOID.SURNAME, "Doe"),
    x509.NameAttribute(NameOID.TITLE, "Dr"),
    x509.NameAttribute(NameOID.PSEUDONYM, "x"),
    x509.NameAttribute(NameOID.GENERATION_QUALIFIER, "III"),
    x509.NameAttribute(NameOID.DN_QUALIFIER, "q"),
    x509.NameAttribute(NameOID.UNSTRUCTURED_NAME, "u"),
    x509.NameAttribute(NameOID.INITIALS, "J"),
    x509.NameAttribute(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), "Private"),
    x509.NameAttribute(NameOID.COMMON_NAME, "billing"),
]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")
@pytest.mark.parametrize(
    "options",
    ["RFC2253", "RFC2253,space_eq", "RFC2253,-esc_msb", "RFC2253,oid", "RFC2253,sep_comma_plus_space"],
)
def test_openssl_prints_what_we_read(options: str) -> None:
    certificate = _certificate(ATTRIBUTES_OF_ALL_KINDS)
    printed = subprocess.run(
        ["openssl", "x509", "-noout", "-subject", "-nameopt", options],
        input=certificate.public_bytes(serialization.Encoding.PEM),
        capture_output=True,
        check=True,
    ).stdout.decode()
    seen = DistinguishedName.from_name(certificate.subject)
    assert read(printed).matches(seen), printed
    assert read(seen.to_string()).matches(seen)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")
def test_what_openssl_prints_by_default_is_reversed() -> None:
    """P22: it is in the order of the encoding."""
    certificate = _certificate(ATTRIBUTES_OF_ALL_KINDS[:4])
    printed = subprocess.run(
        ["openssl", "x509", "-noout", "-subject"],
        input=certificate.public_bytes(serialization.Encoding.PEM),
        capture_output=True,
        check=True,
    ).stdout.decode()
    registered, seen = read(printed), DistinguishedName.from_name(certificate.subject)
    assert registered.is_reversed_of(seen)
    assert not registered.matches(seen)
