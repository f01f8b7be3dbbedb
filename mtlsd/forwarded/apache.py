"""Apache: ``RequestHeader set X-SSL-Client-Cert "%{SSL_CLIENT_CERT}s"``

The leaf in PEM with a space for each line feed (``unwrap_header`` in mod_headers.c); the one at the end is
lost on the way, as whitespace around a value is no part of it. Without a certificate the value is
``(null)``. Recorded with 2.4. Apache has the chain only in one variable for each certificate, and none of
them is read.
"""

from __future__ import annotations

from mtlsd.forwarded.codecs import folded_pem
from mtlsd.forwarded.forwarded import Field, ForwardedCertificate

_NONE = b"(null)"


def read(certificate: Field) -> ForwardedCertificate | None:
    """The certificate, or None where the field is absent or empty, or has what Apache writes for nothing.

    :raises Refusal: forwarded.malformed.
    """
    if not certificate or certificate.value == _NONE:
        return None
    return ForwardedCertificate(certificate.read(folded_pem))
