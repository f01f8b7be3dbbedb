"""Revocation lists of any length, in DER and in PEM; by hand, since libraries take minutes for a million."""

from __future__ import annotations

import base64
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from bench.certificates import Ca

_SERIAL_OCTETS = 16
_ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
_KEY_COMPROMISE = bytes.fromhex("300c300a0603551d1504030a0101")
_LINE = 64


def write_list(directory: Path, name: str, ca: Ca, entries: int) -> None:
    """Write NAME.crl (DER) and NAME.pem. The serial numbers are random, and none of a real certificate."""
    now = datetime.now(UTC)
    revoked = _entries(entries, _time(now - timedelta(days=1)))
    signed = _element(
        0x30,
        b"".join(
            (
                _element(2, b"\x01"),
                _ECDSA_WITH_SHA256,
                ca.certificate.subject.public_bytes(),
                _time(now - timedelta(hours=1)),
                _time(now + timedelta(days=30)),
                _element(0x30, revoked) if entries else b"",
                _element(0xA0, _element(0x30, _extensions(ca, entries + 1))),
            )
        ),
    )
    signature = ca.key.sign(signed, ec.ECDSA(hashes.SHA256()))
    der = _element(0x30, signed + _ECDSA_WITH_SHA256 + _element(3, b"\0" + signature))
    (directory / f"{name}.crl").write_bytes(der)
    (directory / f"{name}.pem").write_bytes(_pem(der))


def _entries(count: int, revoked_at: bytes) -> bytes:
    chance = random.Random(count)  # noqa: S311  # nothing depends on their being secret
    head = bytes((0x30, 2 + _SERIAL_OCTETS + len(revoked_at) + len(_KEY_COMPROMISE), 2, _SERIAL_OCTETS))
    tail = revoked_at + _KEY_COMPROMISE
    return b"".join(
        b"".join((head, b"\x40", chance.randbytes(_SERIAL_OCTETS - 1), tail)) for _ in range(count)
    )


def _extensions(ca: Ca, number: int) -> bytes:
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())
    return _extension("551d23", authority.public_bytes()) + _extension(
        "551d14", x509.CRLNumber(number).public_bytes()
    )


def _extension(oid: str, value: bytes) -> bytes:
    return _element(0x30, _element(6, bytes.fromhex(oid)) + _element(4, value))


def _time(instant: datetime) -> bytes:
    return _element(0x17, instant.strftime("%y%m%d%H%M%SZ").encode("ascii"))


def _element(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def _pem(der: bytes) -> bytes:
    text = base64.b64encode(der)
    lines = (text[start : start + _LINE] for start in range(0, len(text), _LINE))
    return b"\n".join((b"-----BEGIN X509 CRL-----", *lines, b"-----END X509 CRL-----", b""))
