"""Revocation lists for tests: built piece by piece in DER, so that any of them can be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from mtlsd.pki.certificate import Certificate
from mtlsd.pki.crl_index import encode_serial
from mtlsd.pki.der import SEQUENCE, encode
from mtlsd.pki.path import Path
from tests.pki.maker import NOW, Authority

SHA256_WITH_RSA = bytes.fromhex("300d06092a864886f70d01010b0500")
SHA1_WITH_RSA = bytes.fromhex("300d06092a864886f70d0101050500")
ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
ED25519 = bytes.fromhex("300506032b6570")

INTEGER, OCTETS, ENUMERATED, OID, UTC_TIME = 2, 4, 10, 6, 0x17

_OIDS = {
    "authority_key": "551d23",
    "number": "551d14",
    "reason": "551d15",
    "invalidity_date": "551d18",
    "delta": "551d1b",
    "scope": "551d1c",
    "certificate_issuer": "551d1d",
    "freshest": "551d2e",
    "unknown": "2a0304",
}


def integer(value: int) -> bytes:
    return encode(INTEGER, encode_serial(value))


def utc_time(instant: datetime) -> bytes:
    return encode(UTC_TIME, instant.strftime("%y%m%d%H%M%SZ").encode())


def extension(name: str, value: bytes, critical: bool = False) -> bytes:
    flag = b"\x01\x01\xff" if critical else b""
    oid = encode(OID, bytes.fromhex(_OIDS[name]))
    return encode(SEQUENCE, oid + flag + encode(OCTETS, value))


def directory_name(name: x509.Name) -> bytes:
    """As a GeneralName."""
    return encode(0xA4, name.public_bytes())


def uri(text: str) -> bytes:
    """As a GeneralName."""
    return encode(0x86, text.encode())


def full_name(*names: bytes) -> bytes:
    """A distribution point's name, tagged as both extensions have it."""
    return encode(0xA0, encode(0xA0, b"".join(names)))


def relative_name(common_name: str) -> bytes:
    """CN= one level below the issuer."""
    attribute = encode(SEQUENCE, bytes.fromhex("0603550403") + encode(12, common_name.encode()))
    return encode(0xA0, encode(0xA1, attribute))


def reasons(*bits: int) -> bytes:
    """The content of ReasonFlags."""
    return b"\x07" + sum(1 << (15 - bit) for bit in bits).to_bytes(2, "big")


def scope(*, name: bytes = b"", only: int = 0, some: bytes = b"", indirect: bool = False) -> bytes:
    """issuingDistributionPoint, critical. `only` is 1 for users, 2 for CAs, 5 for attribute certificates."""
    flag = b"\x01\xff"
    content = name + (bytes((0x80 + only,)) + flag if only in (1, 2) else b"")
    content += (encode(0x83, some) if some else b"") + (b"\x84" + flag if indirect else b"")
    return extension("scope", encode(SEQUENCE, content + (b"\x85" + flag if only == 5 else b"")), True)


def entry(
    serial_number: int,
    reason: int | None = None,
    *,
    revoked_at: datetime = NOW - timedelta(days=3),
    issuer: bytes | None = None,
    more: bytes = b"",
) -> bytes:
    """One revoked certificate; `issuer` is a GeneralName."""
    found = more
    if reason is not None:
        found += extension("reason", encode(ENUMERATED, bytes((reason,))))
    if issuer is not None:
        found += extension("certificate_issuer", encode(SEQUENCE, issuer), True)
    return encode(
        SEQUENCE, integer(serial_number) + utc_time(revoked_at) + (found and encode(SEQUENCE, found))
    )


@attrs.frozen
class Crl:
    """What a list is made of; :meth:`der` signs it."""

    issuer: x509.Name
    key: Any = attrs.field(repr=False)
    entries: bytes = b""
    number: int | None = 5
    base: int | None = None
    more: Sequence[bytes] = ()
    this_update: datetime = NOW - timedelta(days=1)
    next_update: datetime | None = NOW + timedelta(days=6)
    version: bytes = integer(1)
    algorithm: bytes | None = None
    outer_algorithm: bytes | None = None

    @property
    def signed(self) -> bytes:
        """The TBSCertList."""
        content = self.version + self._algorithm + self.issuer.public_bytes() + utc_time(self.this_update)
        content += b"" if self.next_update is None else utc_time(self.next_update)
        content += self.entries and encode(SEQUENCE, self.entries)
        extensions = list(self.more)
        if self.number is not None:
            extensions.append(extension("number", integer(self.number)))
        if self.base is not None:
            extensions.append(extension("delta", integer(self.base), True))
        if extensions:
            content += encode(0xA0, encode(SEQUENCE, b"".join(extensions)))
        return encode(SEQUENCE, content)

    def der(self) -> bytes:
        outer = self.outer_algorithm or self._algorithm
        return encode(SEQUENCE, self.signed + outer + encode(3, b"\0" + self._signature()))

    @property
    def _algorithm(self) -> bytes:
        if self.algorithm is not None:
            return self.algorithm
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return ED25519
        return SHA256_WITH_RSA if isinstance(self.key, rsa.RSAPrivateKey) else ECDSA_WITH_SHA256

    def _signature(self) -> bytes:
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return self.key.sign(self.signed, ec.ECDSA(hashes.SHA256()))
        if isinstance(self.key, rsa.RSAPrivateKey):
            sha1 = self._algorithm == SHA1_WITH_RSA
            return self.key.sign(self.signed, padding.PKCS1v15(), hashes.SHA1() if sha1 else hashes.SHA256())
        signature: bytes = self.key.sign(self.signed)
        return signature


def crl_of(authority: Authority, *entries: bytes, **how: Any) -> Crl:
    """A list of that CA; `how` is for :class:`Crl`."""
    how.setdefault("issuer", authority.certificate.subject)
    how.setdefault("key", authority.key)
    return Crl(entries=b"".join(entries), **how)


def path_of(*ders: bytes) -> Path:
    """A path of these certificates, unverified."""
    return Path(tuple(map(Certificate.from_der, ders)))
