"""Whether any certificate of a path is revoked, from what is known at this moment.

Nothing is fetched here. Where a source has not said anything yet but could be asked, the finding is
`awaited`, with the questions; whoever may wait has them answered and asks again.

The first source in the policy's order that can tell decides. But a revocation is never overlooked: where
another source, not older, says that a certificate is revoked, it is revoked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Literal, Protocol

import attrs

from mtlsd.errors import Fact
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.crl_check import CrlAnswer, check_crls
from mtlsd.pki.crl_table import CrlTable
from mtlsd.pki.path import AnchorGroup, Path
from mtlsd.pki.revocation import Answer, RevocationPolicy, Source

QuestionKey = tuple[Source, str, bytes]


@attrs.frozen
class Question:
    """What a source could still be asked: about one certificate of a path that has been validated.

    :ivar group: the group whose policy and sources are meant.
    :ivar position: of the certificate in the path; never the last.
    """

    source: Source
    group: str
    path: Path
    position: int

    @property
    def certificate(self) -> Certificate:
        return self.path.certificates[self.position]

    @property
    def key(self) -> QuestionKey:
        """Equal for the same question, whatever connection it came from."""
        return self.source, self.group, self.certificate.sha256


class Known(Protocol):
    """What is known at this moment. It grows while it is read; each reading is of one moment.

    :ivar version: changes whenever anything that was said before may be different now.
    """

    @property
    def version(self) -> int: ...

    def crls(self, group: str, /) -> CrlTable:
        """The lists of that group."""

    def ocsp(self, group: str, certificate: Certificate, issuer: Certificate, /) -> Answer | None:
        """What a responder said of the certificate: verified, but perhaps not fresh any more."""


Failures = Mapping[QuestionKey, str]
"""For each question that was asked and got no answer: why."""

_END = datetime.max.replace(tzinfo=UTC)

NOT_ASKED: Failures = MappingProxyType({})
"""Before anybody has been asked."""


@attrs.frozen
class Finding:
    """What is known about a whole path.

    :ivar answers: for each certificate below the anchor, as far as it is known, leaf first.
    :ivar certificate: the one that is revoked or unknown; None otherwise.
    :ivar why: where nobody can tell: what each source said.
    :ivar until: when any of it stops being true; None where nothing ever does.
    """

    status: Literal["good", "revoked", "unknown", "awaited"]
    answers: tuple[Answer, ...] = ()
    certificate: Certificate | None = None
    why: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    until: datetime | None = None


def check_revocation(
    path: Path, group: AnchorGroup, known: Known, now: datetime, failures: Failures = NOT_ASKED
) -> Finding:
    """Check every certificate of the path but its anchor (R38, R40).

    :param group: with a revocation policy.
    :param failures: the questions that were asked in vain. They are not asked again: the next source is, and
        where there is none, nobody can tell.
    """
    assert group.revocation is not None
    check = _Check(group.name, group.revocation, known, now, failures)
    findings = [check.certificate(path, position) for position in range(len(path.certificates) - 1)]
    return _together(findings)


@attrs.frozen
class _Said:
    """What one source says of one certificate: an answer that counts, or why there is none."""

    answer: Answer | None = None
    why: str = ""
    question: Question | None = None


@attrs.frozen
class _Check:
    group: str
    policy: RevocationPolicy
    known: Known
    now: datetime
    failures: Failures

    def certificate(self, path: Path, position: int) -> Finding:
        said = [self._ask(source, path, position) for source in self.policy.order]
        for number, own in enumerate(said):
            if own.answer is not None:
                return self._decided(path.certificates[position], own.answer, said[number + 1 :])
            if own.question is not None:
                break
        return self._undecided(path.certificates[position], said)

    def _decided(self, certificate: Certificate, answer: Answer, later: list[_Said]) -> Finding:
        for own in later:
            other = own.answer
            if (
                other is not None
                and other.status == "revoked"
                and answer.status != "revoked"
                and other.this_update >= answer.this_update
            ):
                answer = other
        until = self._fresh_until(answer)
        if answer.status == "revoked":
            return Finding("revoked", (answer,), certificate, until=until)
        return Finding("good", (answer,), until=until)

    def _undecided(self, certificate: Certificate, said: list[_Said]) -> Finding:
        revoked = next((own.answer for own in said if own.answer and own.answer.status == "revoked"), None)
        if revoked is not None:
            return Finding("revoked", (revoked,), certificate, until=self._fresh_until(revoked))
        whys = tuple(own.why for own in said if own.why)
        question = next((own.question for own in said if own.question is not None), None)
        if question is not None:
            return Finding("awaited", (), certificate, whys, (question,))
        return Finding("unknown", (), certificate, whys)

    def _ask(self, source: Source, path: Path, position: int) -> _Said:
        return self._crl(path, position) if source == "crl" else self._ocsp(path, position)

    def _crl(self, path: Path, position: int) -> _Said:
        found = check_crls(path, position, self.known.crls(self.group), self.now, self.policy.grace)
        if found.status != "unknown":
            return _Said(found.answer())
        # Even where nothing is to be fetched: whoever has the lists may not know this path's CAs yet.
        return self._open("crl", path, position, _why(found))

    def _ocsp(self, path: Path, position: int) -> _Said:
        certificate, issuer = path.certificates[position : position + 2]
        answer = self.known.ocsp(self.group, certificate, issuer)
        if answer is not None and self._fresh_until(answer) > self.now:
            if answer.status != "unknown":
                return _Said(answer)
            if not answer.is_worth_asking_again(self.now):
                return _Said(why=f"ocsp.unknown: {answer.source} does not know the certificate")
        said = _Said(why="ocsp.no_url: the certificate names no responder")
        if self.policy.ocsp_url is not None or certificate.ocsp_urls:
            said = self._open("ocsp", path, position, "ocsp.none: no responder has been asked")
        if said.question is None and answer is not None and answer.status == "revoked":
            return _Said(answer)  # until somebody says otherwise: silence is no pardon
        return said

    def _open(self, source: Source, path: Path, position: int, why: str) -> _Said:
        """A question, unless it has been asked in vain."""
        question = Question(source, self.group, path, position)
        failure = self.failures.get(question.key)
        return _Said(question=question, why=why) if failure is None else _Said(why=failure or why)

    def _fresh_until(self, answer: Answer) -> datetime:
        """The end of an answer's life under this policy."""
        if answer.source.startswith("crl "):
            assert answer.next_update is not None
            return _later(answer.next_update, self.policy.grace)
        if answer.next_update is None:
            return answer.fresh_until or answer.this_update
        return min(
            _later(answer.next_update, self.policy.grace), _later(answer.this_update, self.policy.max_age)
        )


def _later(instant: datetime, span: timedelta) -> datetime:
    """The sum, or the end of time: 99991231235959Z means never."""
    return instant + span if instant < _END - span else _END


def _why(found: CrlAnswer) -> str:
    return f"{found.why}: {found.detail}" if found.detail else str(found.why)


_RANK = ("revoked", "awaited", "unknown", "good")


def _together(findings: list[Finding]) -> Finding:
    """The worst of them, with everything that was found."""
    if not findings:
        return Finding("good")  # the leaf is the anchor itself: nobody revokes an anchor
    worst = min(findings, key=lambda own: _RANK.index(own.status))
    return attrs.evolve(
        worst,
        answers=tuple(answer for own in findings for answer in own.answers),
        questions=tuple(question for own in findings for question in own.questions),
        until=min((own.until for own in findings if own.until is not None), default=None),
    )


def shown(finding: Finding, now: datetime) -> Iterator[str]:
    """Each answer for people: what, from where, and how old."""
    for answer in finding.answers:
        age = timedelta(seconds=int((now - answer.this_update).total_seconds()))
        reason = f" ({answer.reason})" if answer.status == "revoked" and answer.reason else ""
        yield f"{answer.status}{reason}: {answer.source}, {age} old"


def facts_of(finding: Finding) -> dict[str, Fact]:
    """For a refusal: which certificate, and what the sources said."""
    facts: dict[str, Fact] = {}
    if finding.certificate is not None:
        facts |= finding.certificate.facts()
    if finding.status == "revoked":
        answer = next(own for own in finding.answers if own.status == "revoked")
        facts |= {"source": answer.source, "this_update": answer.this_update.isoformat()}
        facts["revocation_reason"] = answer.reason
        facts["revoked_at"] = None if answer.revoked_at is None else answer.revoked_at.isoformat()
    else:
        facts["seen"] = list(finding.why)
    return facts
