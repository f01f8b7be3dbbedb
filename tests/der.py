"""Writing DER, and certificates that no honest tool would make: taken apart, changed and signed again."""

from __future__ import annotations

from datetime import datetime
from typing import Self

import attrs
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from mtlsd.pki.der import elements

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
UTF8_STRING, PRINTABLE_STRING, T61_STRING, IA5_STRING, BMP_STRING = 0x0C, 0x13, 0x14, 0x16, 0x1E
UTC_TIME, GENERALIZED_TIME, SEQUENCE, SET = 0x17, 0x18, 0x30, 0x31

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_HASHES = {"md5": hashes.MD5(), "sha1": hashes.SHA1(), "sha256": hashes.SHA256()}
_RSA = {"md5": "1.2.840.113549.1.1.4", "sha1": "1.2.840.113549.1.1.5", "sha256": "1.2.840.113549.1.1.11"}
_ECDSA = {"sha1": "1.2.840.10045.4.1", "sha256": "1.2.840.10045.4.3.2"}


def tlv(tag: int, *contents: bytes) -> bytes:
    """One element of that tag; lengths in the shortest form."""
    content = b"".join(contents)
    if len(content) < 0x80:
        return bytes((tag, len(content))) + content
    octets = (len(content).bit_length() + 7) // 8
    return bytes((tag, 0x80 | octets)) + len(content).to_bytes(octets, "big") + content


def sequence(*contents: bytes) -> bytes:
    return tlv(SEQUENCE, *contents)


def integer(number: int) -> bytes:
    """Also negative ones."""
    return tlv(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))


def oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    content = b""
    for arc in (40 * first + second, *rest):
        octets = [arc & 0x7F]
        while arc := arc >> 7:
            octets.insert(0, arc & 0x7F | 0x80)
        content += bytes(octets)
    return tlv(OID, content)


def name(*levels: tuple[tuple[str, int, bytes], ...]) -> bytes:
    """A Name: each level a row of (attribute type, tag of the string, content), which DER wants sorted."""
    return sequence(
        *(
            tlv(SET, *sorted(sequence(oid(kind), tlv(tag, text)) for kind, tag, text in level))
            for level in levels
        )
    )


def extension(kind: str, value: bytes, critical: bytes | None = None) -> bytes:
    """An Extension; `critical` is the content of its BOOLEAN, which is left out for None."""
    flag = b"" if critical is None else tlv(BOOLEAN, critical)
    return sequence(oid(kind), flag, tlv(OCTET_STRING, value))


def utc_time(instant: datetime) -> bytes:
    return tlv(UTC_TIME, instant.strftime("%y%m%d%H%M%SZ").encode())


@attrs.frozen
class Tbs:
    """The fields of a TBSCertificate, each as its DER (RFC 5280 section 4.1); version is empty for v1."""

    version: bytes
    serial: bytes
    algorithm: bytes
    issuer: bytes
    validity: bytes
    subject: bytes
    key: bytes
    extensions: tuple[bytes, ...]

    @classmethod
    def of(cls, certificate: bytes) -> Self:
        """Take a good v3 certificate apart."""
        fields = list(elements(next(elements(next(elements(certificate)).content)).content))
        extensions = tuple(own.encoded for own in elements(next(elements(fields[7].content)).content))
        version, serial, algorithm, issuer, validity, subject, key = (field.encoded for field in fields[:7])
        return cls(version, serial, algorithm, issuer, validity, subject, key, extensions)

    def to_der(self) -> bytes:
        extensions = tlv(0xA3, sequence(*self.extensions)) if self.extensions else b""
        plain = (self.serial, self.algorithm, self.issuer, self.validity, self.subject, self.key)
        return sequence(self.version, *plain, extensions)

    def signed(self, key: SigningKey, hash_name: str = "sha256") -> bytes:
        """The certificate, signed with that key and, inside and outside, that algorithm."""
        algorithm = _algorithm(key, hash_name)
        return certificate(attrs.evolve(self, algorithm=algorithm).to_der(), algorithm, key, hash_name)


def certificate(tbs: bytes, algorithm: bytes, key: SigningKey, hash_name: str = "sha256") -> bytes:
    """A certificate of that TBSCertificate and that outer signature algorithm, be they as they may."""
    digest = _HASHES[hash_name]
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(tbs, padding.PKCS1v15(), digest)
    else:
        signature = key.sign(tbs, ec.ECDSA(digest))
    return sequence(tbs, algorithm, tlv(BIT_STRING, b"\0", signature))


def _algorithm(key: SigningKey, hash_name: str) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return sequence(oid(_RSA[hash_name]), tlv(NULL))
    return sequence(oid(_ECDSA[hash_name]))
