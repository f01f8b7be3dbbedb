"""The client's address, as a proxy tells it."""

from __future__ import annotations

import ipaddress
import re

from mtlsd import reasons
from mtlsd.errors import Refusal

_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_is_ipv4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}").fullmatch  # as ipaddress has it, but faster


def last_address(name: bytes, value: bytes) -> str:
    """The last address of a list as in `X-Forwarded-For`: the one that the proxy has seen itself.

    Whatever stands before it may be the client's own invention.

    :param name: of the field, in lower case, for the refusal.
    :raises Refusal: forwarded.malformed, also where there is none: nobody could be told apart any more.
    """
    text = value.rpartition(b",")[2].strip(b" \t").decode("latin-1")
    if _is_ipv4(text):
        return text
    try:
        if "%" in text:
            raise ValueError
        return str(ipaddress.ip_address(text))
    except ValueError:
        facts = {"field": name.decode("ascii"), "detail": "does not end in the client's IP address"}
        raise Refusal(reasons.FORWARDED_MALFORMED, facts) from None
