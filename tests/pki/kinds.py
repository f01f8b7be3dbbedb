"""What a kind of certificate is, and how the lists of kinds are made."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from mtlsd.pki.verify_errors import alert_for
from mtlsd.reasons import REASONS
from tests.pki.maker import Pki, Presented

Maker = Callable[[Pki], Presented]


@attrs.frozen
class Kind:
    """One kind of good or bad certificate.

    :ivar name: unique, for test ids.
    :ivar make: makes it. Making all of them takes a few seconds, so each is made when it is wanted.
    :ivar reasons: codes of :mod:`mtlsd.reasons`, each of which is a right answer. ``subject.unknown`` says
        that the path is good, and only the names are not the honest client's. Empty for good ones.
    :ivar alert: the TLS alert that OpenSSL sends of its own accord, before any judge of ours is asked; None
        where it would let the certificate pass.
    :ivar note: what it is.
    :ivar sendable: whether a stock client can load it and sends just this, in TLS 1.2 and 1.3.
    """

    name: str
    make: Maker
    reasons: tuple[str, ...]
    alert: str | None
    note: str
    sendable: bool

    @property
    def alerts(self) -> frozenset[str]:
        """The alerts that a client of mtlsd may see: the one that fits the reason, or OpenSSL's own where the
        certificate never comes before the judge.
        """
        fitting = {alert_for(REASONS[code].verify_error) for code in self.reasons}
        return frozenset(fitting if self.alert is None else fitting | {self.alert})


class Kinds(dict[str, Kind]):
    """Kinds by their name, in the order in which they are written down."""

    def add(self, *reasons: str, alert: str | None = None, sendable: bool = True) -> Callable[[Maker], Maker]:
        """Decorate a maker: its name becomes the kind's name, its docstring the note."""

        def register(make: Maker) -> Maker:
            name = make.__name__.rstrip("_")
            assert name not in self
            self[name] = Kind(name, make, reasons, alert, make.__doc__ or "", sendable)
            return make

        return register
