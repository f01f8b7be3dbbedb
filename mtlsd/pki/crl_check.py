"""What all revocation lists together say about a certificate (RFC 5280 §6.3.3).

Nothing is read or verified here; a look-up costs microseconds. Where RFC 5280 leaves it open, what is more
careful is done: of several lists any may revoke, a delta may lift a hold but nothing else, and a list of the
issuer's other key does not stand in for one of its own key that has run out.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

import attrs

from mtlsd.errors import Fact
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.crl_index import CERTIFICATE_HOLD, REMOVE_FROM_CRL, Entry
from mtlsd.pki.crl_issuer import RevocationList, check_currency
from mtlsd.pki.crl_refused import CrlRefused
from mtlsd.pki.crl_scope import covered_reasons, is_complete, is_direct, is_related, is_vouched, points_of
from mtlsd.pki.crl_table import CrlTable, issuers_of
from mtlsd.pki.path import Path
from mtlsd.pki.revocation import CRL_REASONS, Answer

# Of several whys that which came furthest is told: the list that nearly did.
_RANKS: Final = (
    "crl.none",
    "crl.scope",
    "crl.anchor",
    "crl.issuer",
    "crl.not_yet_valid",
    "crl.expired",
    "crl.signer_unknown",
    "crl.signer_revoked",
    "crl.reasons",
)
_MOST_NESTED: Final = 4
_NO_SPAN: Final = timedelta()


@attrs.frozen
class CrlAnswer:
    """What the lists say about one certificate.

    :ivar why: for `unknown`, one of :data:`mtlsd.pki.crl_refused.WHYS`.
    :ivar lists: the names of the lists that it rests on.
    :ivar this_update: the oldest of them, and :attr:`next_update` the first to run out; None without any.
    :ivar reason: for `revoked`, a name of RFC 5280's.
    """

    status: Literal["good", "revoked", "unknown"]
    why: str | None = None
    detail: str = ""
    lists: tuple[str, ...] = ()
    this_update: datetime | None = None
    next_update: datetime | None = None
    revoked_at: datetime | None = None
    reason: str | None = None

    def answer(self) -> Answer | None:
        """The same in the form that all sources of answers share; None where no list could tell."""
        if self.this_update is None:
            return None
        return Answer(
            status=self.status,
            source=f"crl {', '.join(self.lists)}",
            this_update=self.this_update,
            next_update=self.next_update,
            revoked_at=self.revoked_at,
            reason=self.reason,
            facts=self.facts(),
        )

    def facts(self) -> dict[str, Fact]:
        """For the audit log and the trace."""
        instants = {
            "thisUpdate": self.this_update,
            "nextUpdate": self.next_update,
            "revoked_at": self.revoked_at,
        }
        told: dict[str, Fact] = {"crl": list(self.lists), "why": self.why, "detail": self.detail or None}
        told |= {"reason": self.reason}
        told |= {name: None if value is None else value.isoformat() for name, value in instants.items()}
        return {name: value for name, value in told.items() if value not in (None, [])}


def check_crls(
    path: Path, position: int, table: CrlTable, now: datetime, grace: timedelta = _NO_SPAN
) -> CrlAnswer:
    """What the lists say about one certificate of a validated path.

    :param position: which one; never the last, since nobody revokes an anchor.
    :param grace: how long after its nextUpdate a list still counts.
    """
    return _Check(table, now, grace).certificate(path, position, ())


@attrs.frozen
class _Check:
    table: CrlTable
    now: datetime
    grace: timedelta

    def certificate(self, path: Path, position: int, pending: tuple[bytes, ...]) -> CrlAnswer:
        """:param pending: the certificates whose check asks for this one."""
        certificate, issuer = path.certificates[position], Path(path.certificates[position + 1 :])
        found = _Findings()
        for point in points_of(certificate):
            if any(map(self.table.knows, issuers_of(certificate, point))):
                found.note("crl.scope")
            for own in self.table.lists_for(certificate, point):
                reasons = covered_reasons(own.described, certificate, point)
                if reasons:
                    self._use(own, reasons, certificate, issuer, pending, found)
            if found.revoked is not None or is_complete(found.reasons):
                break
        return found.answer()

    def _use(
        self,
        own: RevocationList,
        reasons: frozenset[int],
        certificate: Certificate,
        issuer: Path,
        pending: tuple[bytes, ...],
        found: _Findings,
    ) -> None:
        """Take what a list says, if it may be believed."""
        direct = is_direct(own.described, certificate)
        same_key = direct and own.signer.key_sha256 == issuer.certificates[0].key_sha256
        try:
            self._believe(own, certificate, issuer, direct, pending)
        except CrlRefused as refused:
            found.note(refused.why, f"{own.name} {refused.detail}".strip())
            found.missing |= reasons if same_key else frozenset()
            return
        delta = self.table.delta_to(own, self.now, self.grace)
        entry = own.index.find(certificate.serial_number, certificate.issuer, direct)
        if delta is not None:
            newer = delta.index.find(certificate.serial_number, certificate.issuer, direct)
            entry = _combined(entry, newer)
        found.take([own] if delta is None else [own, delta], reasons, entry, same_key)

    def _believe(
        self,
        own: RevocationList,
        certificate: Certificate,
        issuer: Path,
        direct: bool,
        pending: tuple[bytes, ...],
    ) -> None:
        """:raises CrlRefused: where the list's time is over, or its signer is not one to be believed here"""
        check_currency(own.described, self.now, self.grace)
        if is_vouched(own.signer, issuer):
            return
        if own.path.anchor.key_sha256 != issuer.anchor.key_sha256:
            raise CrlRefused("crl.anchor")
        if direct and not is_related(own.path, issuer):
            raise CrlRefused("crl.issuer", "another authority of the same name")
        if not all(above.not_before <= self.now <= above.not_after for above in own.path.certificates):
            raise CrlRefused("crl.issuer", "a certificate of the signer's path is not valid now")
        known = {above.key_sha256 for above in issuer.certificates}
        for number, above in enumerate(own.path.certificates[:-1]):
            if above.key_sha256 in known:
                break
            self._believe_signer(own.path, number, (*pending, certificate.sha256))

    def _believe_signer(self, path: Path, number: int, pending: tuple[bytes, ...]) -> None:
        """A signer whose own certificate is revoked, or may be, says nothing."""
        signer = path.certificates[number]
        if signer.sha256 in pending or len(pending) > _MOST_NESTED:
            raise CrlRefused("crl.signer_unknown", "the list would have to vouch for its own signer")
        answer = self.certificate(path, number, pending)
        if answer.status == "revoked":
            raise CrlRefused("crl.signer_revoked", signer.subject.to_string())
        if answer.status != "good":
            raise CrlRefused("crl.signer_unknown", f"{signer.subject.to_string()}: {answer.why}")


class _Findings:
    """What has been found so far.

    :ivar missing: the reasons of lists by the issuer's own key that cannot be believed.
    """

    def __init__(self) -> None:
        self.used: dict[RevocationList, None] = {}
        self.revoked: Entry | None = None
        self.missing: frozenset[int] = frozenset()
        self._own: frozenset[int] = frozenset()
        self._other: frozenset[int] = frozenset()
        self._why = ("crl.none", "")

    @property
    def reasons(self) -> frozenset[int]:
        """Those of which it is known that the certificate was not revoked for."""
        return self._own | (self._other - self.missing)

    def note(self, why: str, detail: str = "") -> None:
        if _RANKS.index(why) > _RANKS.index(self._why[0]):
            self._why = (why, detail)

    def take(
        self, lists: list[RevocationList], reasons: frozenset[int], entry: Entry | None, same_key: bool
    ) -> None:
        if self.revoked is not None:
            return
        if entry is not None:
            self.revoked = entry
            self.used.clear()
        self.used.update(dict.fromkeys(lists))
        if same_key:
            self._own |= reasons
        else:
            self._other |= reasons

    def answer(self) -> CrlAnswer:
        known = self.revoked is not None or is_complete(self.reasons)
        names = tuple(own.name for own in self.used)
        if names and not known and not self.missing:
            self.note("crl.reasons", ", ".join(names))
        why, detail = (None, "") if known else self._why
        return CrlAnswer(
            status="revoked" if self.revoked is not None else "good" if known else "unknown",
            why=why,
            detail=detail,
            lists=names,
            this_update=min((own.described.this_update for own in self.used), default=None),
            next_update=min((own.described.next_update for own in self.used), default=None),
            revoked_at=None if self.revoked is None else self.revoked.revoked_at,
            reason=None if self.revoked is None else CRL_REASONS[self.revoked.reason],
        )


def _combined(entry: Entry | None, newer: Entry | None) -> Entry | None:
    """What a complete list and its delta say together (RFC 5280 §6.3.3 steps i to k)."""
    if newer is None or newer.reason != REMOVE_FROM_CRL:
        return newer or entry
    return None if entry is None or entry.reason == CERTIFICATE_HOLD else entry
