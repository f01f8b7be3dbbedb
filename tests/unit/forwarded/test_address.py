"""The client's address as a proxy tells it: the last of a list, as :mod:`ipaddress` reads and writes it."""

from __future__ import annotations

import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.forwarded.address import last_address

FIELD = b"x-forwarded-for"


def as_ipaddress_has_it(text: str) -> str | None:
    try:
        return None if "%" in text else str(ipaddress.ip_address(text))
    except ValueError:
        return None


@given(
    st.one_of(
        st.ip_addresses().map(str),
        st.from_regex(re.compile(r"[0-9]{1,3}(\.[0-9]{1,4}){2,4}", re.ASCII), fullmatch=True),
        st.from_regex(re.compile(r"[0-9a-fA-F:.%]{1,20}", re.ASCII), fullmatch=True),
    )
)
def test_the_same_as_ipaddress(text: str) -> None:
    expected = as_ipaddress_has_it(text)
    if expected is not None:
        assert last_address(FIELD, text.encode("ascii")) == expected
        return
    with pytest.raises(Refusal) as caught:
        last_address(FIELD, text.encode("ascii"))
    assert caught.value.reason is reasons.FORWARDED_MALFORMED


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"198.51.100.7,",
        b"198.51.100.7 198.51.100.8",
        b"198.51.100.07",
        b"198.51.100.256",
        b"198.51.100.7:443",
        b"198.51.100.7\n",
        b"198.51.100.\xb2",  # a digit two in superscript, which str.isdigit() takes
        b"fe80::1%eth0",
        b"unknown",
    ],
)
def test_what_is_no_address(value: bytes) -> None:
    with pytest.raises(Refusal):
        last_address(FIELD, value)


def test_what_stands_before_the_last_one_is_not_read() -> None:
    assert last_address(FIELD, b"999.1.1.1, unknown,\t198.51.100.7 ") == "198.51.100.7"
