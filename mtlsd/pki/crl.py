"""A certificate revocation list: everything but its entries (RFC 5280 section 5).

A list is opened here, is verified by :mod:`mtlsd.pki.crl_issuer`, and only then are its entries read, by
:mod:`mtlsd.pki.crl_scan`: nobody but a CA can make mtlsd read a million entries. Nothing large is copied.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, Self

import attrs

from mtlsd.pki import der
from mtlsd.pki.crl_index import Breathe, hold_breath
from mtlsd.pki.crl_refused import CrlRefused
from mtlsd.pki.der_values import (
    BIT_STRING,
    GENERALIZED_TIME,
    INTEGER,
    Extension,
    extensions,
    generalized_time,
    integer,
    octets_of_bits,
)
from mtlsd.pki.distribution_points import (
    DistributionPoint,
    IssuingDistributionPoint,
    read_distribution_points,
    read_issuing_distribution_point,
)
from mtlsd.pki.dn import DistinguishedName
from mtlsd.pki.extensions import AUTHORITY_KEY_IDENTIFIER, AuthorityKeyIdentifier, authority_key_identifier

MAX_DER_BYTES: Final = 1 << 30
"""The largest list that is read: some thirty million entries."""

_MOST_HEADER_OCTETS: Final = 1 << 16
_UTC_TIME: Final = 0x17
_EXTENSIONS: Final = 0xA0
_VERSION_2: Final = b"\x01"
_CRL_NUMBER: Final = "2.5.29.20"
_DELTA_CRL_INDICATOR: Final = "2.5.29.27"
_ISSUING_DISTRIBUTION_POINT: Final = "2.5.29.28"
_FRESHEST_CRL: Final = "2.5.29.46"
_KNOWN: Final = frozenset(
    {
        AUTHORITY_KEY_IDENTIFIER,
        _CRL_NUMBER,
        _DELTA_CRL_INDICATOR,
        _ISSUING_DISTRIBUTION_POINT,
        _FRESHEST_CRL,
    }
)
_MOST_NUMBER_OCTETS: Final = 21  # RFC 5280 §5.2.3 has 20
_NONE: Final[Mapping[str, Extension]] = MappingProxyType({})
_PEM_BEGIN: Final = b"-----BEGIN X509 CRL-----"
_PEM_END: Final = b"-----END X509 CRL-----"
_PEM_STRIDE: Final = 65 * 512


@attrs.frozen
class CertificateList:
    """What a list says of itself.

    :ivar this_update: aware UTC, as is :attr:`next_update`.
    :ivar number: its cRLNumber, None where it has none.
    :ivar base_number: for a delta, the number of the complete list that it continues; else None.
    :ivar scope: the issuingDistributionPoint, None where there is none: the list is about everything.
    :ivar freshest: where deltas to it are to be had.
    """

    issuer: DistinguishedName
    this_update: datetime
    next_update: datetime
    number: int | None = None
    base_number: int | None = None
    authority_key: AuthorityKeyIdentifier | None = None
    scope: IssuingDistributionPoint | None = None
    freshest: tuple[DistributionPoint, ...] = ()

    @property
    def is_delta(self) -> bool:
        return self.base_number is not None

    @property
    def is_indirect(self) -> bool:
        return self.scope is not None and self.scope.indirect


@attrs.frozen
class OpenedList:
    """A list as it came, with nothing verified.

    :ivar signed: where in the DER that begins which is signed, and where it ends.
    :ivar entries: likewise the revoked certificates; the same place twice where there are none.
    :ivar algorithm: the AlgorithmIdentifier of its signature, in DER.
    """

    der: bytes = attrs.field(repr=False)
    described: CertificateList
    signed: tuple[int, int]
    entries: tuple[int, int]
    algorithm: bytes
    signature: bytes

    @classmethod
    def from_der(cls, data: bytes) -> Self:
        """Read all but the entries, strictly, in time that does not depend on their number.

        :raises CrlRefused: crl.malformed, crl.too_large, crl.version, crl.no_next_update, crl.critical
        """
        if len(data) > MAX_DER_BYTES:
            raise CrlRefused("crl.too_large", f"{len(data)} bytes are more than {MAX_DER_BYTES}")
        try:
            return cls._read(data)
        except (ValueError, IndexError) as error:
            raise CrlRefused("crl.malformed", str(error)) from None

    @classmethod
    def _read(cls, data: bytes) -> Self:
        whole = _Cursor(data, 0, len(data)).inside(der.SEQUENCE)
        if whole.end != len(data):
            raise ValueError("octets after the end")
        signed_from = whole.start
        signed = whole.inside(der.SEQUENCE)
        signed_to = whole.start
        algorithm = whole.take(der.SEQUENCE).encoded
        signature = octets_of_bits(whole.take(BIT_STRING))
        whole.finish()
        described, entries = _read_signed(signed, algorithm)
        return cls(data, described, (signed_from, signed_to), entries, algorithm, signature)


class _Cursor:
    """Reads elements of which some are too large to copy."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self._data = data
        self.start = start
        self.end = end

    def next_is(self, *tags: int) -> bool:
        return self.start < self.end and self._data[self.start] in tags

    def inside(self, tag: int) -> _Cursor:
        """A cursor over the next element's content; this one goes on behind it."""
        if not self.next_is(tag):
            raise ValueError("an element is missing or of another type")
        content, self.start = der.bounds(self._data, self.start)
        if self.start > self.end:
            raise ValueError("an element that is longer than what it is in")
        return _Cursor(self._data, content, self.start)

    def take(self, tag: int) -> der.Element:
        """The next element, copied: a small one."""
        start = self.start
        inner = self.inside(tag)
        if inner.end - inner.start > _MOST_HEADER_OCTETS:
            raise ValueError("an element of a list's header that is too large")
        return der.Element(tag, self._data[inner.start : inner.end], self._data[start : self.start])

    def finish(self) -> None:
        if self.start != self.end:
            raise ValueError("more elements than there may be")


def _read_signed(signed: _Cursor, algorithm: bytes) -> tuple[CertificateList, tuple[int, int]]:
    """What a TBSCertList says, and where its entries are."""
    if not signed.next_is(INTEGER) or signed.take(INTEGER).content != _VERSION_2:
        raise CrlRefused("crl.version")
    if signed.take(der.SEQUENCE).encoded != algorithm:
        raise ValueError("the algorithm inside differs from that outside")
    issuer = DistinguishedName.from_der(signed.take(der.SEQUENCE).encoded)
    this_update = _take_time(signed)
    if not signed.next_is(_UTC_TIME, GENERALIZED_TIME):
        raise CrlRefused("crl.no_next_update")
    next_update = _take_time(signed)
    entries = (signed.start, signed.start)
    if signed.next_is(der.SEQUENCE):
        inside = signed.inside(der.SEQUENCE)
        entries = (inside.start, inside.end)
    found = _NONE
    if signed.next_is(_EXTENSIONS):
        found = extensions(signed.take(_EXTENSIONS).content)
    signed.finish()
    return _described(issuer, this_update, next_update, found), entries


def _described(
    issuer: DistinguishedName, this_update: datetime, next_update: datetime, found: Mapping[str, Extension]
) -> CertificateList:
    unknown = sorted(oid for oid, own in found.items() if own.critical and oid not in _KNOWN)
    if unknown:
        raise CrlRefused("crl.critical", f"extension {unknown[0]}")
    if next_update <= this_update:
        raise ValueError("nextUpdate is not after thisUpdate")
    base_number = _number(found, _DELTA_CRL_INDICATOR)
    scope = found.get(_ISSUING_DISTRIBUTION_POINT)
    freshest = found.get(_FRESHEST_CRL)
    return CertificateList(
        issuer,
        this_update,
        next_update,
        number=_number(found, _CRL_NUMBER),
        base_number=base_number,
        authority_key=authority_key_identifier(found),
        scope=None if scope is None else read_issuing_distribution_point(scope.value),
        freshest=() if freshest is None else read_distribution_points(freshest.value),
    )


def _number(found: Mapping[str, Extension], oid: str) -> int | None:
    own = found.get(oid)
    if own is None:
        return None
    encoded = der.element(own.value, INTEGER)
    number = integer(encoded)
    if number < 0 or len(encoded.content) > _MOST_NUMBER_OCTETS:
        raise ValueError("a CRL number that is negative or too long")
    return number


def _take_time(cursor: _Cursor) -> datetime:
    """A Time (RFC 5280 §5.1.2.4)."""
    if not cursor.next_is(_UTC_TIME):
        return generalized_time(cursor.take(GENERALIZED_TIME))
    content = cursor.take(_UTC_TIME).content
    century = b"19" if content[:1] >= b"5" else b"20"
    return generalized_time(der.Element(GENERALIZED_TIME, century + content, b"")).astimezone(UTC)


def lists_of(data: bytes, breathe: Breathe = hold_breath) -> tuple[bytes, ...]:
    """The DER of every list in a file: one in DER, or any number in PEM with whatever text between.

    :raises CrlRefused: crl.malformed
    """
    if data[:1] == bytes((der.SEQUENCE,)):
        return (data,)
    found = []
    start = data.find(_PEM_BEGIN)
    while start >= 0:
        start += len(_PEM_BEGIN)
        end = data.find(_PEM_END, start)
        if end < 0:
            raise CrlRefused("crl.malformed", "a PEM block without end")
        found.append(_pem_decoded(data, start, end, breathe))
        start = data.find(_PEM_BEGIN, end)
    if not found:
        raise CrlRefused("crl.malformed", "neither DER nor PEM of a revocation list")
    return tuple(found)


def _pem_decoded(data: bytes, start: int, end: int, breathe: Breathe) -> bytes:
    """Piece by piece: forty megabytes in one go would keep everybody else waiting."""
    decoded = bytearray()
    rest = b""
    for position in range(start, end, _PEM_STRIDE):
        breathe()
        piece = rest + b"".join(data[position : min(position + _PEM_STRIDE, end)].split())
        whole = len(piece) if position + _PEM_STRIDE >= end else len(piece) // 4 * 4
        try:
            decoded += binascii.a2b_base64(piece[:whole], strict_mode=True)
        except binascii.Error as error:
            raise CrlRefused("crl.malformed", f"PEM: {error}") from None
        rest = piece[whole:]
    if not decoded:
        raise CrlRefused("crl.malformed", "an empty PEM block")
    return bytes(decoded)
