"""Reading what people paste as a distinguished name (R35, R82, V12)."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mtlsd.pki.attributes import ATTRIBUTE_TYPES, BY_KEYWORD
from mtlsd.pki.dn import DistinguishedName
from mtlsd.pki.rfc4514 import parse

PLAIN = "CN=billing,O=Example Ltd,C=DE"


def _pairs(text: str) -> list[list[tuple[str, str | bytes]]]:
    return [[(token.oid, token.value) for token in level] for level in parse(text)]


def _mistake(text: str) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the callers look at its words
        DistinguishedName.from_string(text)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        "cn=billing,o=Example Ltd,c=DE",
        "CN=billing, O=Example Ltd, C=DE",
        "CN = billing, O = Example Ltd, C = DE",
        "subject=CN = billing, O = Example Ltd, C = DE",
        "subject=CN=billing,O=Example Ltd,C=DE\n",
        "        Subject: CN = billing, O = Example Ltd, C = DE\r\n",
        "2.5.4.3=billing,OID.2.5.4.10=Example Ltd,oid.2.5.4.6=DE",
        'CN="billing",O="Example Ltd" , C="DE"',
        "CN=billing,O=Example\\ Ltd,C=\\44E",
        "commonName=billing,organizationName=Example Ltd,countryName=DE",
        "2.5.4.3=#130762696c6c696e67,O=#0C0B4578616D706C65204C7464,C=#13024445",
        "  CN=billing  ,O=EXAMPLE   LTD,C=de  ",
    ],
)
def test_spellings_of_one_name(text: str) -> None:
    assert DistinguishedName.from_string(text).matches(DistinguishedName.from_string(PLAIN))


def test_the_examples_of_rfc_4514() -> None:
    """RFC 4514 §4."""
    assert _pairs("UID=jsmith,DC=example,DC=net") == [
        [("0.9.2342.19200300.100.1.1", "jsmith")],
        [("0.9.2342.19200300.100.1.25", "example")],
        [("0.9.2342.19200300.100.1.25", "net")],
    ]
    assert _pairs("OU=Sales+CN=J.  Smith,DC=example,DC=net")[0] == [
        ("2.5.4.11", "Sales"),
        ("2.5.4.3", "J.  Smith"),
    ]
    assert _pairs('CN=James \\"Jim\\" Smith\\, III,DC=net')[0] == [("2.5.4.3", 'James "Jim" Smith, III')]
    assert _pairs("CN=Before\\0dAfter,DC=net")[0] == [("2.5.4.3", "Before\rAfter")]
    assert _pairs("1.3.6.1.4.1.1466.0=#04024869") == [[("1.3.6.1.4.1.1466.0", b"\x04\x02Hi")]]
    assert _pairs("CN=Lu\\C4\\8Di\\C4\\87") == [[("2.5.4.3", "Lučić")]]


def test_escapes() -> None:
    """RFC 4514 §2.4 and RFC 2253 §4."""
    assert _pairs(r"CN=\ \#\,\+\"\\\<\>\;\=\ ")[0] == [("2.5.4.3", ' #,+"\\<>;= ')]
    assert _pairs(r'CN="a, b+c;<d> = \"e\" \\ \66"')[0] == [("2.5.4.3", 'a, b+c;<d> = "e" \\ f')]
    assert _pairs("CN=a\\ \n")[0] == [("2.5.4.3", "a ")]
    assert _pairs("CN=a\\  , O=b")[0] == [("2.5.4.3", "a ")]
    assert _pairs("CN=a#b=c")[0] == [("2.5.4.3", "a#b=c")]


def test_string_types_in_hexadecimal() -> None:
    """R82: an OID with the value in BER; a string type is read to its text, the others stay encoded."""
    assert _pairs("2.5.4.97=#1603612e62") == [[("2.5.4.97", "a.b")]]
    assert _pairs("2.5.4.3=#1E0400e400DF") == [[("2.5.4.3", "äß")]]
    assert _pairs("2.5.4.3=#1C04000000e4") == [[("2.5.4.3", "ä")]]
    assert _pairs("2.5.4.3=#14024142") == [[("2.5.4.3", "AB")]]
    assert _pairs("2.5.4.3=#1401e4") == [[("2.5.4.3", b"\x14\x01\xe4")]]
    assert _pairs("2.5.4.45=#03020780") == [[("2.5.4.45", b"\x03\x02\x07\x80")]]


def test_the_attributes_of_eidas_psd2_and_open_banking() -> None:
    text = (
        "businessCategory=Private Organization,jurisdictionCountryName=BR,serialNumber=43142666000197,"
        "organizationIdentifier=PSDDE-BAFIN-125314,jurisdictionL=Berlin,incorporationState=BE,UID=x,"
        "1.3.6.1.4.1.311.60.2.1.3=BR,postalCode=10115,street=Weg 1,E=a@example.com,SN=Doe,GN=J,title=Dr,S=SP"
    )
    assert [token.oid for level in parse(text) for token in level] == [
        "2.5.4.15",
        "1.3.6.1.4.1.311.60.2.1.3",
        "2.5.4.5",
        "2.5.4.97",
        "1.3.6.1.4.1.311.60.2.1.1",
        "1.3.6.1.4.1.311.60.2.1.2",
        "0.9.2342.19200300.100.1.1",
        "1.3.6.1.4.1.311.60.2.1.3",
        "2.5.4.17",
        "2.5.4.9",
        "1.2.840.113549.1.9.1",
        "2.5.4.4",
        "2.5.4.42",
        "2.5.4.12",
        "2.5.4.8",
    ]


def test_no_keyword_has_two_meanings() -> None:
    keywords = [keyword.lower() for known in ATTRIBUTE_TYPES for keyword in known.keywords]
    assert len(keywords) == len(set(keywords)) == len(BY_KEYWORD)
    assert len({known.oid for known in ATTRIBUTE_TYPES}) == len(ATTRIBUTE_TYPES)


@pytest.mark.parametrize(
    ("text", "token", "position", "remedy"),
    [
        ("/C=DE/O=Example/CN=a", "/C=DE", 1, "-nameopt RFC2253"),
        ("subject= /C=DE/CN=a", "subject= /C=DE", 1, "-nameopt RFC2253"),
        ("CN=a;O=b", "';'", 5, "commas"),
        ("CN=a, Favourite=b", "Favourite", 7, "dotted OID"),
        ("CN=Foo, Inc.,C=US", "Inc.", 9, "\\,"),
        ("CN=a,", "''", 6, "type=value"),
        ("CN=a,,O=b", "''", 6, "type=value"),
        ("CN=a+", "''", 6, "type=value"),
        ("=a", "''", 1, "dotted OID"),
        ("CN=,O=b", "CN=", 1, "leave the attribute out"),
        ('O=b,CN=""', 'CN=""', 5, "leave the attribute out"),
        ("CN=<a>", "'<'", 4, "\\<"),
        ('CN=a"b', "'\"'", 5, '\\"'),
        ('CN="a', '"a', 4, "Close it"),
        ('CN="a" b', "'b'", 8, "comma"),
        ("CN=a\\xb", "\\\\xb", 5, "hexadecimal"),
        ("CN=a\\", "\\\\", 5, "hexadecimal"),
        ("CN=a\\C3b", "a\\\\C3b", 4, "UTF-8"),
        ("CN=a\nO=b", "\\n", 5, "\\0A"),
        ("CN=a\x00", "\\x00", 5, "\\00"),
        ("CN=#zz", "#zz", 4, "\\#"),
        ("CN=#1303414", "#1303414", 4, "\\#"),
        ("CN=#13804142", "#13804142", 4, "\\#"),
        ("CN=#0c01ff", "#0c01ff", 4, "\\#"),
        ("CN=#", "'#'", 4, "\\#"),
        ("CN=#0c0\n161", "#0c0\\n161", 4, "\\#"),
        ("O=x,CN=a+UID=b+CN=A", "CN=A", 16, "once"),
        ("3.1=a", "3.1", 1, "dotted OID"),
        ("1.40=a", "1.40", 1, "dotted OID"),
        ("2.5.4.03=a", "2.5.4.03", 1, "dotted OID"),
        ("O=a,CN=\ud800", "\\ud800", 8, "whole"),
        ("O=a,CN=\\00b", "CN=", 5, "pin"),
        ("CN=\U0001f600", "CN=", 1, "pin"),
        ("DC=ü", "DC=", 1, "pin"),
        ("CN=\\20\\20", "CN=", 1, "pin"),
    ],
)
def test_a_mistake_names_token_position_and_remedy(text: str, token: str, position: int, remedy: str) -> None:
    mistake = _mistake(text)
    assert token in mistake.partition(" at character ")[0]
    assert f" at character {position}: " in mistake
    assert remedy in mistake
    assert mistake.isprintable()


def test_what_is_no_name_at_all() -> None:
    assert "empty" in _mistake("")
    assert "empty" in _mistake(" \n")
    assert len(_mistake("x" * 100_000)) < 200
    assert "so many" in _mistake("CN=a+" * 101 + "CN=b")
    assert len(parse("CN=a," * 99 + "CN=b")) == 100


@given(st.text() | st.text(' ,+="\\<>;#\ncnCNoO.012345abcdef/:'))
@example('CN="\\"')
@example("CN=a+CN=a")
@example("subject=")
@example("OID.=x")
@example("1." + "9" * 5000 + "=x")
def test_nothing_but_value_error(text: str) -> None:
    """What it cannot read it says, and what it reads matches itself and reads back."""
    try:
        name = DistinguishedName.from_string(text)
    except ValueError as caught:
        mistake = str(caught)
    else:
        mistake = ""
        assert name.matches(name)
        assert DistinguishedName.from_string(name.to_string()).key == name.key
    assert mistake.isprintable()
