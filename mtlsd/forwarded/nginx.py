"""nginx: ``proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;``

The variable is the leaf in PEM with its last line feed, percent-encoded but for unreserved characters
(``ngx_ssl_get_escaped_certificate``: ``NGX_ESCAPE_URI_COMPONENT``), since nginx 1.13.5; recorded with 1.22.1.
It is empty without a certificate, and then nginx sends no field. nginx forwards no chain.
"""

from __future__ import annotations

from mtlsd.forwarded.codecs import pem, unescaped
from mtlsd.forwarded.forwarded import Field, ForwardedCertificate

ESCAPED = b"\n +/="
"""What stands in PEM and is percent-encoded."""


def read(certificate: Field) -> ForwardedCertificate | None:
    """The certificate, or None where the field is absent or empty.

    :raises Refusal: forwarded.malformed.
    """
    return ForwardedCertificate(certificate.read(escaped_pem)) if certificate else None


def escaped_pem(text: bytes) -> bytes:
    """The certificate in percent-encoded PEM.

    :raises ValueError: where it is anything else.
    """
    return pem(unescaped(text, ESCAPED))
