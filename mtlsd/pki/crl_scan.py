"""Reading the entries of a revocation list, however many there are (RFC 5280 §5.1.2.6 and §5.3).

Strict DER, one entry after the other and straight from the list's octets: no object is kept of an entry. What
ends an entry, its extensions, is nearly always one of very few encodings, so each is read once.
"""

from __future__ import annotations

import re
from typing import Final

from mtlsd.pki import der
from mtlsd.pki.crl_index import (
    DIRECT,
    NO_REASON,
    REMOVE_FROM_CRL,
    STRIDE,
    Breathe,
    IndexBuilder,
    RevokedIndex,
    hold_breath,
)
from mtlsd.pki.crl_refused import CrlRefused
from mtlsd.pki.der_values import ENUMERATED, INTEGER, extensions
from mtlsd.pki.distribution_points import read_general_names
from mtlsd.pki.revocation import CRL_REASONS

_UTC_TIME: Final = 0x17
_DAY: Final = rb"(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d[0-5]\dZ"
_TIMES: Final = {
    _UTC_TIME: (13, re.compile(rb"\d\d" + _DAY)),
    0x18: (15, re.compile(rb"\d{4}" + _DAY)),
}
_CENTURY: Final = 10**12  # YYMMDDhhmmss
_TURN: Final = 50 * 10**10  # a UTCTime's year from 50 on is in the last century

_REASON_CODE: Final = "2.5.29.21"
_CERTIFICATE_ISSUER: Final = "2.5.29.29"
_NAMES_ISSUER: Final = bytes.fromhex("0603551d1d")  # certificateIssuer, as it is encoded
# Nothing depends on an invalidityDate, and every entry may have another.
_INVALIDITY_DATE: Final = re.compile(bytes.fromhex("0603551d180411180f") + rb"\d{14}Z")
_SOME_INVALIDITY_DATE: Final = bytes.fromhex("0603551d180411180f") + b"20000101000000Z"
_MOST_SERIAL_OCTETS: Final = 127
_MOST_ISSUERS: Final = 4096
_MOST_ENDINGS_KEPT: Final = 1024


def scan_entries(
    data: bytes, start: int, end: int, *, indirect: bool, delta: bool, breathe: Breathe = hold_breath
) -> RevokedIndex:
    """Read revokedCertificates.

    :param start: where the entries begin in `data`, and `end` where they end.
    :param indirect: whether entries may name another issuer than the list's.
    :param delta: whether entries may be removed.
    :raises CrlRefused: crl.malformed, crl.critical or crl.removal
    """
    return _Scan(data, end, indirect, delta).index(start, breathe)


class _Scan:
    def __init__(self, data: bytes, end: int, indirect: bool, delta: bool) -> None:
        self._data = data
        self._end = end
        self._indirect = indirect
        self._delta = delta
        self._builder = IndexBuilder()
        self._issuer = DIRECT  # stays the same until an entry names another (RFC 5280 §5.3.3)
        self._numbers: dict[bytes, bytes] = {}
        self._issuers: dict[object, tuple[bytes, ...]] = {}
        self._tails: dict[bytes, bytes] = {b"": DIRECT + bytes((NO_REASON,))}

    def index(self, start: int, breathe: Breathe) -> RevokedIndex:
        try:
            while start < self._end:
                breathe()
                start = self._stride(start)
        except (ValueError, IndexError) as error:
            raise CrlRefused("crl.malformed", f"an entry: {error}") from None
        return self._builder.finish(self._issuers, breathe)

    def _stride(self, start: int) -> int:
        """Read some entries; where the next one begins.

        This runs a million times, so it is one loop, and nothing in it is called that need not be.
        """
        data, end, add, tails = self._data, self._end, self._builder.add, self._tails
        for _ in range(STRIDE):
            if start >= end:
                break
            length = data[start + 1]
            content, stop = (start + 2, start + 2 + length) if length < 0x80 else der.bounds(data, start)
            after = content + 2 + data[content + 1]
            serial = data[content + 2 : after]
            size, pattern = _TIMES.get(data[after], (0, None))
            ending = after + 2 + size
            if (
                data[start] != der.SEQUENCE
                or stop > end
                or data[content] != INTEGER
                or not 0 < len(serial) <= _MOST_SERIAL_OCTETS
                or (len(serial) > 1 and serial[0] in b"\x00\xff" and serial[0] >> 7 == serial[1] >> 7)
                or pattern is None
                or data[after + 1] != size
                or ending > stop
                or not pattern.fullmatch(data, after + 2, ending)
            ):
                raise ValueError("it is not a serial number and a time in DER")
            date = int(data[after + 2 : ending - 1])
            if size == 13:
                date += (19 if date >= _TURN else 20) * _CENTURY
            tail = tails.get(data[ending:stop])
            add(serial, tail or self._tail(data[ending:stop]), date)
            start = stop
        return start

    def _tail(self, encoded: bytes) -> bytes:
        """The issuer's number and the reason, as an entry's extensions have it."""
        if _NAMES_ISSUER not in encoded:
            encoded = _INVALIDITY_DATE.sub(_SOME_INVALIDITY_DATE, encoded)
        return self._tails.get(encoded) or self._new_tail(encoded)

    def _new_tail(self, encoded: bytes) -> bytes:
        reason, names = _read_ending(encoded) if encoded else (NO_REASON, None)
        if reason == REMOVE_FROM_CRL and not self._delta:
            raise CrlRefused("crl.removal")
        if names is not None:
            self._name_issuer(names)
        tail = self._issuer + bytes((reason,))
        if len(self._tails) < _MOST_ENDINGS_KEPT:
            self._tails[encoded] = tail
        return tail

    def _name_issuer(self, names: bytes) -> None:
        if not self._indirect:
            raise CrlRefused("crl.malformed", "an entry of another issuer, but the list is not indirect")
        if names not in self._numbers:
            if len(self._numbers) == _MOST_ISSUERS:
                raise CrlRefused("crl.too_large", f"entries of more than {_MOST_ISSUERS} issuers")
            number = (len(self._numbers) + 1).to_bytes(2, "big")
            self._numbers[names] = number
            for name in read_general_names(names):
                if name.name is not None and name.name.key is not None:
                    known = self._issuers.get(name.name.key, ())
                    self._issuers[name.name.key] = (*known, number)
        if self._issuer != self._numbers[names]:
            self._issuer = self._numbers[names]
            # What is known without an issuer of its own belonged to the one before.
            self._tails.clear()
            self._tails[b""] = self._issuer + bytes((NO_REASON,))


def _read_ending(encoded: bytes) -> tuple[int, bytes | None]:
    """The reason of an entry, and its certificateIssuer (a GeneralNames) where it has one."""
    reason, names = NO_REASON, None
    for oid, extension in extensions(encoded).items():
        if oid == _REASON_CODE:
            code = der.element(extension.value, ENUMERATED).content
            if len(code) != 1 or code[0] not in CRL_REASONS:
                raise ValueError("a reason that there is not")
            reason = code[0]
        elif oid == _CERTIFICATE_ISSUER:
            names = der.element(extension.value, der.SEQUENCE).content
        elif extension.critical:
            raise CrlRefused("crl.critical", f"entry extension {oid}")
    return reason, names
