"""Asking about one certificate by OCSP (RFC 6960 section 4.1, RFC 5019, RFC 8954, RFC 9654).

What is asked is a CertID: hashes of the issuer's name and key, and the serial number. SHA-1 is the default,
since RFC 5019 made it the profile's only hash and responders that answer from signed files know no other.
That is no weakness: the hash tells issuers apart and signs nothing, and an answer counts only if the very
issuer key that it must name has signed it, or a delegate of that key. SHA-256 may be asked for.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, Self
from urllib.parse import quote

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from mtlsd.pki.certificate import Certificate
from mtlsd.pki.der import names_of
from mtlsd.pki.der_values import public_key_bits

HashName = Literal["sha1", "sha256"]
HASHES: Final[Mapping[HashName, str]] = MappingProxyType(
    {"sha1": "1.3.14.3.2.26", "sha256": "2.16.840.1.101.3.4.2.1"}
)

NONCE_OCTETS: Final = 32
"""RFC 8954 allows up to 32, and RFC 9654 recommends that many."""

REQUEST_TYPE: Final = "application/ocsp-request"
RESPONSE_TYPE: Final = "application/ocsp-response"

_LONGEST_GET: Final = 255
_ALGORITHMS: Final[Mapping[str, hashes.HashAlgorithm]] = MappingProxyType(
    {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}  # noqa: S303  names an issuer, signs nothing: see above
)


@attrs.frozen
class CertId:
    """Which certificate is meant (RFC 6960 section 4.1.1). Also the key for asking only once at a time."""

    hash_name: HashName
    issuer_name_hash: bytes
    issuer_key_hash: bytes
    serial_number: int

    @classmethod
    def of(cls, certificate: Certificate, issuer: Certificate, hash_name: HashName = "sha1") -> Self:
        """The CertID of a certificate below that issuer.

        :param issuer: the next certificate of the path that was verified.
        """
        name, _ = names_of(certificate.der)
        key = public_key_bits(issuer.der)
        return cls(hash_name, _digest(hash_name, name), _digest(hash_name, key), certificate.serial_number)

    @classmethod
    def numbered(cls, serial_number: int, issuer: Certificate, hash_name: HashName = "sha1") -> Self:
        """The CertID of whatever certificate has that number below that issuer."""
        _, name = names_of(issuer.der)
        key = public_key_bits(issuer.der)
        return cls(hash_name, _digest(hash_name, name), _digest(hash_name, key), serial_number)


@attrs.frozen
class HttpRequest:
    """How a request goes out (RFC 6960 appendix A.1).

    :ivar body: empty for GET.
    """

    method: Literal["GET", "POST"]
    url: str
    headers: Mapping[str, str]
    body: bytes


@attrs.frozen
class OcspRequest:
    """One question about one certificate. It is not signed.

    :ivar nonce: what the answer must repeat if it has one; None where none was sent.
    """

    cert_id: CertId
    nonce: bytes | None
    der: bytes = attrs.field(repr=False)

    @classmethod
    def make(cls, cert_id: CertId, nonce: bytes | None = None) -> Self:
        """Write it.

        :param nonce: :data:`NONCE_OCTETS` fresh random octets, or None. A nonce keeps old answers from being
            replayed within their life, and makes the responder sign each of its answers.
        :raises ValueError: for a nonce that is not 1 to 32 octets long.
        """
        builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
            cert_id.issuer_name_hash,
            cert_id.issuer_key_hash,
            cert_id.serial_number,
            _ALGORITHMS[cert_id.hash_name],
        )
        if nonce is not None:
            if not 1 <= len(nonce) <= NONCE_OCTETS:
                raise ValueError("a nonce is 1 to 32 octets long (RFC 8954 section 2.1)")
            builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
        return cls(cert_id, nonce, builder.build().public_bytes(Encoding.DER))

    def to_http(self, url: str) -> HttpRequest:
        """GET where caches can help and the whole URL stays within 255 characters (RFC 5019 section 5).

        A request with a nonce has an answer of its own, and a URL with a query no room for the request:
        both are posted. So is what has two slashes in a row in Base64, since many servers make one of them,
        or redirect to there, however they were written.
        """
        headers = {"Accept": RESPONSE_TYPE}
        encoded = base64.b64encode(self.der)
        if self.nonce is None and "?" not in url and b"//" not in encoded:
            got = f"{url.removesuffix('/')}/{quote(encoded, safe='')}"
            if len(got) <= _LONGEST_GET:
                return HttpRequest("GET", got, headers, b"")
        return HttpRequest("POST", url, headers | {"Content-Type": REQUEST_TYPE}, self.der)


def _digest(hash_name: HashName, data: bytes) -> bytes:
    return hashlib.new(hash_name, data, usedforsecurity=False).digest()
