"""The intermediate CAs of clients' certificates, as they came: for a certificate that comes without them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Final

import attrs

from mtlsd.pki.certificate import Certificate
from mtlsd.pki.dn import DistinguishedName
from mtlsd.pki.path import Path

_MOST_NAMES: Final = 1000
_MOST_OF_A_NAME: Final = 4
_LONGEST: Final = 5


@attrs.define(eq=False)
class IssuersSeen:
    """Those that stood in a valid path to a trust anchor. They help to build paths, and vouch for nothing.

    Where there are too many, the name noted first is forgotten first.
    """

    _by_subject: dict[Hashable, dict[bytes, Certificate]] = attrs.field(factory=dict, init=False, repr=False)

    def note(self, paths: Iterable[Path]) -> None:
        """Remember what stands between the certificate and the anchor."""
        for path in paths:
            for issuer in path.certificates[1:-1]:
                self._note(issuer)

    def _note(self, issuer: Certificate) -> None:
        same = self._by_subject.setdefault(_name(issuer.subject), {})
        if issuer.der not in same and len(same) >= _MOST_OF_A_NAME:
            del same[next(iter(same))]
        same[issuer.der] = issuer
        if len(self._by_subject) > _MOST_NAMES:
            del self._by_subject[next(iter(self._by_subject))]

    def above(self, certificate: Certificate) -> tuple[bytes, ...]:
        """DER of what could stand above the certificate; empty where nothing is known."""
        found: dict[bytes, None] = {}
        names = {_name(certificate.issuer)}
        for _ in range(_LONGEST):
            issuers = [own for name in names for own in self._by_subject.get(name, {}).values()]
            names = {_name(own.issuer) for own in issuers if own.der not in found}
            found.update(dict.fromkeys(own.der for own in issuers))
        return tuple(found)[:_LONGEST]


def _name(own: DistinguishedName) -> Hashable:
    return own.to_string() if own.key is None else own.key
