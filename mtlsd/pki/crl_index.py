"""The serial numbers of a revocation list, compact, and found at once however many there are.

A list of a million entries must not become a million Python objects, must not be sorted in one go while
everybody else waits for the interpreter, and must be exact: neither a hash alone nor a filter will do. So the
entries stand one after the other in one bytearray, about 26 bytes each, and an open hash table of offsets
points into it; whatever a look-up finds there is compared whole. The hash is Python's, whose secret keeps
anybody from making serial numbers that collide.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

import attrs

from mtlsd.pki.dn import DistinguishedName

REMOVE_FROM_CRL: Final = 8
CERTIFICATE_HOLD: Final = 6
NO_REASON: Final = 0xFF
DIRECT: Final = b"\0\0"
"""The issuer's number in entries whose issuer is the list's own."""

STRIDE: Final = 512
"""How many entries are worked on between two breaths: about half a millisecond."""

_TABLE_PER_ENTRY: Final = 1.5
_OFFSET_CODE: Final = "I"
_HASH_BITS: Final = 0xFFFFFFFF
_LENGTHS: Final = tuple(bytes((length,)) for length in range(256))
_AFTER_KEY: Final = 7  # octets of the reason and the date

Breathe = Callable[[], None]
"""Called every half millisecond or so of work, so that a worker thread can let others run."""


def hold_breath() -> None:
    """For whoever has the interpreter for itself."""


@attrs.frozen
class Entry:
    """What a list says about one certificate.

    :ivar revoked_at: aware UTC; None for a day that the calendar does not have.
    :ivar reason: a CRLReason, 0 where the list gives none (RFC 5280 §5.3.1).
    """

    serial_number: int
    revoked_at: datetime | None
    reason: int


@attrs.frozen(eq=False, repr=False)
class RevokedIndex:
    """The entries of one list.

    :ivar count: how many there are, duplicates included.
    :ivar issuers: the numbers under which the issuers of an indirect list's entries stand, by the name's key.
    """

    count: int
    issuers: Mapping[object, tuple[bytes, ...]]
    _records: bytearray
    _table: array[int]

    @property
    def octets(self) -> int:
        """The memory that the entries take."""
        return self._records.__sizeof__() + self._table.__sizeof__()

    def find(self, serial_number: int, issuer: DistinguishedName, direct: bool) -> Entry | None:
        """What the list says of that certificate, or None if nothing.

        :param issuer: who issued the certificate.
        :param direct: whether the same issued the list.
        """
        named = self.issuers.get(issuer.key, ()) if self.issuers else ()
        numbers = (DIRECT, *named) if direct else named
        serial = encode_serial(serial_number)
        return next((entry for number in numbers if (entry := self._find(serial + number))), None)

    def __iter__(self) -> Iterator[Entry]:
        """Every entry, in the order of the list."""
        start = 0
        while start < len(self._records):
            yield self._entry(start)
            start = self._end(start)

    def holds(self, key: bytes) -> bool:
        """Whether there is an entry of that key, as :meth:`keys` has it."""
        return self._find(key) is not None

    def keys(self, without_reason: int) -> Iterator[bytes]:
        """The entries as they are told apart, but for those with that reason."""
        records, start = self._records, 0
        while start < len(records):
            stop = start + 1 + records[start] + len(DIRECT)
            if records[stop] != without_reason:
                yield bytes(records[start + 1 : stop])
            start = stop + _AFTER_KEY

    def _find(self, key: bytes) -> Entry | None:
        if len(key) - len(DIRECT) > 255:
            return None
        slot = _slot_of(self._records, self._table, hash(key) & _HASH_BITS, _LENGTHS[len(key) - 2] + key)
        offset = self._table[slot]
        return None if offset == 0 else self._entry(offset - 1)

    def _end(self, start: int) -> int:
        return start + 1 + self._records[start] + len(DIRECT) + _AFTER_KEY

    def _entry(self, start: int) -> Entry:
        serial = start + 1 + self._records[start]
        reason = self._records[serial + len(DIRECT)]
        date = int.from_bytes(self._records[serial + len(DIRECT) + 1 : self._end(start)], "big")
        number = int.from_bytes(self._records[start + 1 : serial], "big", signed=True)
        return Entry(number, _moment(date), 0 if reason == NO_REASON else reason)


class IndexBuilder:
    """Takes entries in the list's order, then makes the index of them."""

    def __init__(self) -> None:
        self.records = bytearray()
        self._hashes = array(_OFFSET_CODE)

    def add(self, serial: bytes, tail: bytes, date: int) -> None:
        """Add an entry.

        :param serial: the content of the INTEGER, at most 255 octets.
        :param tail: the number of the issuer, two octets, and the reason, one.
        :param date: as decimal digits YYYYMMDDhhmmss.
        """
        self._hashes.append(hash(serial + tail[:2]) & _HASH_BITS)
        self.records += _LENGTHS[len(serial)] + serial + tail + date.to_bytes(6, "big")

    def finish(self, issuers: Mapping[object, tuple[bytes, ...]], breathe: Breathe) -> RevokedIndex:
        """Make the table. Of entries with one key that which revokes counts, then the first."""
        records, hashes = self.records, self._hashes
        table = array(_OFFSET_CODE, [0]) * (int(len(hashes) * _TABLE_PER_ENTRY) + 1)
        start = 0
        for number, hashed in enumerate(hashes):
            if number % STRIDE == 0:
                breathe()
            stop = start + 1 + records[start] + len(DIRECT)
            slot = hashed % len(table)
            if table[slot]:
                slot = _slot_of(records, table, hashed, bytes(records[start:stop]))
            if table[slot] == 0 or _is_removal(records, table[slot] - 1):
                table[slot] = start + 1
            start = stop + _AFTER_KEY
        return RevokedIndex(len(hashes), issuers, records, table)


def encode_serial(serial_number: int) -> bytes:
    """A serial number as the content of an INTEGER (X.690 §8.3)."""
    magnitude = serial_number if serial_number >= 0 else ~serial_number
    return serial_number.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True)


def _slot_of(records: bytearray, table: array[int], hashed: int, record: bytes) -> int:
    """The slot of the record that begins like this, or the empty one where it would go.

    There always is one: the table is half as long again as the list.
    """
    slot = hashed % len(table)
    while offset := table[slot]:
        if records[offset - 1 : offset - 1 + len(record)] == record:
            break
        slot = (slot + 1) % len(table)
    return slot


def _is_removal(records: bytearray, start: int) -> bool:
    return records[start + 1 + records[start] + len(DIRECT)] == REMOVE_FROM_CRL


def _moment(digits: int) -> datetime | None:
    day, time = divmod(digits, 10**6)
    year, month = divmod(day // 100, 100)
    try:
        return datetime(year, month, day % 100, time // 10**4, time // 100 % 100, time % 100, tzinfo=UTC)
    except ValueError:
        return None
