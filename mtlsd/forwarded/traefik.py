"""Traefik: ``X-Forwarded-Tls-Client-Cert``, by the middleware passTLSClientCert with ``pem: true``.

Each certificate as PEM without its first and last line and without line feeds, thus base64 of its DER; the
leaf first, and a comma between two (``sanitize`` and ``getCertificates`` in pass_tls_client_cert.go). Since
2.9.4 nothing is percent-encoded; earlier releases wrote ``%2B`` for ``+`` and are refused. Without a
certificate the middleware sets nothing; what a client itself sends in the field, Traefik has removed before,
unless the client is among ``forwardedHeaders.trustedIPs``.
"""

from __future__ import annotations

from mtlsd.forwarded.codecs import base64_der, bounded
from mtlsd.forwarded.forwarded import Field, ForwardedCertificate
from mtlsd.forwarded.leaf_first import leaf_first


def read(certificate: Field) -> ForwardedCertificate | None:
    """The certificate, or None where the field is absent or empty.

    :raises Refusal: forwarded.malformed.
    """
    return certificate.read(certificates) if certificate else None


def certificates(text: bytes) -> ForwardedCertificate:
    """The leaf and its chain.

    :raises ValueError: where it is anything else.
    """
    if b"%" in text:
        raise ValueError("is percent-encoded, as Traefik wrote it before 2.9.4")
    members = text.split(b",")
    bounded(members[1:])
    return leaf_first(list(map(base64_der, members)))
