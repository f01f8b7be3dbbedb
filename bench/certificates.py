"""A CA, a server's certificate, clients', and a key that signs tokens: all P-256, for one run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from itertools import cycle, islice
from pathlib import Path

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

_VALID_FOR = timedelta(days=365)


@attrs.frozen
class Ca:
    """A CA, and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def make(cls) -> Ca:
        key, name = _key(), _name("bench CA")
        builder = _builder(name, name, key).add_extension(x509.BasicConstraints(True, None), True)
        return cls(builder.add_extension(_usage(ca=True), True).sign(key, hashes.SHA256()), key)

    def leaf(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        names: Sequence[x509.GeneralName],
        purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
        responder: str | None = None,
    ) -> bytes:
        """A certificate in PEM.

        :param responder: the URL of the OCSP responder that it names, if it does.
        """
        leaf = (
            _builder(_name(name), self.certificate.subject, key)
            .add_extension(x509.BasicConstraints(False, None), False)
            .add_extension(_usage(ca=False), True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), False)
            .add_extension(x509.SubjectAlternativeName(names), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False)
        )
        if responder is not None:
            url = x509.UniformResourceIdentifier(responder)
            access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, url)
            leaf = leaf.add_extension(x509.AuthorityInformationAccess([access]), False)
        return leaf.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def make(directory: Path, responder: str | None = None) -> Ca:
    """Write ca.pem, server.pem and .key, client.pem and .key, and signing.key.

    :param responder: the URL of the OCSP responder that client.pem names, if it does.
    """
    directory.mkdir(parents=True, exist_ok=True)
    ca = Ca.make()
    (directory / "ca.pem").write_bytes(ca.certificate.public_bytes(serialization.Encoding.PEM))
    localhost = [x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]
    key = _key()
    server = ca.leaf("server", key, localhost, ExtendedKeyUsageOID.SERVER_AUTH)
    (directory / "server.pem").write_bytes(server)
    _write_key(directory / "server.key", key)
    make_clients(directory, ca, "client", 1, () if responder is None else (responder,))
    _write_key(directory / "signing.key", _key())
    return ca


def make_clients(
    directory: Path,
    ca: Ca,
    name: str,
    count: int,
    responders: Sequence[str] = (),
    clients: Sequence[str] = (),
) -> None:
    """Write so many certificates into NAME.pem, one after the other, and the one key that they have.

    :param responders: the URLs of OCSP responders, of which each certificate names one, in turn.
    :param clients: whose they are, in turn, if not of a client of that name.
    """
    key = _key()
    turns = islice(zip(cycle(clients or (name,)), cycle(responders or (None,)), strict=False), count)
    made = [
        ca.leaf(name, key, [x509.DNSName(f"{client}.bench.test")], responder=responder)
        for client, responder in turns
    ]
    (directory / f"{name}.pem").write_bytes(b"".join(made))
    _write_key(directory / f"{name}.key", key)


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _VALID_FOR)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
