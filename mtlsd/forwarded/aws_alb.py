"""AWS Application Load Balancer: ``X-Amzn-Mtls-Clientcert`` or ``X-Amzn-Mtls-Clientcert-Leaf``.

The first in the mode *passthrough*: the chain as the client sent it, the leaf first, in PEM that follows
each other; the load balancer verifies nothing. The second in the mode *verify*: the leaf alone, and beside
it fields with its serial number and the like, which are not read. Both percent-encoded "with ``+=/`` as safe
characters", as the user guide says ("Mutual authentication with TLS", HTTP headers and mutual TLS), while
its example has ``=`` encoded. So a value is read in either way, but wholly in one: those three all as they
are, or none.
"""

from __future__ import annotations

import re

from mtlsd.forwarded.codecs import pem, pems, unescaped
from mtlsd.forwarded.forwarded import Field, ForwardedCertificate
from mtlsd.forwarded.leaf_first import leaf_first
from mtlsd.forwarded.nginx import ESCAPED

PASSTHROUGH = "X-Amzn-Mtls-Clientcert"
VERIFY = "X-Amzn-Mtls-Clientcert-Leaf"
BESIDE = tuple(f"{PASSTHROUGH}-{what}" for what in ("Issuer", "Serial-Number", "Subject", "Validity"))
"""The fields that the load balancer sends beside the leaf."""

_LINES_ONLY = b"\n "
_encoded_base64 = re.compile(rb"%(?:2[BbFf]|3[Dd])").search


def read(certificate: Field) -> ForwardedCertificate | None:
    """The certificate, or None where the field is absent or empty.

    :raises Refusal: forwarded.malformed.
    """
    if not certificate:
        return None
    if certificate.name == VERIFY.lower().encode("ascii"):
        return ForwardedCertificate(certificate.read(lambda text: pem(_unescaped(text))))
    return certificate.read(lambda text: leaf_first(pems(_unescaped(text))))


def _unescaped(text: bytes) -> bytes:
    return unescaped(text, ESCAPED if _encoded_base64(text) else _LINES_ONLY)
