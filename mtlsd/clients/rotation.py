"""Where a client stands in its rotation, from what is registered, published and seen (R9, R14)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

import attrs

from mtlsd.clients.sightings import Sighting
from mtlsd.pki.certificate import Certificate

Origin = Literal["registered", "published", "seen"]
Standing = Literal["current", "next", "expired", ""]


@attrs.frozen
class KnownCertificate:
    """A certificate of a client.

    :ivar origin: why it is known: `seen` alone is that of a client known by its name, or no longer pinned.
    :ivar standing: `current` is the one that the client used last, `next` the one that it will change to.
    """

    x5t_s256: str
    subject: str
    not_before: datetime
    not_after: datetime
    origin: Origin
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    standing: Standing = ""


def rotation_of(
    pins: Iterable[Certificate], origin: Origin, sightings: Iterable[Sighting], now: datetime
) -> tuple[KnownCertificate, ...]:
    """All certificates that are known of one client; the current one first, then the next one.

    :param pins: the client's pinned certificates; none where it is known by its name.
    :param origin: of these.
    """
    known = {own.x5t_s256: _pinned(own, origin) for own in pins}
    is_pinned = bool(known)
    for sighting in sightings:
        own = known.get(sighting.x5t_s256) or _seen(sighting)
        first, last = sighting.first_seen_at, sighting.last_seen_at
        known[own.x5t_s256] = attrs.evolve(own, first_seen_at=first, last_seen_at=last)
    usable = [
        own for own in known.values() if own.not_after >= now and not (is_pinned and own.origin == "seen")
    ]
    current = _current(usable, now)
    next_ = None if current is None else _next(usable, current)
    standing: dict[str, Standing] = {}
    if current is not None:
        standing[current.x5t_s256] = "current"
    if next_ is not None:
        standing[next_.x5t_s256] = "next"
    return tuple(sorted((_standing(own, standing, now) for own in known.values()), key=_order))


def _current(usable: Sequence[KnownCertificate], now: datetime) -> KnownCertificate | None:
    """The one that was used last; where none was, the one that is valid for the longest time already."""
    seen = [(own.last_seen_at, own.x5t_s256, own) for own in usable if own.last_seen_at is not None]
    if seen:
        return max(seen)[2]
    valid = [own for own in usable if own.not_before <= now]
    return min(valid, key=lambda own: (own.not_before, own.x5t_s256), default=None)


def _next(usable: Sequence[KnownCertificate], current: KnownCertificate) -> KnownCertificate | None:
    """The one pinned certificate that outlives the current one longest."""
    later = [own for own in usable if own.origin != "seen" and own.not_after > current.not_after]
    return max(later, key=lambda own: (own.not_after, own.x5t_s256), default=None)


def _standing(own: KnownCertificate, standing: dict[str, Standing], now: datetime) -> KnownCertificate:
    return attrs.evolve(own, standing=standing.get(own.x5t_s256, "expired" if own.not_after < now else ""))


def _order(own: KnownCertificate) -> tuple[int, float, str]:
    rank = {"current": 0, "next": 1, "": 2, "expired": 3}[own.standing]
    return rank, 0.0 if own.last_seen_at is None else -own.last_seen_at.timestamp(), own.x5t_s256


def _pinned(certificate: Certificate, origin: Origin) -> KnownCertificate:
    return KnownCertificate(
        certificate.x5t_s256,
        certificate.subject.to_string(),
        certificate.not_before,
        certificate.not_after,
        origin,
    )


def _seen(sighting: Sighting) -> KnownCertificate:
    return KnownCertificate(
        sighting.x5t_s256, sighting.subject, sighting.not_before, sighting.not_after, "seen"
    )
