"""A certificate as the rest of mtlsd knows it: read once, whole, and then only values.

``cryptography`` reads lazily: a certificate with a subject in broken UTF-8, an extension twice or a key on an
unknown curve loads well, and raises wherever the part is first touched. Here all that mtlsd looks at is
touched in one place, so that having a :class:`Certificate` is the proof that it can be read.
"""

from __future__ import annotations

import base64
import hashlib
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final, Self, TypeVar

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import AuthorityInformationAccessOID

from mtlsd import reasons
from mtlsd.errors import Fact, Refusal
from mtlsd.pki.der import names_of
from mtlsd.pki.distribution_points import DistributionPoint, read_distribution_points
from mtlsd.pki.dn import DistinguishedName
from mtlsd.pki.extensions import CRL_DISTRIBUTION_POINTS, extensions_of
from mtlsd.pki.printable import printable
from mtlsd.pki.san import SubjectAltName

MAX_DER_BYTES = 16_384
"""Far more than a certificate of a client, or of a CA, needs. Whoever has made one himself can have it read,
and what that costs is bounded by its size."""

_SHOWN_CHARACTERS = 200
_MOST_URLS = 8
_LONGEST_URL = 2048
_HTTP_URL = re.compile(r"(?i:https?)://[!-~]+")
_KEY_TYPES: Final = (
    (rsa.RSAPublicKey, "RSA"),
    (ec.EllipticCurvePublicKey, "EC"),
    (ed25519.Ed25519PublicKey, "Ed25519"),
    (ed448.Ed448PublicKey, "Ed448"),
    (dsa.DSAPublicKey, "DSA"),
)
_EDWARDS_BITS: Final = {"Ed25519": 256, "Ed448": 456}
_ExtensionT = TypeVar("_ExtensionT", bound=x509.ExtensionType)


@attrs.frozen
class Certificate:
    """An X.509 certificate (RFC 5280 section 4.1). Two are equal when their DER is.

    :ivar der: exactly as received.
    :ivar x5t_s256: SHA-256 of the DER, base64url without padding (RFC 8705 section 3.1).
    :ivar sha256: the same as 32 bytes.
    :ivar not_before: aware UTC, as is :attr:`not_after`.
    :ivar subject_alt_names: those of the four kinds that a client can be registered with.
    :ivar extended_key_usage: dotted OIDs, or None where the extension is absent.
    :ivar digital_signature: whether key usage allows it, or None where the extension is absent.
    :ivar is_ca: whether basic constraints say so.
    :ivar key_sha256: SHA-256 of the SubjectPublicKeyInfo.
    :ivar key_type: ``RSA``, ``EC``, ``Ed25519``, ``Ed448``, ``DSA`` or a name of the library's.
    :ivar key_bits: 0 where the library tells no size.
    :ivar signature_hash: the hash in its signature, such as ``sha256``; None where there is none (EdDSA).
    :ivar version: 1 or 3.
    :ivar ocsp_urls: where its authority information access says that its OCSP responder is: at most 8 http
        and https URLs of printable ASCII, in order. Whoever made the certificate wrote them: use them only
        after its path has verified.
    :ivar crl_sign: whether key usage allows to sign revocation lists, or None where the extension is absent.
    :ivar crl_distribution_points: where it says that its revocation lists are, at most 64. As with
        :attr:`ocsp_urls`, their URIs are used only after its path has verified.
    :ivar self_signed: whether it names itself as its issuer; the signature is not verified.
    """

    der: bytes = attrs.field(repr=False)
    x5t_s256: str = attrs.field(eq=False)
    sha256: bytes = attrs.field(eq=False, repr=False)
    subject: DistinguishedName = attrs.field(eq=False)
    issuer: DistinguishedName = attrs.field(eq=False)
    serial_number: int = attrs.field(eq=False)
    not_before: datetime = attrs.field(eq=False)
    not_after: datetime = attrs.field(eq=False)
    subject_alt_names: tuple[SubjectAltName, ...] = attrs.field(eq=False, repr=False)
    extended_key_usage: frozenset[str] | None = attrs.field(eq=False)
    digital_signature: bool | None = attrs.field(eq=False)
    is_ca: bool = attrs.field(eq=False)
    key_sha256: bytes = attrs.field(eq=False, repr=False)
    key_type: str = attrs.field(eq=False)
    key_bits: int = attrs.field(eq=False)
    signature_hash: str | None = attrs.field(eq=False)
    version: int = attrs.field(eq=False)
    self_signed: bool = attrs.field(eq=False)
    ocsp_urls: tuple[str, ...] = attrs.field(eq=False, default=(), repr=False)
    crl_sign: bool | None = attrs.field(eq=False, default=None)
    crl_distribution_points: tuple[DistributionPoint, ...] = attrs.field(eq=False, default=(), repr=False)

    @classmethod
    def from_der(cls, der: bytes) -> Self:
        """Read a certificate, whole and strictly.

        Refused are also trailing bytes, more than :data:`MAX_DER_BYTES`, and a negative serial number: RFC
        5280 section 4.1.2.2 forbids it, and `cryptography` announces that it will not load one much longer.
        Zero is forbidden there too, but many a private root has it, so it is read.

        :raises Refusal: certificate.malformed, with the facts ``part`` and ``detail``; nothing else
        """
        with _reading("size"):
            if len(der) > MAX_DER_BYTES:
                raise ValueError(f"{len(der)} bytes are more than {MAX_DER_BYTES}")
        with warnings.catch_warnings():
            # What the library means to refuse later on; the serial number is judged below.
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            return cls._read(der)

    @classmethod
    def _read(cls, der: bytes) -> Self:
        with _reading("certificate"):
            found = x509.load_der_x509_certificate(der)
        with _reading("serialNumber"):
            if found.serial_number < 0:
                raise ValueError("the serial number is negative")
        with _reading("validity"):
            not_before, not_after = found.not_valid_before_utc, found.not_valid_after_utc
        with _reading("subject"):
            issuer_der, subject_der = names_of(der)
            subject = DistinguishedName.from_der(subject_der)
        with _reading("issuer"):
            issuer = DistinguishedName.from_der(issuer_der)
        with _reading("subjectPublicKeyInfo"):
            key_sha256, key_type, key_bits = _read_key(found)
        with _reading("signatureAlgorithm"):
            signature_hash = found.signature_hash_algorithm
        with _reading("extensions"):
            extensions = found.extensions
            usages = _extension(extensions, x509.ExtendedKeyUsage)
            key_usage = _extension(extensions, x509.KeyUsage)
            constraints = _extension(extensions, x509.BasicConstraints)
            access = _extension(extensions, x509.AuthorityInformationAccess)
            points = _extension(extensions, x509.CRLDistributionPoints)
        with _reading("cRLDistributionPoints"):
            distribution_points = () if points is None else _read_distribution_points(der)
        with _reading("subjectAltName"):
            names = _extension(extensions, x509.SubjectAlternativeName)
            alt_names = () if names is None else SubjectAltName.from_general_names(names)
        digest = hashlib.sha256(der).digest()
        return cls(
            der=der,
            x5t_s256=base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii"),
            sha256=digest,
            subject=subject,
            issuer=issuer,
            serial_number=found.serial_number,
            not_before=not_before,
            not_after=not_after,
            subject_alt_names=alt_names,
            extended_key_usage=None if usages is None else frozenset(oid.dotted_string for oid in usages),
            digital_signature=None if key_usage is None else key_usage.digital_signature,
            is_ca=constraints is not None and constraints.ca,
            key_sha256=key_sha256,
            key_type=key_type,
            key_bits=key_bits,
            signature_hash=None if signature_hash is None else signature_hash.name,
            version=found.version.value + 1,
            self_signed=issuer_der == subject_der,
            ocsp_urls=() if access is None else _ocsp_urls(access),
            crl_sign=None if key_usage is None else key_usage.crl_sign,
            crl_distribution_points=distribution_points,
        )

    @property
    def crl_urls(self) -> tuple[str, ...]:
        """Where its distribution points have their lists: at most 8 http and https URLs, in order."""
        uris = dict.fromkeys(uri for point in self.crl_distribution_points for uri in point.uris)
        return tuple(uri for uri in uris if uri.lower().startswith(("http://", "https://")))[:_MOST_URLS]

    def facts(self) -> dict[str, Fact]:
        """What the audit log says of it; no control character and no line break is in there."""
        return {
            "subject": self.subject.to_string(),
            "issuer": self.issuer.to_string(),
            "serial": f"{self.serial_number:x}",
            "x5t#S256": self.x5t_s256,
            "not_before": self.not_before.isoformat(),
            "not_after": self.not_after.isoformat(),
        }


@contextmanager
def _reading(part: str) -> Iterator[None]:
    """Whatever goes wrong inside becomes the one refusal that says in which part.

    The library raises ValueError, TypeError, UnsupportedAlgorithm, InvalidVersion, DuplicateExtension and
    more, by release; all of them mean that the certificate cannot be used.
    """
    try:
        yield
    except Refusal:
        raise
    except Exception as error:
        detail = printable(f"{type(error).__name__}: {error}")[:_SHOWN_CHARACTERS]
        raise Refusal(reasons.CERTIFICATE_MALFORMED, {"part": part, "detail": detail}) from error


def _extension(extensions: x509.Extensions, kind: type[_ExtensionT]) -> _ExtensionT | None:
    try:
        return extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _ocsp_urls(access: x509.AuthorityInformationAccess) -> tuple[str, ...]:
    """RFC 5280 section 4.2.2.1. URLs of other schemes and other kinds of names are passed over."""
    urls = [
        own.access_location.value
        for own in access
        if own.access_method == AuthorityInformationAccessOID.OCSP
        and isinstance(own.access_location, x509.UniformResourceIdentifier)
    ]
    return tuple(url for url in urls if len(url) <= _LONGEST_URL and _HTTP_URL.fullmatch(url))[:_MOST_URLS]


def _read_distribution_points(der: bytes) -> tuple[DistributionPoint, ...]:
    """RFC 5280 section 4.2.1.13, as they were sent: the library gives names back in another encoding."""
    return read_distribution_points(extensions_of(der)[CRL_DISTRIBUTION_POINTS].value)


def _read_key(found: x509.Certificate) -> tuple[bytes, str, int]:
    """SHA-256 of the SubjectPublicKeyInfo, the type of the key and its bits."""
    key = found.public_key()
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    named = next((name for kind, name in _KEY_TYPES if isinstance(key, kind)), type(key).__name__)
    bits = _EDWARDS_BITS.get(named) or getattr(key, "key_size", None) or 0
    return hashlib.sha256(encoded).digest(), named, int(bits)
