"""What the judge knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Self

import attrs

from mtlsd.clients.index import ClientIndex
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.crl_table import CrlTable
from mtlsd.pki.path import AnchorGroup, PathValidator
from mtlsd.pki.revocation import Answer
from mtlsd.pki.revocation_check import Known


@attrs.frozen
class ListenerTrust:
    """What one listener trusts: its anchor groups, together and one by one."""

    groups: tuple[AnchorGroup, ...]
    strict: bool
    together: PathValidator
    alone: Mapping[str, PathValidator]
    _known: Mapping[bytes, Certificate] = attrs.field(repr=False, eq=False)

    @classmethod
    def from_groups(cls, groups: Iterable[AnchorGroup], strict: bool) -> Self:
        groups = tuple(groups)
        alone = {group.name: PathValidator.from_groups((group,), strict) for group in groups}
        known = {own.der: own for group in groups for own in (*group.anchors, *group.intermediates)}
        return cls(groups, strict, PathValidator.from_groups(groups, strict), alone, known)

    def certificate(self, der: bytes) -> Certificate:
        """A certificate above the leaf; those that are configured have been read already.

        :raises Refusal: for what is none
        """
        return self._known.get(der) or Certificate.from_der(der)

    def vouching(self, anchor: Certificate) -> tuple[AnchorGroup, ...]:
        """The groups that hold this anchor. An anchor is known by its key: two CAs can share a name (R30)."""
        return tuple(
            group
            for group in self.groups
            if any(
                anchor.key_sha256 == own.key_sha256 and anchor.subject == own.subject for own in group.anchors
            )
        )


@attrs.frozen
class NothingKnown:
    """Nobody has been asked about any certificate."""

    version: int = 0

    def crls(self, group: str, /) -> CrlTable:
        return CrlTable.build(())

    def ocsp(self, group: str, certificate: Certificate, issuer: Certificate, /) -> Answer | None:
        return None


@attrs.frozen
class Snapshot:
    """Everything the judge knows, as one whole that is swapped when anything changes.

    :ivar trust: for each listener that asks for certificates.
    :ivar revocation: what is known about revocation. This alone goes on living inside a snapshot, as answers
        come in: each is verified and has its own life, so none contradicts the rest of the snapshot.
    """

    clients: ClientIndex
    trust: Mapping[str, ListenerTrust]
    revocation: Known = NothingKnown()

    def trust_of(self, listener: str) -> ListenerTrust:
        """What the listener trusts: nothing, where a reload has removed it under an open connection."""
        return self.trust.get(listener) or ListenerTrust.from_groups((), True)
