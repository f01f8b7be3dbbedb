"""Reading and verifying revocation lists: what a thread does, with all it needs in one value."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from datetime import datetime, timedelta
from typing import Final

import attrs

from mtlsd.pki.crl import OpenedList, lists_of
from mtlsd.pki.crl_index import Breathe
from mtlsd.pki.crl_issuer import RevocationList, check_currency, read_list, signer_paths
from mtlsd.pki.crl_refused import CrlRefused
from mtlsd.pki.crl_succession import dropped_serials, identity, released, supersedes
from mtlsd.pki.path import Path, PathValidator

_MOST_LISTS: Final = 1024
_UNSIGNED: Final = ("crl.issuer", "crl.signature")
_ANY_AGE: Final = timedelta(days=3650)

Known = tuple[Hashable, int, datetime]
"""The issuer, the serial number and the end of a certificate that somebody has shown."""


@attrs.frozen(eq=False)
class ReadList:
    """A list that was verified.

    :ivar digest: SHA-256 of its DER.
    :ivar octets: the length of its DER.
    :ivar dropped: how many entries of the list that it follows it does not have; certificates that have run
        out may leave a list.
    :ivar released: serial numbers among these of certificates that are known to be valid still.
    """

    own: RevocationList
    digest: bytes
    octets: int
    dropped: int = 0
    released: tuple[int, ...] = ()


@attrs.frozen
class RefusedList:
    """A list that cannot be used.

    :ivar issuer: the key of the name that should have signed it, where nobody who is known has.
    """

    refused: CrlRefused
    issuer: Hashable = None


@attrs.frozen
class Reading:
    """What came of one document."""

    lists: tuple[ReadList, ...] = ()
    refused: tuple[RefusedList, ...] = ()


@attrs.frozen(eq=False)
class Reader:
    """Reads documents against what is known at one moment. Immutable: it is handed to another thread.

    :ivar learned: the paths of CAs that only clients know.
    :ivar held: the lists that are there already, by the digest of their DER.
    :ivar known: certificates of which it matters whether a list lets go of them.
    """

    validator: PathValidator
    learned: tuple[Path, ...]
    held: Mapping[bytes, ReadList]
    known: tuple[Known, ...]
    now: datetime
    grace: timedelta
    breathe: Breathe

    def read(self, data: bytes, name: str, *, any_age: bool = False) -> Reading:
        """Read a document: one list in DER, or several in PEM. What cannot be used does not spoil the rest.

        :param name: what its lists are called.
        :param any_age: whether lists that have run out are taken too: nothing older may follow them.
        """
        reader = attrs.evolve(self, grace=_ANY_AGE) if any_age else self
        try:
            documents = lists_of(data, self.breathe)
        except CrlRefused as refused:
            return Reading(refused=(RefusedList(refused),))
        if len(documents) > _MOST_LISTS:
            many = CrlRefused("crl.too_large", f"{len(documents)} lists are more than {_MOST_LISTS}")
            return Reading(refused=(RefusedList(many),))
        signers = (*signer_paths(self.validator, self.now), *self.learned)
        found = [reader._read(der, name, signers) for der in documents]
        return Reading(
            tuple(own for own in found if isinstance(own, ReadList)),
            tuple(own for own in found if isinstance(own, RefusedList)),
        )

    def _read(self, der: bytes, name: str, signers: tuple[Path, ...]) -> ReadList | RefusedList:
        digest = hashlib.sha256(der).digest()
        known = self.held.get(digest)
        try:
            if known is not None:
                check_currency(known.own.described, self.now, self.grace)
                return known
            own = read_list(der, signers, self.now, name=name, grace=self.grace, breathe=self.breathe)
        except CrlRefused as refused:
            return RefusedList(refused, _issuer(der) if refused.why in _UNSIGNED else None)
        return self._compared(ReadList(own, digest, len(der)))

    def _compared(self, new: ReadList) -> ReadList:
        """The same, with what it lets go of."""
        same = identity(new.own)
        old = next((held.own for held in self.held.values() if identity(held.own) == same), None)
        if old is None or not supersedes(old, new.own):
            return new
        issuer = old.described.issuer.key
        valid = (serial for name, serial, until in self.known if name == issuer and until > self.now)
        count = dropped_serials(old, new.own, most=0, breathe=self.breathe).count
        return attrs.evolve(new, dropped=count, released=released(old, new.own, valid))


def _issuer(der: bytes) -> Hashable:
    return OpenedList.from_der(der).described.issuer.key
