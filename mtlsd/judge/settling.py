"""Whether what a certificate proves holds at this moment: revocation, by the policy of each group."""

from __future__ import annotations

from datetime import datetime

import attrs

from mtlsd import reasons
from mtlsd.clients.methods import PKI, SELF_SIGNED, AuthMethod
from mtlsd.errors import Fact, Refusal
from mtlsd.judge.standing import failed
from mtlsd.judge.values import (
    Check,
    Identity,
    Judgement,
    Outcome,
    Provisional,
    Refused,
    Standing,
    Vouching,
)
from mtlsd.pki.revocation_check import (
    NOT_ASKED,
    Failures,
    Finding,
    Known,
    Question,
    check_revocation,
    facts_of,
    shown,
)


def settle(standing: Standing, known: Known, now: datetime, failures: Failures = NOT_ASKED) -> Judgement:
    """Turn what a certificate proves by itself into a judgement for this moment.

    Whatever group says that a certificate of its path is revoked: the certificate is refused, for all its
    clients. Where a group cannot tell, its clients are refused or not as its policy says.

    :param failures: the questions that were asked in vain; see
        :func:`mtlsd.pki.revocation_check.check_revocation`.
    """
    return _Settling(standing, known, now, failures).judgement()


@attrs.define
class _Settling:
    """One standing at one moment."""

    standing: Standing
    known: Known
    now: datetime
    failures: Failures
    trace: list[Check] = attrs.field(init=False)
    until: datetime = attrs.field(init=False)
    clients: dict[str, AuthMethod] = attrs.field(factory=dict, init=False)
    questions: list[Question] = attrs.field(factory=list, init=False)
    unchecked: list[str] = attrs.field(factory=list, init=False)
    unknown: Refusal | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.trace = list(self.standing.trace)
        self.until = self.standing.valid_until

    def judgement(self) -> Judgement:
        for vouching in self.standing.vouching:
            refusal = self._look_at(vouching) if vouching.clients else None
            if refusal is not None:
                return self._refused(refusal)
        if self.questions:
            return Provisional(self.standing, tuple(self.questions), tuple(self.trace))
        self.clients.update(dict.fromkeys(self.standing.pinned, SELF_SIGNED))
        if not self.clients and self.unknown is not None:
            return self._refused(self.unknown)
        return Identity(
            self.standing,
            self.clients,
            self.standing.groups,
            self.until,
            tuple(self.trace),
            tuple(self.unchecked),
        )

    def _look_at(self, vouching: Vouching) -> Refusal | None:
        """What the group's sources say about its path; a refusal where it is revoked."""
        name = vouching.group.name
        if vouching.group.revocation is None:
            self._note("noted", name, "not checked: the group names no source")
            self._admit(vouching)
            return None
        finding = check_revocation(vouching.path, vouching.group, self.known, self.now, self.failures)
        if finding.until is not None:
            self.until = min(self.until, finding.until)
        seen = list(shown(finding, self.now))
        if finding.status == "revoked":
            self._note("noted", name, seen)
            return Refusal(reasons.REVOCATION_REVOKED, facts_of(finding))
        if finding.status == "awaited":
            self.questions += finding.questions
            self._note("noted", name, [*seen, "awaited"])
        elif finding.status == "good":
            self._note("passed", name, seen)
            self._admit(vouching)
        else:
            self._undetermined(vouching, finding, seen)
        return None

    def _undetermined(self, vouching: Vouching, finding: Finding, seen: list[str]) -> None:
        assert vouching.group.revocation is not None
        policy = vouching.group.revocation.on_unknown
        said = [*seen, *finding.why]
        if policy == "allow":
            self._note("noted", vouching.group.name, [*said, "allowed, since on_unknown is allow"])
            self._admit(vouching)
            self.unchecked.append(vouching.group.name)
            # nobody keeps in memory that something could not be told
            self.until = min(self.until, self.now)
        else:
            self._note("noted", vouching.group.name, said)
            self.unknown = Refusal(
                reasons.REVOCATION_UNKNOWN, {**facts_of(finding), "trust_anchors": (vouching.group.name,)}
            )

    def _admit(self, vouching: Vouching) -> None:
        self.clients.update(dict.fromkeys(vouching.clients, PKI))

    def _note(self, outcome: Outcome, group: str, seen: Fact) -> None:
        self.trace.append(Check("revocation", outcome, f"no certificate revoked, says {group}", seen))

    def _refused(self, refusal: Refusal) -> Refused:
        return Refused(refusal, self.standing.certificate, (*self.trace, failed(refusal)), self.standing)
