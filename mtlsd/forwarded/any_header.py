"""Any field, with the leaf alone in one of three encodings: for proxies without a format of their own here.

``pem``
    PEM with a space for each line feed, as Apache writes it: no field can hold line feeds.
``urlencoded-pem``
    PEM percent-encoded but for unreserved characters (RFC 3986 section 2.3), so a space is ``%20``; with or
    without a line feed at its end. nginx writes it so, and JavaScript's ``encodeURIComponent``.
``base64-der``
    DER in base64 with padding (RFC 4648 section 4), on one line. Caddy writes it so (``header_up
    X-SSL-Client-Cert {http.request.tls.client.certificate_der_base64}``; recorded with 2.6.2), and without
    a certificate it writes the placeholder itself, which so means none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from mtlsd.forwarded.codecs import base64_der, folded_pem
from mtlsd.forwarded.forwarded import Field, ForwardedCertificate
from mtlsd.forwarded.nginx import escaped_pem

_Read = Callable[[Field], ForwardedCertificate | None]
_CADDYS_NONE = b"{http.request.tls.client.certificate_der_base64}"
_LINE_FEED = b"%0A"


def _reading(parse: Callable[[bytes], bytes]) -> _Read:
    def read(certificate: Field) -> ForwardedCertificate | None:
        return ForwardedCertificate(certificate.read(parse)) if certificate else None

    return read


def _read_base64(certificate: Field) -> ForwardedCertificate | None:
    if not certificate or certificate.value == _CADDYS_NONE:
        return None
    return ForwardedCertificate(certificate.read(base64_der))


def _escaped_pem(text: bytes) -> bytes:
    return escaped_pem(text if text[-3:].upper() == _LINE_FEED else text + _LINE_FEED)


READERS: Mapping[str | None, _Read] = MappingProxyType(
    {
        "pem": _reading(folded_pem),
        "urlencoded-pem": _reading(_escaped_pem),
        "base64-der": _read_base64,
    }
)
"""By encodings."""
