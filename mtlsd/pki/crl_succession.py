"""Which of two revocation lists is the newer, and what the newer one no longer says."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import attrs

from mtlsd.pki.crl_index import CERTIFICATE_HOLD, DIRECT, STRIDE, Breathe, RevokedIndex, hold_breath
from mtlsd.pki.crl_issuer import RevocationList


@attrs.frozen
class Dropped:
    """Entries that a newer list no longer has.

    :ivar count: how many.
    :ivar serial_numbers: the first of them, as many as were asked for.
    """

    count: int
    serial_numbers: tuple[int, ...]


def identity(own: RevocationList) -> Hashable:
    """Lists of one identity follow each other: one issuer, key and scope, all complete or all deltas."""
    described = own.described
    return (described.issuer.key, own.signer.key_sha256, described.scope, described.is_delta)


def supersedes(old: RevocationList, new: RevocationList) -> bool:
    """Whether the new list may take the old one's place: never with a lower number or an older thisUpdate.

    A list without number never follows one that has it, so that leaving it out is no way back. The two may be
    equal, which makes no difference to what they say, unless the issuer breaks RFC 5280 §5.2.3.
    """
    was, now = old.described, new.described
    if identity(old) != identity(new) or now.this_update < was.this_update:
        return False
    if was.number is None:
        return True
    return now.number is not None and now.number >= was.number


def dropped_serials(
    old: RevocationList, new: RevocationList, most: int = 100, breathe: Breathe = hold_breath
) -> Dropped:
    """The entries of the old list that the new one does not have, but for certificates on hold.

    They may have left because the certificates expired, which a list does not tell; ask
    :func:`released` about certificates that are known.

    :param most: of how many the serial number is told.
    """
    count = 0
    serials: list[int] = []
    renumbered = _renumbered(old.index, new.index)
    for number, key in enumerate(old.index.keys(without_reason=CERTIFICATE_HOLD)):
        if number % STRIDE == 0:
            breathe()
        serial, issuer = key[: -len(DIRECT)], key[-len(DIRECT) :]
        if not any(new.index.holds(serial + own) for own in renumbered.get(issuer, ())):
            count += 1
            if len(serials) < most:
                serials.append(int.from_bytes(serial, "big", signed=True))
    return Dropped(count, tuple(serials))


def released(old: RevocationList, new: RevocationList, known: Iterable[int]) -> tuple[int, ...]:
    """Which serial numbers, of certificates of the list's issuer that are still valid, are no longer revoked.

    Those on hold are not told: their release is meant.
    """
    found = []
    for serial in known:
        was = old.index.find(serial, old.described.issuer, direct=True)
        now = new.index.find(serial, new.described.issuer, direct=True)
        if was is not None and was.reason != CERTIFICATE_HOLD and now is None:
            found.append(serial)
    return tuple(found)


def _renumbered(old: RevokedIndex, new: RevokedIndex) -> dict[bytes, tuple[bytes, ...]]:
    """Under which numbers the issuers of one list's entries stand in another list."""
    found: dict[bytes, tuple[bytes, ...]] = {DIRECT: (DIRECT,)}
    for name, numbers in old.issuers.items():
        for number in numbers:
            found[number] = (*found.get(number, ()), *new.issuers.get(name, ()))
    return found
