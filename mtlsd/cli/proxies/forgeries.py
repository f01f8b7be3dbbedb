"""Requests by which a client could try to pass for another one behind a proxy (P26)."""

from __future__ import annotations

import base64
import hashlib
import ssl
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote

import attrs

from mtlsd.cli.proxies.wanted import CREDENTIALS, Wanted

PROXY: Final = "PROXY header"
"""What stands for the field in a forgery that is none."""

_V2_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
_LONG: Final = 20_000  # octets: more than any of the proxies takes in one field unless it is told to
_FITTING: Final[Mapping[str, str]] = {
    "rfc9440": "a byte sequence",
    "nginx": "percent-encoded PEM",
    "header urlencoded-pem": "percent-encoded PEM",
    "aws-alb": "percent-encoded PEM",
    "apache": "PEM on one line",
    "header pem": "PEM on one line",
    "envoy": "Envoy's form",
}
"""The encoding of each format."""


@attrs.frozen
class Forgery:
    """One way to lie.

    :ivar field: the field that it is about, as it is usually written, or :data:`PROXY`.
    :ivar how: in a few words.
    :ivar head: lines of the header section, each with its end.
    :ivar nominated: what stands in `Connection` beside `close`.
    :ivar trailer: what comes after the body, in chunks then.
    :ivar before_tls: octets that come before everything else.
    :ivar before_request: octets before the request line.
    """

    field: str
    how: str
    head: bytes = b""
    nominated: bytes = b""
    trailer: bytes = b""
    before_tls: bytes = b""
    before_request: bytes = b""


def forgeries(wanted: Wanted, canary: bytes, victim: bytes | None) -> Iterator[Forgery]:
    """All of them.

    :param canary: a certificate that nobody knows, DER.
    :param victim: a client's certificate, DER, that is sent too: whoever passes for that client has won.
    """
    for field in (*wanted.reserved, wanted.client_address, CREDENTIALS):
        for spelt in dict.fromkeys(_spellings(field)):
            yield Forgery(field, f"as {spelt}", _line(spelt, b"x"))
    for field in wanted.fields or wanted.reserved[:1]:
        for name, value in encodings(canary).items():
            yield Forgery(field, f"a certificate in {name}", _line(field, value))
        if victim is not None:
            for name, value in encodings(victim).items():
                yield Forgery(
                    field, f"the client's certificate in {name}, without its key", _line(field, value)
                )
        yield from _mangled(field, encodings(canary)[_FITTING.get(wanted.form or "", "base64")])
    yield from _mangled(wanted.client_address, b"forged.example")
    yield from _mangled(CREDENTIALS, b"Basic " + base64.b64encode(b"forged:forged-forged-forged"))
    yield from _proxy_headers()


def encodings(der: bytes) -> Mapping[str, bytes]:
    """A certificate as proxies write it."""
    text, pem = base64.b64encode(der), ssl.DER_cert_to_PEM_cert(der)
    escaped = quote(pem, safe="").encode("ascii")
    digest = hashlib.sha256(der).hexdigest().encode("ascii")
    return {
        "base64": text,
        "a byte sequence": b":%b:" % text,
        "percent-encoded PEM": escaped,
        "PEM on one line": pem.replace("\n", " ").strip().encode("ascii"),
        "Envoy's form": b'Hash=%b;Cert="%b"' % (digest, escaped),
    }


def _spellings(field: str) -> Iterator[str]:
    yield field
    yield field.lower()
    yield field.upper()
    if "-" in field:
        yield field.replace("-", "_")
        yield field.replace("-", "_", 1)
        yield "_".join(field.rsplit("-", 1))


def _line(name: str, value: bytes) -> bytes:
    return b"%b: %b\r\n" % (name.encode("ascii"), value)


def _mangled(field: str, value: bytes) -> Iterator[Forgery]:
    """The same field in forms that readers disagree about."""
    name, line = field.encode("ascii"), _line(field, value)
    heads = {
        "empty": b"%b:\r\n" % name,
        "twice": line + line,
        "twice, in two spellings": line + line.lower(),
        "twice, the first empty": b"%b:\r\n" % name + line,
        "two in one, with a comma": b"%b: %b, %b\r\n" % (name, value, value),
        "truncated": _line(field, value[: len(value) * 2 // 3]),
        "after a tab": b"%b:\t%b\r\n" % (name, value),
        "without a space": b"%b:%b\r\n" % (name, value),
        "before a tab and a space": b"%b: %b\t \r\n" % (name, value),
        "folded": b"%b: %b\r\n %b\r\n" % (name, value[:8], value[8:]),
        "folded, all of it": b"%b:\r\n\t%b\r\n" % (name, value),
        "folded under another field": b"X-Harmless: x\r\n " + line,
        "folded under the request line": b" " + line + b"X-Harmless: x\r\n",
        "with a space before the colon": b"%b : %b\r\n" % (name, value),
        "with a tab before the colon": b"%b\t: %b\r\n" % (name, value),
        "with a NUL before it": b"\0" + line,
        "with a vertical tab in it": b"%b\x0b: %b\r\n" % (name, value),
        "after a bare line feed": b"X-Harmless: x\n" + line,
        "after a bare carriage return": b"X-Harmless: x\r" + line,
        "percent-encoded in its name": b"%%%02X%b: %b\r\n" % (name[0], name[1:], value),
        "with %20 for -": b"%b: %b\r\n" % (name.replace(b"-", b"%20"), value),
        "with . for -": b"%b: %b\r\n" % (name.replace(b"-", b"."), value),
        "too long": _line(field, value[:1] * _LONG),
    }
    for how, head in heads.items():
        yield Forgery(field, how, head)
    yield Forgery(field, "named in Connection", line, nominated=name)
    yield Forgery(field, "not sent, but named in Connection", nominated=name)
    yield Forgery(field, "in a trailer", trailer=line)


def _proxy_headers() -> Iterator[Forgery]:
    """What a proxy would send before a connection that it passes on."""
    addresses = bytes((192, 0, 2, 1, 192, 0, 2, 2)) + (40_000).to_bytes(2, "big") + (443).to_bytes(2, "big")
    headers = {
        "version 1": b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 443\r\n",
        "version 2": _V2_SIGNATURE + b"\x21\x11" + len(addresses).to_bytes(2, "big") + addresses,
    }
    for version, octets in headers.items():
        yield Forgery(PROXY, f"{version}, before TLS", before_tls=octets)
        yield Forgery(PROXY, f"{version}, before the request", before_request=octets)
