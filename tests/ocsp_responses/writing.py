"""Writing OCSP responses as DER, right ones and wrong ones alike."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import unquote

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp

from mtlsd.pki.der import names_of
from mtlsd.pki.der_values import public_key_bits
from tests.der import (
    BIT_STRING,
    GENERALIZED_TIME,
    NULL,
    OCTET_STRING,
    extension,
    integer,
    oid,
    sequence,
    tlv,
)
from tests.pki.maker import (
    PrivateKey,
)

BASIC = "1.3.6.1.5.5.7.48.1.1"
NONCE = "1.3.6.1.5.5.7.48.1.2"
UNKNOWN_EXTENSION = "1.3.6.1.4.1.99999.1"
DAY = timedelta(days=1)

GOOD = tlv(0x80)
UNKNOWN = tlv(0x82)
_HASH_OIDS = {"sha1": "1.3.14.3.2.26", "sha256": "2.16.840.1.101.3.4.2.1"}
_DIGESTS = {"md5": hashes.MD5(), "sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha512": hashes.SHA512()}
_RSA = {"md5": 4, "sha1": 5, "sha256": 11, "sha512": 13}
_ECDSA = {"sha1": "1.2.840.10045.4.1", "sha256": "1.2.840.10045.4.3.2", "sha512": "1.2.840.10045.4.3.4"}
PSS = bytes.fromhex(
    "304106092a864886f70d01010a3034a00f300d06096086480165030402010500"
    "a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120"
)


def time(instant: datetime) -> bytes:
    return tlv(GENERALIZED_TIME, instant.strftime("%Y%m%d%H%M%SZ").encode())


def cert_id(hash_name: str, name_hash: bytes, key_hash: bytes, serial: int) -> bytes:
    algorithm = sequence(oid(_HASH_OIDS[hash_name]), tlv(NULL))
    return sequence(algorithm, tlv(OCTET_STRING, name_hash), tlv(OCTET_STRING, key_hash), integer(serial))


def request_in_url(path: str) -> bytes:
    """What a GET asks (RFC 6960 appendix A.1): the last part of its path."""
    return base64.b64decode(unquote(path.rpartition("/")[2]))


def revoked(at: datetime, reason: int | None = None) -> bytes:
    """The status revoked, with a CRLReason by its number."""
    wrapped = b"" if reason is None else tlv(0xA0, tlv(0x0A, bytes((reason,))))
    return tlv(0xA1, time(at), wrapped)


@attrs.frozen
class Asked:
    """What a request asks, as far as it matters here."""

    hash_name: str
    name_hash: bytes
    key_hash: bytes
    serial: int
    nonce: bytes | None

    @classmethod
    def of(cls, request: bytes) -> Asked:
        found = ocsp.load_der_ocsp_request(request)
        try:
            nonce = found.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
        except x509.ExtensionNotFound:
            nonce = None
        return cls(
            found.hash_algorithm.name,
            found.issuer_name_hash,
            found.issuer_key_hash,
            found.serial_number,
            nonce,
        )

    @property
    def cert_id(self) -> bytes:
        return cert_id(self.hash_name, self.name_hash, self.key_hash, self.serial)


@attrs.frozen
class Single:
    """One SingleResponse to be written; `next_update` None leaves it out."""

    cert_id: bytes
    this_update: datetime
    next_update: datetime | None
    status: bytes = GOOD
    extensions: tuple[bytes, ...] = ()

    def to_der(self) -> bytes:
        until = b"" if self.next_update is None else tlv(0xA0, time(self.next_update))
        more = tlv(0xA1, sequence(*self.extensions)) if self.extensions else b""
        return sequence(self.cert_id, self.status, time(self.this_update), until, more)


@attrs.frozen
class Reply:
    """A response to be written. What is left as it is makes an honest one, by the issuer itself."""

    singles: tuple[Single, ...]
    produced_at: datetime
    key: PrivateKey
    responder_id: bytes
    hash_name: str = "sha256"
    certificates: tuple[bytes, ...] = ()
    extensions: tuple[bytes, ...] = ()
    kind: str = BASIC
    algorithm: bytes | None = None

    def tbs(self) -> bytes:
        singles = sequence(*(single.to_der() for single in self.singles))
        more = tlv(0xA1, sequence(*self.extensions)) if self.extensions else b""
        return sequence(self.responder_id, time(self.produced_at), singles, more)

    def basic(self, change: Callable[[bytes], bytes] = lambda signature: signature) -> bytes:
        tbs = self.tbs()
        algorithm, signature = sign(tbs, self.key, self.hash_name)
        certificates = tlv(0xA0, sequence(*self.certificates)) if self.certificates else b""
        bits = tlv(BIT_STRING, b"\0", change(signature))
        return sequence(tbs, self.algorithm or algorithm, bits, certificates)

    def to_der(self) -> bytes:
        return wrapped(self.basic(), self.kind)


def wrapped(basic: bytes, kind: str = BASIC, status: int = 0) -> bytes:
    """The OCSPResponse around a BasicOCSPResponse."""
    inner = sequence(oid(kind), tlv(OCTET_STRING, basic))
    return sequence(tlv(0x0A, bytes((status,))), tlv(0xA0, inner))


def error(status: int) -> bytes:
    """An OCSPResponse that says only that it failed."""
    return sequence(tlv(0x0A, bytes((status,))))


def sign(data: bytes, key: PrivateKey, hash_name: str) -> tuple[bytes, bytes]:
    """AlgorithmIdentifier and signature."""
    digest = _DIGESTS.get(hash_name, hashes.SHA256())
    if isinstance(key, rsa.RSAPrivateKey) and hash_name == "pss":
        padded = padding.PSS(padding.MGF1(digest), digest.digest_size)
        return PSS, key.sign(data, padded, digest)
    if isinstance(key, rsa.RSAPrivateKey):
        algorithm = sequence(oid(f"1.2.840.113549.1.1.{_RSA[hash_name]}"), tlv(NULL))
        return algorithm, key.sign(data, padding.PKCS1v15(), digest)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return sequence(oid(_ECDSA[hash_name])), key.sign(data, ec.ECDSA(digest))
    raise TypeError("no key to sign OCSP responses with")


def by_name(certificate: bytes) -> bytes:
    """The responder named as the subject of that certificate."""
    return tlv(0xA1, names_of(certificate)[1])


def by_key(certificate: bytes) -> bytes:
    """The responder named by the key of that certificate."""
    return tlv(0xA2, tlv(OCTET_STRING, hashlib.sha1(public_key_bits(certificate)).digest()))


def nonce_extension(nonce: bytes) -> bytes:
    return extension(NONCE, tlv(OCTET_STRING, nonce))
