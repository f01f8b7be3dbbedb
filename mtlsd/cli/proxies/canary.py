"""A certificate that nobody has seen before, to be forged, and to be presented with its key."""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta
from tempfile import NamedTemporaryFile
from typing import Final, Self

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

NOBODY: Final = "mtlsd-proxy-test"
"""Whose it is: a client by that name is registered nowhere."""


@attrs.frozen
class Canary:
    """It is self-signed, and lasts an hour."""

    certificate: x509.Certificate
    _key: ec.EllipticCurvePrivateKey = attrs.field(repr=False)

    @classmethod
    def hatched(cls, now: datetime) -> Self:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NOBODY)])
        builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
        return cls(builder.sign(key, SHA256()), key)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def present_by(self, context: ssl.SSLContext) -> None:
        """Have the context's connections come with the certificate, and prove its key."""
        with NamedTemporaryFile("wb") as file:  # ssl takes both from files alone; this one is mode 0600
            file.write(self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            file.write(self.certificate.public_bytes(Encoding.PEM))
            file.flush()
            context.load_cert_chain(file.name)
