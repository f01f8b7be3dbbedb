"""The URLs that mtlsd fetches from: http and https, and one way to read each (RFC 3986, RFC 9110 §4.2).

Most of them come from certificates and registrations, so what two programs might read differently is
refused: users, backslashes, fragments, hosts in percent-encoding, and addresses in any but their usual form.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, Literal, Self, cast

import attrs

from mtlsd.fetch.refused import FetchRefused

LONGEST_URL: Final = 2048

Scheme = Literal["http", "https"]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?)"
)
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_LEAST_PORT: Final = 1024


@attrs.frozen
class Url:
    """A URL that may be fetched as far as its text tells; where its host leads is checked later.

    :ivar host: lower case, without brackets; an IPv6 address in its shortest form.
    :ivar target: path and query as they go into the request line.
    """

    scheme: Scheme
    host: str
    port: int
    target: str

    @classmethod
    def from_string(cls, text: str) -> Self:
        """Read one.

        Ports are 80, 443, and 1024 and above: no responder is on a port of mail or DNS.

        :raises FetchRefused: url, scheme or port
        """
        found = _URL.fullmatch(text) if len(text) <= LONGEST_URL else None
        if found is None:
            raise FetchRefused("url", f"not a URL to fetch from: {text[:100]}")
        scheme = found["scheme"].lower()
        if scheme not in _DEFAULT_PORTS:
            raise FetchRefused("scheme", f"neither http nor https: {scheme[:20]}")
        port = int(found["port"] or _DEFAULT_PORTS[scheme])
        if port not in _DEFAULT_PORTS.values() and not _LEAST_PORT <= port <= 65535:
            raise FetchRefused("port", f"port {port} is neither 80, 443 nor one above 1023")
        target = found["target"]
        if not target.startswith("/"):
            target = "/" + target
        return cls(cast(Scheme, scheme), _host(found["host"].lower()), port, target)

    @property
    def address(self) -> Address | None:
        """The host, where it is an address itself."""
        try:
            return ipaddress.ip_address(self.host)
        except ValueError:
            return None

    @property
    def authority(self) -> str:
        """What goes into the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def _host(text: str) -> str:
    """The host of a URL, in lower case.

    What ends in a number is an address to the C library, in octal, hexadecimal or with parts left out, so a
    dotted quad is all that such a host may be.
    """
    try:
        if text.startswith("["):
            return str(ipaddress.IPv6Address(text[1:-1]))
        last = text.rpartition(".")[2]
        if last.isdigit() or last.startswith("0x"):
            return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise FetchRefused("url", f"not an address in its usual form: {text[:60]}") from None
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in text.split(".")):
        raise FetchRefused("url", f"not a host: {text[:60]}")
    return text
