"""A small PKI for tests: authorities, and certificates by the dozen, quickly.

Everything hangs on one instant, so that end-to-end tests may use the real time and unit tests a fixed one.
Keys are made once in a process and shared by their role.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
"""The instant of the unit tests."""

SUBJECT = "CN=billing,O=Partner,C=DE"
DNS = "billing.partner.example"
URI = "spiffe://partner.example/billing"
IP = "192.0.2.7"
EMAIL = "billing@partner.example"
"""The names that the honest client is registered with, one client for each kind."""

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | dsa.DSAPrivateKey
CaKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@cache
def ec_key(role: str) -> ec.EllipticCurvePrivateKey:
    """The P-256 key of that role."""
    return ec.generate_private_key(ec.SECP256R1())


@cache
def rsa_key(role: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@cache
def ed25519_key(role: str) -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def dn(**attributes: str) -> x509.Name:
    """A name, most significant attribute first: ``dn(C="DE", O="Partner", CN="billing")``."""
    kinds = {
        "C": NameOID.COUNTRY_NAME,
        "O": NameOID.ORGANIZATION_NAME,
        "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
        "CN": NameOID.COMMON_NAME,
    }
    return x509.Name([x509.NameAttribute(kinds[kind], value) for kind, value in attributes.items()])


def victim() -> x509.Name:
    """:data:`SUBJECT` as it is encoded."""
    return dn(C="DE", O="Partner", CN="billing")


def all_names() -> list[x509.GeneralName]:
    """One name of each kind, all of them the honest client's."""
    return [
        x509.DNSName(DNS),
        x509.UniformResourceIdentifier(URI),
        x509.IPAddress(ip_address(IP)),
        x509.RFC822Name(EMAIL),
    ]


def key_usage(*allowed: str) -> x509.KeyUsage:
    """Key usage with these alone: ``key_usage("digital_signature")``."""
    every = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
    rest = ("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{usage: usage in allowed for usage in every + rest})


@attrs.frozen
class Written:
    """Where a certificate was written: the leaf and then its chain in one file, the key in another."""

    certificate: Path
    key: Path


@attrs.frozen
class Presented:
    """What a client presents: its leaf, the key, and the chain that it sends."""

    leaf: bytes
    key: PrivateKey = attrs.field(repr=False)
    chain: tuple[bytes, ...] = ()

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def chain_pem(self) -> bytes:
        return "".join(map(ssl.DER_cert_to_PEM_cert, (self.leaf, *self.chain))).encode()

    def write(self, directory: Path) -> Written:
        written = Written(directory / "client.pem", directory / "client.key")
        written.certificate.write_bytes(self.chain_pem)
        written.key.write_bytes(self.key_pem)
        return written


@attrs.frozen
class Authority:
    """A CA: its certificate and key, and the chain from it up to below the anchor."""

    certificate: x509.Certificate
    key: CaKey = attrs.field(repr=False)
    above: tuple[bytes, ...] = ()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def chain(self) -> tuple[bytes, ...]:
        """What a leaf of this CA has to send."""
        return (self.der, *self.above)


def issue(
    subject: x509.Name,
    key: PrivateKey,
    issuer: Authority | None,
    *,
    valid: tuple[datetime, datetime],
    extensions: Iterable[tuple[x509.ExtensionType, bool]] = (),
    serial: int | None = None,
    subject_key_identifier: bytes | None = None,
    authority_key_identifier: bool = True,
    signer: CaKey | None = None,
) -> x509.Certificate:
    """A certificate with these extensions and key identifiers, signed with SHA-256.

    :param issuer: None for a self-signed one.
    :param signer: sign with this key instead of the issuer's.
    """
    public = key.public_key()
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    if subject_key_identifier is not None:
        identifier = x509.SubjectKeyIdentifier(subject_key_identifier)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number() if serial is None else serial)
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(identifier, critical=False)
    )
    if issuer is not None and authority_key_identifier:
        builder = builder.add_extension(_identifier_of(issuer.certificate), critical=False)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    signing: Any = signer or (key if issuer is None else issuer.key)
    return builder.sign(signing, None if isinstance(signing, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def _identifier_of(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    found = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found.value)


def ca_extensions(
    path_length: int | None = None,
    ca: bool | None = True,
    usage: x509.KeyUsage | None = None,
    more: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> list[tuple[x509.ExtensionType, bool]]:
    """What a CA's certificate has; `ca` None leaves basic constraints out."""
    found: list[tuple[x509.ExtensionType, bool]] = [
        (usage or key_usage("key_cert_sign", "crl_sign"), True),
        *more,
    ]
    if ca is not None:
        found.insert(0, (x509.BasicConstraints(ca, path_length if ca else None), True))
    return found


def leaf_extensions(
    names: Sequence[x509.GeneralName] | x509.ExtensionType | None,
    purposes: Sequence[x509.ObjectIdentifier] | None = (ExtendedKeyUsageOID.CLIENT_AUTH,),
    usage: x509.KeyUsage | None = None,
    more: Sequence[tuple[x509.ExtensionType, bool]] = (),
    san_critical: bool = False,
) -> list[tuple[x509.ExtensionType, bool]]:
    """What a client's certificate has; None or an empty sequence leaves names or purposes out."""
    found: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(False, None), True),
        (usage or key_usage("digital_signature"), True),
        *more,
    ]
    if purposes:
        found.append((x509.ExtendedKeyUsage(purposes), False))
    if isinstance(names, x509.ExtensionType):
        found.append((names, san_critical))
    elif names:
        found.append((x509.SubjectAlternativeName(names), san_critical))
    return found


class Pki:
    """One PKI at one instant: a root, an intermediate, and odd relations of theirs as they are asked for."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now.replace(microsecond=0)

    def valid(self, since: float = -1, until: float = 30) -> tuple[datetime, datetime]:
        """A validity from so many days after now to so many days after now."""
        return self.now + timedelta(days=since), self.now + timedelta(days=until)

    def ca(
        self, common_name: str, issuer: Authority | None, role: str | None = None, **how: Any
    ) -> Authority:
        """A CA under another one, or a root; `how` is for :func:`ca_extensions` and :func:`issue`."""
        options = {name: how.pop(name) for name in ("path_length", "ca", "usage", "more") if name in how}
        key: CaKey = how.pop("key", None) or ec_key(role or common_name)
        how.setdefault("valid", self.valid(-30, 365))
        name = dn(O="Test PKI", CN=common_name)
        made = issue(name, key, issuer, extensions=ca_extensions(**options), **how)
        return Authority(made, key, () if issuer is None else self.chain_of(issuer))

    def leaf(
        self, issuer: Authority | None = None, subject: x509.Name | None = None, **how: Any
    ) -> Presented:
        """A client's certificate under the intermediate, the honest client's unless said otherwise.

        `how` is for :func:`leaf_extensions` and :func:`issue`, besides `names`, `key` and `chain`.
        """
        issuer = issuer or self.intermediate
        options = {
            name: how.pop(name) for name in ("purposes", "usage", "more", "san_critical") if name in how
        }
        key: PrivateKey = how.pop("key", None) or ec_key("leaf")
        chain = how.pop("chain", None)
        names = how.pop("names", all_names())
        how.setdefault("valid", self.valid())
        extensions = leaf_extensions(names, **options)
        made = issue(victim() if subject is None else subject, key, issuer, extensions=extensions, **how)
        return Presented(
            made.public_bytes(Encoding.DER), key, self.chain_of(issuer) if chain is None else chain
        )

    def chain_of(self, issuer: Authority) -> tuple[bytes, ...]:
        """What a leaf of that CA sends: everything below the anchor."""
        return () if issuer.certificate.issuer == issuer.certificate.subject else issuer.chain

    def self_signed(self, role: str, subject: x509.Name | None = None, **how: Any) -> Presented:
        """What ``openssl req -x509`` makes: a self-signed certificate that says it is a CA's."""
        how.setdefault("valid", self.valid())
        key = ec_key(role)
        extensions = [(x509.BasicConstraints(True, None), True)]
        made = issue(dn(CN="pinned") if subject is None else subject, key, None, extensions=extensions, **how)
        return Presented(made.public_bytes(Encoding.DER), key)

    @cached_property
    def root(self) -> Authority:
        return self.ca("Root", None)

    @cached_property
    def intermediate(self) -> Authority:
        return self.ca("Intermediate", self.root)

    @cached_property
    def expired_root(self) -> Authority:
        """An anchor whose time is over."""
        return self.ca("Expired Root", None, valid=self.valid(-100, -1))

    @cached_property
    def pinned(self) -> Presented:
        """Registered by its own certificate."""
        return self.self_signed("pinned")

    @cached_property
    def pinned_expired(self) -> Presented:
        """Registered by its own certificate too, but too old."""
        return self.self_signed("pinned expired", dn(CN="pinned expired"), valid=self.valid(-30, -1))

    @cached_property
    def anchors(self) -> tuple[bytes, ...]:
        """What the trust anchor group of the tests holds."""
        return self.root.der, self.expired_root.der

    @cached_property
    def pins(self) -> tuple[bytes, ...]:
        return self.pinned.leaf, self.pinned_expired.leaf
