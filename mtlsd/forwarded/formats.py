"""Every format in which proxies forward certificates. The configuration names one; nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

import attrs

from mtlsd.forwarded import haproxy, nginx, rfc9440
from mtlsd.forwarded.forwarded import Field, ForwardedCertificate

_Read = Callable[..., ForwardedCertificate | None]  # is given as many fields as the format has

_field_name = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*").fullmatch
_TAKEN = frozenset({"host", "cookie", "connection", "via", "forwarded"})
_TAKEN_PREFIXES = ("content-", "accept", "transfer-", "x-forwarded-for", "x-proxy-", "authorization")


@attrs.frozen
class Reader:
    """A format as one listener takes it.

    :ivar fields: the names, in lower case, of the fields that carry it; the first has the certificate. Nobody
        but the proxy may send one of them, and none may come twice.
    """

    format: str
    fields: tuple[bytes, ...]
    _read: _Read = attrs.field(repr=False)

    def parse(self, values: Mapping[bytes, bytes]) -> ForwardedCertificate | None:
        """The certificate in a request's fields, or None where the client came without one.

        :param values: by names in lower case, without surrounding whitespace.
        :raises Refusal: forwarded.malformed, with the facts ``field`` and ``detail``; nothing else.
        """
        return self._read(*(Field(name, values.get(name, b"")) for name in self.fields))


@attrs.frozen
class Format:
    """One format.

    :ivar header: the field that carries the certificate unless another is configured; None where one must be.
    :ivar headers: the only fields that it may be; empty for any.
    :ivar companions: what is appended to its name for the other fields.
    :ivar readers: by the encodings that may be configured, or by None where there is no choice.
    """

    name: str
    header: str | None
    readers: Mapping[str | None, _Read] = attrs.field(repr=False)
    companions: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()

    def fields(self, header: str | None = None) -> tuple[bytes, ...]:
        """The names, in lower case, of the fields that carry it; the first has the certificate.

        :raises ValueError: where it cannot be carried in a field of that name, in a sentence.
        """
        chosen = self.header if header is None else header
        if chosen is None:
            raise ValueError(f"format {self.name!r} has no field of its own, so one must be named")
        if self.headers and chosen.lower() not in {name.lower() for name in self.headers}:
            raise ValueError(f"format {self.name!r} comes in no other field than {' or '.join(self.headers)}")
        _check(chosen)
        return tuple((chosen + suffix).lower().encode("ascii") for suffix in ("", *self.companions))

    def reader(self, header: str | None = None, encoding: str | None = None) -> Reader:
        """The format as one listener takes it.

        :raises ValueError: where it cannot be had so, in a sentence.
        """
        read = self.readers.get(encoding)
        if read is None:
            choices = " | ".join(filter(None, self.readers))
            takes = f"needs one of the encodings {choices}" if choices else "has no choice of encodings"
            raise ValueError(f"format {self.name!r} {takes}")
        return Reader(self.name, self.fields(header), read)


def _check(header: str) -> None:
    if not _field_name(header):
        raise ValueError("a field name is made of letters, digits and single hyphens here")
    if header.lower() in _TAKEN or header.lower().startswith(_TAKEN_PREFIXES):
        raise ValueError(f"the field {header} has another meaning")


_HEADER = "X-SSL-Client-Cert"
_ALL = (
    Format(
        "rfc9440",
        "Client-Cert",
        {None: rfc9440.read},
        companions=("-Chain",),
        headers=("Client-Cert",),
    ),
    Format("nginx", _HEADER, {None: nginx.read}),
    Format("haproxy", _HEADER, {None: haproxy.read}, companions=("-Chain",)),
)

FORMATS: Mapping[str, Format] = MappingProxyType({each.name: each for each in _ALL})
"""By the names that the configuration has for them."""

_OTHERS = (
    "SSL-Client-Cert",
    "SSL-Client-Verify",
    "X-ARR-ClientCert",
    "X-Client-Cert",
    "X-SSL-Cert",
    "X-SSL-Client-Verify",
)
KNOWN_FIELDS: frozenset[bytes] = frozenset(name.lower().encode("ascii") for name in _OTHERS) | frozenset(
    field for each in _ALL if each.header for field in each.fields()
)
"""The fields of every format, and others with certificates or a proxy's word about one, in lower case.

No honest client sends any of them."""
