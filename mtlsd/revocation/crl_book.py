"""Where the lists of one group come from and who may sign them: bounded, and growing with what is seen."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

import attrs

from mtlsd.pki.certificate import Certificate
from mtlsd.pki.distribution_points import DistributionPoint, read_distribution_points
from mtlsd.pki.extensions import extensions_of
from mtlsd.pki.path import AnchorGroup, Path
from mtlsd.revocation.crl_reading import Known
from mtlsd.revocation.crl_source import CrlSource, Origin

_FRESHEST_CRL: Final = "2.5.29.46"
_MOST_URLS: Final = 8
_V = TypeVar("_V")


@attrs.frozen
class CrlLimits:
    """How much of everything, for one group.

    :ivar list_bytes: the largest document that is fetched or read.
    :ivar fetch_seconds: how long a fetch may take.
    :ivar at_once: how many fetches run.
    :ivar at_once_of_host: of these from one host.
    :ivar learned: how many URLs are kept that certificates or lists named.
    :ivar total_bytes: of all lists in DER; beyond that, learned ones go.
    :ivar signers: how many CAs are kept that only clients know.
    :ivar certificates: of how many certificates that clients showed it is known whether a list lets go.
    """

    list_bytes: int = 100 * (1 << 20)
    fetch_seconds: float = 120.0
    at_once: int = 6
    at_once_of_host: int = 2
    learned: int = 512
    total_bytes: int = 1 << 30
    signers: int = 256
    certificates: int = 4096


@attrs.define(eq=False)
class Book:
    """The sources of one group, by name, and the CAs and certificates that have been seen.

    :ivar sources: those that the operator named first.
    :ivar learned_signers: how many have been, so far.
    """

    limits: CrlLimits
    sources: dict[str, CrlSource] = attrs.field(factory=dict, init=False)
    learned_signers: int = attrs.field(default=0, init=False)
    _own: frozenset[bytes] = attrs.field(default=frozenset(), init=False)
    _signers: dict[bytes, Path] = attrs.field(factory=dict, init=False)
    _seen: dict[bytes, Known] = attrs.field(factory=dict, init=False)

    def open(self, group: AnchorGroup, now: datetime) -> None:
        """Enter what the configuration names."""
        policy = group.revocation
        assert policy is not None, "the group has no revocation policy"
        own = (*group.anchors, *group.intermediates)
        self._own = frozenset(certificate.sha256 for certificate in own)
        for name in policy.crl_files:
            self._enter(name, "file", now)
        for name in policy.crl_urls:
            self._enter(name, "url", now)
        if policy.crl_from_certificate:
            for certificate in own:
                for name in (*certificate.crl_urls, *freshest_urls(certificate)):
                    self._enter(name, "authority", now)

    def learn(self, url: str, now: datetime) -> tuple[CrlSource | None, CrlSource | None]:
        """The source of that URL, and the one that has to make room for it.

        :returns: no source where the table is full of what is in use.
        """
        found = self.sources.get(url)
        if found is not None:
            found.used_at = now
            return found, None
        evicted = None
        if sum(own.origin == "learned" for own in self.sources.values()) >= self.limits.learned:
            evicted = self.evict()
            if evicted is None:
                return None, None
        return self._enter(url, "learned", now), evicted

    def evict(self, *but: CrlSource) -> CrlSource | None:
        """Strike out the learned source that was of use longest ago; None where all are in use right now."""
        sources = [own for own in self.sources.values() if own.origin == "learned" and own not in but]
        free = [own for own in sources if not own.loading and not own.waiting]
        if not free:
            return None
        evicted = min(free, key=lambda own: own.used_at)
        del self.sources[evicted.name]
        return evicted

    def idle(self, now: datetime, idle: timedelta) -> Sequence[CrlSource]:
        """The learned sources that nobody has needed for so long; they are struck out."""
        over = [
            own
            for own in self.sources.values()
            if own.origin == "learned" and not own.loading and now - own.used_at > idle
        ]
        for own in over:
            del self.sources[own.name]
        return over

    def touch(self, certificate: Certificate, now: datetime) -> None:
        """Note that somebody depends on the lists of that certificate."""
        for url in certificate.crl_urls:
            found = self.sources.get(url)
            if found is not None:
                found.used_at = now

    def see(self, certificate: Certificate) -> None:
        _put(
            self._seen,
            certificate.sha256,
            (certificate.issuer.key, certificate.serial_number, certificate.not_after),
            self.limits.certificates,
        )

    def learn_signers(self, path: Path) -> frozenset[Hashable]:
        """Take the CAs of a verified path as possible signers.

        :returns: the keys of the names of those that are new.
        """
        new: set[Hashable] = set()
        for number, own in enumerate(path.certificates[1:], 1):
            if own.sha256 not in self._own:
                if own.sha256 not in self._signers:
                    new.add(own.subject.key)
                    self.learned_signers += 1
                _put(self._signers, own.sha256, Path(path.certificates[number:]), self.limits.signers)
        return frozenset(new)

    def knows_signer(self, names: Iterable[Hashable]) -> bool:
        """Whether a CA has been learned that has one of these names, by their keys."""
        subjects = {path.certificates[0].subject.key for path in self._signers.values()}
        return not subjects.isdisjoint(names)

    @property
    def signers(self) -> tuple[Path, ...]:
        return tuple(self._signers.values())

    @property
    def seen(self) -> tuple[Known, ...]:
        return tuple(self._seen.values())

    def _enter(self, name: str, origin: Origin, now: datetime) -> CrlSource:
        return self.sources.setdefault(name, CrlSource(name, origin, next_try=now, used_at=now))


def _put(table: dict[bytes, _V], key: bytes, value: _V, most: int) -> None:
    """Put the newest last, and let the oldest go."""
    table.pop(key, None)
    table[key] = value
    if len(table) > most:
        del table[next(iter(table))]


def freshest_urls(certificate: Certificate) -> tuple[str, ...]:
    """Where a certificate says that deltas to its lists are (RFC 5280 section 4.2.1.15): as with
    :attr:`Certificate.crl_urls`."""
    try:
        own = extensions_of(certificate.der).get(_FRESHEST_CRL)
        return () if own is None else urls_of(read_distribution_points(own.value))
    except ValueError:
        return ()


def urls_of(points: Iterable[DistributionPoint]) -> tuple[str, ...]:
    """At most 8 http and https URLs of distribution points, in order."""
    uris = dict.fromkeys(uri for point in points for uri in point.uris)
    return tuple(uri for uri in uris if uri.lower().startswith(("http://", "https://")))[:_MOST_URLS]
