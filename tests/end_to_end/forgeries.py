"""What a forger sends to pass for somebody else: fields in every spelling, and values of every kind.

Each comes with what has to become of it. Nothing here knows how mtlsd reads fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from types import MappingProxyType
from urllib.parse import quote

from tests.end_to_end.proxying import ADDRESS, AUTHORIZATION

Line = bytes
Why = frozenset[str]
"""Reasons, of which the audit log has one."""

UNEXPECTED = frozenset({"forwarded.unexpected"})
SPELLING = frozenset({"forwarded.spelling"})
REPEATED = frozenset({"forwarded.repeated"})
MALFORMED = frozenset({"forwarded.malformed"})
PROXY = frozenset({"forwarded.proxy"})
NOTHING = frozenset({"certificate.absent"})
"""The field was there, and says that there is no certificate."""
SYNTAX = frozenset({"request.malformed"})
LARGE = frozenset({"request.headers_too_large"})

HEADER_BYTES = 16_384


def line(name: bytes | str, value: bytes) -> Line:
    """A field line as it goes over the wire."""
    return (name.encode("latin-1") if isinstance(name, str) else name) + b": " + value


# -- names ---------------------------------------------------------------------------------------------------


def cases_of(name: str) -> Iterator[str]:
    """The name in upper, lower and mixed case."""
    yield from (name.lower(), name.upper(), name.title())
    yield "".join(letter.upper() if index % 2 else letter for index, letter in enumerate(name.lower()))


def underscored(name: str) -> Iterator[str]:
    """The name with `_` in place of hyphens, in every choice of them but none."""
    pieces = name.lower().split("-")
    for marks in product("-_", repeat=len(pieces) - 1):
        if "_" in marks:
            yield pieces[0] + "".join(map("".join, zip(marks, pieces[1:], strict=True)))


def alike(name: bytes) -> Iterator[tuple[str, bytes, bool]]:
    """What some program might take for the name, and whether it can be one (RFC 9110 section 5.6.2)."""
    for mark in b".'~!#$%&*+^`|-_":
        yield f"{chr(mark)!r} at its end", name + bytes([mark]), True
        yield f"{chr(mark)!r} at its beginning", bytes([mark]) + name, True
    for mark in b'"\t /\\,;@=?()[]{}<>\0\x7f\xa0\xad\xff':
        yield f"octet {mark:02x} at its end", name + bytes([mark]), False
        yield f"octet {mark:02x} in it", name[:4] + bytes([mark]) + name[4:], False
    for between in (b".", b"", b"--", b"%2D", b"~", b"-_"):
        yield f"{between!r} for hyphens", name.replace(b"-", between), True
    for between in (b" ", b"\t", b"\xad", b"\xe2\x80\x90", b":"):
        yield f"{between!r} for hyphens", name.replace(b"-", between), between == b":"
    for before in (b"HTTP_", b"HTTP-", b"Proxy-", b"X-X-", b"0"):
        yield f"{before!r} before it", before + name, True
    yield "a colon before it", b":" + name, False


# -- values --------------------------------------------------------------------------------------------------

Alter = Callable[[bytes], bytes]


def _inside(octets: bytes) -> Alter:
    return lambda value: value[:70] + octets + value[70:]


def _flipped(value: bytes) -> bytes:
    """Base64url for base64, encoded or not."""
    return value.replace(b"+", b"-").replace(b"/", b"_").replace(b"%2B", b"-").replace(b"%2F", b"_") + b"-"


ALTERED: Mapping[str, tuple[Alter, Why]] = MappingProxyType(
    {
        "cut by one": (lambda value: value[:-1], MALFORMED),
        "cut in half": (lambda value: value[: len(value) // 2], MALFORMED),
        "first octet alone": (lambda value: value[:1], MALFORMED),
        "without its first octet": (lambda value: value[1:], MALFORMED),
        "backwards": (lambda value: value[::-1], MALFORMED),
        "in lower case": (lambda value: value.lower(), MALFORMED),
        "in quotes": (lambda value: b'"' + value + b'"', MALFORMED),
        "in apostrophes": (lambda value: b"'" + value + b"'", MALFORMED),
        "in colons": (lambda value: b"::" + value + b"::", MALFORMED),
        "with a parameter": (lambda value: value + b";a=1", MALFORMED),
        "trailing garbage": (lambda value: value + b"A", MALFORMED),
        "trailing comma": (lambda value: value + b",", MALFORMED),
        "leading comma": (lambda value: b"," + value, MALFORMED),
        "trailing semicolon": (lambda value: value + b";", MALFORMED),
        "trailing percent": (lambda value: value + b"%", MALFORMED),
        "trailing %20": (lambda value: value + b"%20", MALFORMED),
        "trailing %00": (lambda value: value + b"%00", MALFORMED),
        "trailing %0A%0A": (lambda value: value + b"%0A%0A", MALFORMED),
        "leading %20": (lambda value: b"%20" + value, MALFORMED),
        "leading %0A": (lambda value: b"%0A" + value, MALFORMED),
        "%20 inside": (_inside(b"%20"), MALFORMED),
        "%0D%0A inside": (_inside(b"%0D%0A"), MALFORMED),
        "space inside": (_inside(b" "), MALFORMED),
        "tab inside": (_inside(b"\t"), MALFORMED),
        "dash inside": (_inside(b"-"), MALFORMED),
        "no-break space inside": (_inside(b"\xa0"), MALFORMED),
        "no-break space before": (lambda value: b"\xa0" + value, MALFORMED),
        "octet FF after": (lambda value: value + b"\xff", MALFORMED),
        "encoded once more": (lambda value: quote(value, safe="").encode() + b"%41", MALFORMED),
        "base64url": (_flipped, MALFORMED),
        "other armour": (lambda value: value.replace(b"CERTIFICATE", b"PKCS7") + b"-----", MALFORMED),
        "a word for none": (lambda _: b"null", MALFORMED),
        "a dash for none": (lambda _: b"-", MALFORMED),
        "SUCCESS": (lambda _: b"SUCCESS", MALFORMED),
        "a subject": (lambda _: b"CN=good", MALFORMED),
        "Apache's word for none": (lambda _: b"(null)", MALFORMED | NOTHING),
        "Caddy's word for none": (
            lambda _: b"{http.request.tls.client.certificate_der_base64}",
            MALFORMED | NOTHING,
        ),
        "empty": (lambda _: b"", NOTHING),
        "spaces alone": (lambda _: b"   ", NOTHING),
        "tabs alone": (lambda _: b"\t\t", NOTHING),
        "folded": (_inside(b"\r\n "), SYNTAX),
        "folded with a tab": (_inside(b"\r\n\t"), SYNTAX),
        "folded before it": (lambda value: b"\r\n " + value, SYNTAX),
        "line feed inside": (_inside(b"\n"), SYNTAX),
        "line feed and space inside": (_inside(b"\n "), SYNTAX),
        "carriage return inside": (_inside(b"\r"), SYNTAX),
        "carriage return after": (lambda value: value + b"\r", SYNTAX),
        "NUL before": (lambda value: b"\0" + value, SYNTAX),
        "NUL inside": (_inside(b"\0"), SYNTAX),
        "NUL after": (lambda value: value + b"\0", SYNTAX),
        "vertical tab before": (lambda value: b"\x0b" + value, SYNTAX),
        "form feed after": (lambda value: value + b"\x0c", SYNTAX),
        "backspace after": (lambda value: value + b"x\x08", SYNTAX),
        "escape before": (lambda value: b"\x1b[2K" + value, SYNTAX),
        "delete inside": (_inside(b"\x7f"), SYNTAX),
    }
)
"""What becomes of it where it is all that a proxy sends for the certificate."""

UNALTERED: Mapping[str, Alter] = MappingProxyType(
    {
        "as it is": lambda value: value,
        "space before": lambda value: b"  " + value,
        "tab before": lambda value: b"\t" + value,
        "space after": lambda value: value + b"  ",
        "tab after": lambda value: value + b"\t",
    }
)
"""The same value to every reader."""

JOINED = (b",", b", ", b" , ", b",,", b";", b" ", b"\t", b"", b"|", b"%2C", b"%20", b"%0A", b"&", b"\x85")
"""With what a proxy might join what its client has sent and what it has to say itself."""

ADDRESSES = (
    b"",
    b" ",
    b"unknown",
    b"_hidden",
    b"127.1",
    b"::ffff:1.2.3.4%1",
    b"[2001:db8::1]",
    b"1.2.3.4:80",
)
CREDENTIALS: Mapping[str, bytes] = MappingProxyType(
    {
        "empty": b"",
        "the scheme alone": b"Basic",
        "no scheme": AUTHORIZATION[6:].encode(),
        "another scheme": b"Bearer " + AUTHORIZATION[6:].encode(),
        "scheme in lower case": b"basic " + AUTHORIZATION[6:].encode(),
        "two spaces": b"Basic  " + AUTHORIZATION[6:].encode(),
        "tab": b"Basic\t" + AUTHORIZATION[6:].encode(),
        "%20": b"Basic%20" + AUTHORIZATION[6:].encode(),
        "cut": AUTHORIZATION[:-1].encode(),
        "one more": AUTHORIZATION.encode() + b"=",
        "in quotes": b'"' + AUTHORIZATION.encode() + b'"',
        "twice": AUTHORIZATION.encode() + b", " + AUTHORIZATION.encode(),
        "joined to wrong ones": b"Basic YTpi, " + AUTHORIZATION.encode(),
        "in lower case": AUTHORIZATION.lower().encode(),
        "not in base64": b"Basic dmz:correct-horse-battery-staple",
        "wrong ones": b"Basic ZG16OmNvcnJlY3QtaG9yc2UtYmF0dGVyeS1zdGFwbGVz",
    }
)
"""Which are not the proxy's."""

FROM = line("X-Forwarded-For", ADDRESS.encode())
KNOWN = line("X-Proxy-Authorization", AUTHORIZATION.encode())
