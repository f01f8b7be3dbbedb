"""base64 and base64url, read strictly."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlsd.jose import b64


@given(st.binary(min_size=1, max_size=100))
def test_round_trip(data: bytes) -> None:
    assert b64.encode(data) == base64.urlsafe_b64encode(data).rstrip(b"=")
    assert b64.decode(b64.encode_text(data)) == data
    assert b64.decode_standard(b64.encode_standard(data)) == data


@given(st.text(max_size=12) | st.text(alphabet="AQgw-_+/= \n", max_size=12))
def test_one_value_has_one_spelling(text: str) -> None:
    for decode, encode in ((b64.decode, b64.encode_text), (b64.decode_standard, b64.encode_standard)):
        try:
            data = decode(text)
        except ValueError:
            continue
        assert encode(data) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "is not a string"),
        (b"AA", "is not a string"),
        ("", "is empty"),
        ("AA==", r"padding \(=\) at position 2"),
        ("A A", "white space at position 1"),
        ("AA\n", "white space at position 2"),
        ("A+/A", r"U\+002B at position 1"),
        ("Aé", r"U\+00E9 at position 1"),
        ("A\ud800", r"U\+D800 at position 1"),
        ("AAAAA", "is cut short"),
        ("AB", "stray bits"),
        ("AAB", "stray bits"),
    ],
)
def test_url_refuses(text: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        b64.decode(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (7, "is not a string"),
        ("", "is empty"),
        ("====", "is empty"),
        ("AA", "wrong padding"),
        ("AA=", "wrong padding"),
        ("AAAA=", "wrong padding"),
        ("AA==AA==", r"padding \(=\) at position 2"),
        ("AA-A", "is base64url"),
        ("AA_A", "is base64url"),
        ("AAAA\nAAAA", "white space"),
        ("-----BEGIN CERTIFICATE-----\nAAAA", "is PEM"),
        ("AB==", "stray bits"),
        ("A\udfff==", r"U\+DFFF"),
    ],
)
def test_standard_refuses(text: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        b64.decode_standard(text)
