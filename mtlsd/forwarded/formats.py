"""Every format in which proxies forward certificates. The configuration names one; nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

import attrs

from mtlsd.forwarded import any_header, apache, aws_alb, envoy, haproxy, nginx, rfc9440, traefik, wso2
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
    :ivar beside: the names of fields that such a proxy sends as well. They may be there, and are not read.
    """

    format: str
    fields: tuple[bytes, ...]
    beside: tuple[bytes, ...]
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
    :ivar beside: fields that such a proxy sends as well, by the field that carries the certificate.
    :ivar readers: by the encodings that may be configured, or by None where there is no choice.
    """

    name: str
    header: str | None
    readers: Mapping[str | None, _Read] = attrs.field(repr=False)
    companions: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    beside: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)

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
        return _names(chosen + suffix for suffix in ("", *self.companions))

    def reader(self, header: str | None = None, encoding: str | None = None) -> Reader:
        """The format as one listener takes it.

        :raises ValueError: where it cannot be had so, in a sentence.
        """
        read = self.readers.get(encoding)
        if read is None:
            choices = " | ".join(filter(None, self.readers))
            takes = f"needs one of the encodings {choices}" if choices else "has no choice of encodings"
            raise ValueError(f"format {self.name!r} {takes}")
        fields = self.fields(header)
        beside = {name.lower().encode("ascii"): names for name, names in self.beside.items()}
        return Reader(self.name, fields, _names(beside.get(fields[0], ())), read)


def _names(fields: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(name.lower().encode("ascii") for name in fields)


def _check(header: str) -> None:
    if not _field_name(header):
        raise ValueError("a field name is made of letters, digits and single hyphens here")
    if header.lower() in _TAKEN or header.lower().startswith(_TAKEN_PREFIXES):
        raise ValueError(f"the field {header} has another meaning")


_HEADER = "X-SSL-Client-Cert"
_TRAEFIK = "X-Forwarded-Tls-Client-Cert"
_RFC9440 = "Client-Cert"
_ALL = (
    Format("rfc9440", _RFC9440, {None: rfc9440.read}, companions=("-Chain",), headers=(_RFC9440,)),
    Format("nginx", _HEADER, {None: nginx.read}),
    Format("envoy", "X-Forwarded-Client-Cert", {None: envoy.read}),
    Format("traefik", _TRAEFIK, {None: traefik.read}, beside={_TRAEFIK: (f"{_TRAEFIK}-Info",)}),
    Format("apache", _HEADER, {None: apache.read}),
    Format("haproxy", _HEADER, {None: haproxy.read}, companions=("-Chain",)),
    Format(
        "aws-alb",
        aws_alb.PASSTHROUGH,
        {None: aws_alb.read},
        headers=(aws_alb.PASSTHROUGH, aws_alb.VERIFY),
        beside={aws_alb.VERIFY: aws_alb.BESIDE},
    ),
    Format("wso2", "X-WSO2-MTLS-Cert", {None: wso2.read}),
    Format("header", None, any_header.READERS),
)

FORMATS: Mapping[str, Format] = MappingProxyType({each.name: each for each in _ALL})
"""By the names that the configuration has for them."""

_OTHERS = (
    aws_alb.VERIFY,
    *aws_alb.BESIDE,
    "Cf-Client-Cert-Der-Base64",  # Cloudflare
    "Cf-Client-Cert-Sha256",
    "SSL-Client-Cert",  # ingress-nginx, Keycloak
    "SSL-Client-Issuer-DN",
    "SSL-Client-Subject-DN",
    "SSL-Client-Verify",
    "X-ARR-ClientCert",  # Azure App Service
    "X-Client-Cert",
    "X-Client-Cert-Chain",  # Google Cloud load balancers' examples
    "X-Client-Cert-Chain-Verified",
    "X-Client-Cert-Leaf",
    "X-Client-Cert-Present",
    "X-Client-Certificate",  # Azure Application Gateway
    "X-Client-Certificate-Verification",
    "X-Forwarded-Ssl-Client-Cert",  # Traefik 1
    "X-Forwarded-Ssl-Client-Cert-Infos",
    f"{_TRAEFIK}-Info",
    f"{_TRAEFIK}-Infos",
    "X-SSL-Cert",
    "X-SSL-Client-DN",
    "X-SSL-Client-S-DN",
    "X-SSL-Client-Verify",
)
KNOWN_FIELDS: frozenset[bytes] = frozenset(_names(_OTHERS)).union(
    *(each.fields() for each in _ALL if each.header)
)
"""The fields of every format, and others with certificates or a proxy's word about one, in lower case.

No honest client sends any of them."""
