"""The little PKI of `mtlsd dev`: good enough to try everything, and kept by nobody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Self

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

CLOCK_SKEW = timedelta(hours=1)
"""How much earlier than now certificates begin, for machines whose clocks are late."""

_VALID = timedelta(days=365)


@attrs.frozen
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = attrs.field(repr=False)

    @classmethod
    def from_pem(cls, certificate: bytes, key: bytes) -> Self:
        """:raises ValueError: for what `dev init` has not made."""
        private = load_pem_private_key(key, None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise ValueError("the key is of another kind than those of dev init")
        return cls(x509.load_pem_x509_certificate(certificate), private)

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def certificate_authority(name: str, now: datetime) -> Issued:
    """A root that may issue leaves only."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(name, name, key, now).add_extension(x509.BasicConstraints(True, 0), critical=True)
    return Issued(
        builder.add_extension(_usage(sign_certificates=True), critical=True).sign(key, SHA256()), key
    )


def server(name: str, hosts: Sequence[str], issuer: Issued, now: datetime) -> Issued:
    """A server's certificate for these host names and IP addresses."""
    return _leaf(name, hosts, ExtendedKeyUsageOID.SERVER_AUTH, issuer, now)


def client(name: str, hosts: Sequence[str], issuer: Issued | None, now: datetime) -> Issued:
    """A client's certificate; self-signed without an issuer."""
    return _leaf(name, hosts, ExtendedKeyUsageOID.CLIENT_AUTH, issuer, now)


def revocation_list(
    issuer: Issued, entries: Iterable[x509.RevokedCertificate], number: int, now: datetime
) -> x509.CertificateRevocationList:
    """The CA's list, good for as long as the CA is.

    :param number: its cRLNumber, greater than that of any list before it.
    """
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(now.replace(microsecond=0))
        .next_update(issuer.certificate.not_valid_after_utc)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(_authority_key(issuer), critical=False)
    )
    for entry in entries:
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(issuer.key, SHA256())


def revoked(certificate: x509.Certificate, now: datetime) -> x509.RevokedCertificate:
    """What a list says of a certificate whose key is lost."""
    return (
        x509.RevokedCertificateBuilder()
        .serial_number(certificate.serial_number)
        .revocation_date(now.replace(microsecond=0))
        .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
        .build()
    )


def _authority_key(issuer: Issued) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())


def _leaf(
    name: str, hosts: Sequence[str], purpose: ObjectIdentifier, issuer: Issued | None, now: datetime
) -> Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer_name = name if issuer is None else _common_name(issuer.certificate)
    builder = _builder(name, issuer_name, key, now)
    builder = builder.add_extension(x509.BasicConstraints(False, None), critical=True)
    builder = builder.add_extension(_usage(sign_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_name, hosts))), critical=False)
    if issuer is not None:
        builder = builder.add_extension(_authority_key(issuer), critical=False)
    return Issued(builder.sign(key if issuer is None else issuer.key, SHA256()), key)


def _builder(
    name: str, issuer: str, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    now = now.replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
