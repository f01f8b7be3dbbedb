"""WSO2: ``x-wso2-mtls-cert``, the field that ``client_certificate_header`` of its Identity Server names.

The leaf in PEM on one line, with nothing in place of the line feeds, as WSO2's documentation has it ("Mutual
TLS": the sample requests). Where a proxy in front of WSO2 sent something else in that field, take the format
of that proxy, and name the field.
"""

from __future__ import annotations

from mtlsd.forwarded.codecs import joined_pem
from mtlsd.forwarded.forwarded import Field, ForwardedCertificate


def read(certificate: Field) -> ForwardedCertificate | None:
    """The certificate, or None where the field is absent or empty.

    :raises Refusal: forwarded.malformed.
    """
    return ForwardedCertificate(certificate.read(joined_pem)) if certificate else None
