"""The subjectAltNames that a client can be registered with (RFC 8705 §2.1.2, RFC 5280 §4.2.1.6).

Compared exactly and within one kind, except that hosts and a URI's scheme have no case; an IP address
compares in binary. A value is data: a wildcard is never a pattern, nothing is normalized, and a name that is
not of the strict form below matches nothing.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Literal, Self

import attrs
import idna
from cryptography import x509

from mtlsd.pki.printable import printable

Kind = Literal["dns", "uri", "ip", "email"]

# Whoever has only the public certificate can make us read it, so what that costs is bounded.
_MOST_NAMES: Final = 512
_MOST_CHARACTERS: Final = 2048

_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)
_EMAIL: Final = re.compile(r"([A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+)@(.*)")
# RFC 3986 §3: a scheme, and where an authority follows its userinfo, host and port.
_URI: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):"
    r"(?:(?P<user>//(?:[^/?#@\[\]]*@)?)(?P<host>\[[0-9A-Fa-f:.]+\]|[^/?#@:\[\]]*)(?P<port>:[0-9]*)?(?=[/?#]|\Z)"
    r"|(?!//))"
    r"(?P<rest>.*)"
)
_URI_CHARACTERS: Final = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+")


@attrs.frozen
class SubjectAltName:
    """One name, of a certificate or of a registration.

    :ivar value: as written; what does not print is escaped.
    :ivar key: what is compared: the octets of an IP address, the text of the other kinds. None where the name
        is not of its kind's form and so matches nothing; a registration's is never None.
    """

    kind: Kind
    value: str
    key: str | bytes | None

    @classmethod
    def from_registration(cls, kind: Kind, text: str) -> Self:
        """Read the value of ``tls_client_auth_san_*``.

        :raises ValueError: where a certificate could not have such a name; the message has the remedy.
        """
        key = _KEYS[kind](text)
        if key is None:
            raise ValueError(f"{_shown(text)} {_WANTED[kind]} {_REMEDIES[kind](text)}")
        return cls(kind, text, key)

    @classmethod
    def from_general_names(cls, names: x509.SubjectAlternativeName) -> tuple[Self, ...]:
        """The names of a certificate that are of the four kinds, in their order.

        :raises ValueError: where there are more than 512.
        """
        if len(names) > _MOST_NAMES:
            raise ValueError(f"more than {_MOST_NAMES} subjectAltNames")
        return tuple(
            cls(kind, printable(str(name.value)), _KEYS[kind](str(name.value)))
            for name in names
            if (kind := _KINDS.get(type(name))) is not None
        )

    def matches(self, other: SubjectAltName) -> bool:
        """Whether both are the same name."""
        return self.key is not None and self.kind == other.kind and self.key == other.key


_KINDS: Final[Mapping[type[x509.GeneralName], Kind]] = MappingProxyType(
    {
        x509.DNSName: "dns",
        x509.UniformResourceIdentifier: "uri",
        x509.IPAddress: "ip",
        x509.RFC822Name: "email",
    }
)


def _host(text: str) -> str | None:
    """A host in A-labels, or an IPv4 address; without case."""
    return text.lower() if text.isascii() and _HOST.fullmatch(text) else None


def _dns_key(text: str) -> str | None:
    """A host, and no IPv4 address: no top-level domain is a number (RFC 1123 §2.1)."""
    return None if text.rpartition(".")[2].isdigit() else _host(text)


def _email_key(text: str) -> str | None:
    """RFC 5280 §7.5: the local part exactly, the host without case."""
    match = _EMAIL.fullmatch(text)
    host = None if match is None else _host(match[2])
    return None if match is None or host is None else f"{match[1]}@{host}"


def _uri_key(text: str) -> str | None:
    """RFC 5280 §7.4: scheme and host without case, the rest exactly; %xx is not decoded."""
    match = (
        _URI.fullmatch(text) if len(text) <= _MOST_CHARACTERS and _URI_CHARACTERS.fullmatch(text) else None
    )
    if match is None:
        return None
    scheme, user, host, port, rest = (part or "" for part in match.groups())
    if host and not host.startswith("[") and _host(host) is None:
        return None
    return f"{scheme.lower()}:{user}{host.lower()}{port}{rest}" if host or rest else None


def _ip_key(text: str) -> bytes | None:
    """Four or sixteen octets; ::ffff:1.2.3.4 has sixteen and is not 1.2.3.4. No ranges, no zones."""
    try:
        return None if "%" in text else ipaddress.ip_address(text).packed
    except ValueError:
        return None


_KEYS: Final[Mapping[Kind, Callable[[str], str | bytes | None]]] = MappingProxyType(
    {"dns": _dns_key, "uri": _uri_key, "ip": _ip_key, "email": _email_key}
)


_WANTED: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        "dns": "is not a host name in ASCII.",
        "uri": "is not a URI in ASCII (RFC 3986).",
        "ip": "is not one IP address.",
        "email": "is not an e-mail address in ASCII.",
    }
)


def _dns_remedy(text: str) -> str:
    if "*" in text:
        return "A wildcard would not be a pattern here. Register the one name that the certificate has."
    if _ip_key(text) is not None:
        return "Register an IP address as tls_client_auth_san_ip."
    if _uri_key(text) is not None:
        return "Register a URI as tls_client_auth_san_uri, or write the host alone."
    if _dns_key(text[:-1]) is not None and text.endswith("."):
        return f"Write it without the dot at its end: {text[:-1]}"
    a_labels = _a_labels(text)
    if a_labels is not None:
        return f"A certificate has it as {a_labels}: register that."
    return "Write it as in the certificate, such as client.example.com."


def _a_labels(text: str) -> str | None:
    """An internationalized host as it stands in a certificate (RFC 5891 §5)."""
    if text.isascii() or len(text) > 253:
        return None
    try:
        return idna.encode(text, uts46=True).decode()
    except UnicodeError:
        return None


def _uri_remedy(text: str) -> str:
    if not text.isascii():
        return "Write the host in A-labels (xn--) and other characters as %xx, as in the certificate."
    return "Write it with its scheme, such as spiffe://example.com/client, exactly as in the certificate."


def _ip_remedy(text: str) -> str:
    if "/" in text:
        return "A range would not be a pattern here. Register the one address that the certificate has."
    return "Write it as 192.0.2.1 or 2001:db8::1, without brackets, port and zone."


def _email_remedy(text: str) -> str:
    local, _, host = text.rpartition("@")
    a_labels = _a_labels(host)
    if a_labels is not None and local.isascii():
        return f"A certificate has it as {local}@{a_labels}: register that."
    return (
        "Write it as client@example.com, exactly as in the certificate; quoted local parts are not supported."
    )


_REMEDIES: Final[Mapping[Kind, Callable[[str], str]]] = MappingProxyType(
    {"dns": _dns_remedy, "uri": _uri_remedy, "ip": _ip_remedy, "email": _email_remedy}
)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:80] + "...")
