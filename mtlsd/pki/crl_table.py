"""All revocation lists that one group of anchors has, found by what they are about.

Where a CA cuts its list into hundreds of pieces, each with a name, only the piece that a certificate names is
looked at.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Self

import attrs

from mtlsd.pki.certificate import Certificate
from mtlsd.pki.crl_issuer import RevocationList
from mtlsd.pki.crl_scope import point_keys
from mtlsd.pki.crl_succession import identity, supersedes
from mtlsd.pki.distribution_points import DistributionPoint
from mtlsd.pki.dn import DistinguishedName

_Lists = Mapping[Hashable, Sequence[RevocationList]]


@attrs.frozen(eq=False)
class CrlTable:
    """The newest list of each issuer, key and scope.

    :ivar lists: all of them, deltas too.
    """

    lists: tuple[RevocationList, ...]
    _of_everything: _Lists = attrs.field(repr=False)
    _by_name: _Lists = attrs.field(repr=False)
    _deltas: _Lists = attrs.field(repr=False)
    _issuers: frozenset[Hashable] = attrs.field(repr=False)

    @classmethod
    def build(cls, lists: Iterable[RevocationList]) -> Self:
        newest: dict[Hashable, RevocationList] = {}
        for own in lists:
            known = newest.setdefault(identity(own), own)
            if supersedes(known, own):
                newest[identity(own)] = own
        kept = tuple(newest.values())
        complete = [own for own in kept if not own.described.is_delta]
        deltas = [own for own in kept if own.described.is_delta]
        return cls(
            kept,
            _grouped((own.described.issuer.key, own) for own in complete if not _names(own)),
            _grouped(((own.described.issuer.key, name), own) for own in complete for name in _names(own)),
            _grouped((_continued(own), own) for own in deltas),
            frozenset(own.described.issuer.key for own in complete),
        )

    def lists_for(self, certificate: Certificate, point: DistributionPoint) -> Sequence[RevocationList]:
        """The complete lists that might be about the certificate at that distribution point, each once."""
        names = point_keys(certificate, point)
        found: dict[RevocationList, None] = {}
        for issuer in issuers_of(certificate, point):
            found.update(dict.fromkeys(self._of_everything.get(issuer.key, ())))
            for name in names:
                found.update(dict.fromkeys(self._by_name.get((issuer.key, name), ())))
        return tuple(found)

    def knows(self, issuer: DistinguishedName) -> bool:
        """Whether there is a complete list of that issuer, whatever it is about."""
        return issuer.key in self._issuers

    def delta_to(self, own: RevocationList, now: datetime, grace: timedelta) -> RevocationList | None:
        """The delta that may be combined with that complete list (RFC 5280 §5.2.4), if there is one.

        It continues that list or an older one, is newer, and is of the same issuer, key and scope.
        """
        number = own.described.number
        for delta in self._deltas.get(_continued(own), ()):
            described = delta.described
            if number is None or described.number is None or described.base_number is None:
                continue
            current = described.this_update <= now and now - grace <= described.next_update
            if current and described.base_number <= number < described.number:
                return delta
        return None


def issuers_of(certificate: Certificate, point: DistributionPoint) -> tuple[DistinguishedName, ...]:
    """Who may issue the list of that distribution point."""
    return point.crl_issuer or (certificate.issuer,)


def _grouped(pairs: Iterable[tuple[Hashable, RevocationList]]) -> _Lists:
    found: dict[Hashable, list[RevocationList]] = {}
    for key, own in pairs:
        found.setdefault(key, []).append(own)
    return found


def _names(own: RevocationList) -> frozenset[Hashable | None]:
    """The names of its distribution point; None for a name that nothing can match, empty without any."""
    scope = own.described.scope
    if scope is None or scope.name is None:
        return frozenset()
    return scope.name.keys(own.described.issuer) or frozenset({None})


def _continued(own: RevocationList) -> Hashable:
    """What a complete list and a delta to it have in common."""
    described = own.described
    return (described.issuer.key, own.signer.key_sha256, described.scope, described.authority_key)
