"""What is known about revocation: the judge reads it, and a request that has to know more waits here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import attrs
from twisted.internet.defer import CancelledError, Deferred, DeferredList, gatherResults, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from mtlsd.pki.certificate import Certificate
from mtlsd.pki.crl_table import CrlTable
from mtlsd.pki.path import AnchorGroup, Path
from mtlsd.pki.revocation import Answer
from mtlsd.pki.revocation_check import Failures, Question, QuestionKey, check_revocation

_NO_LISTS = CrlTable.build(())


class Lists(Protocol):
    """The revocation lists of one group: :class:`mtlsd.revocation.crl_sources.CrlSources`."""

    @property
    def table(self) -> CrlTable: ...

    def note(self, path: Path, /) -> None: ...

    async def ensure(self, path: Path, position: int, /) -> str | None: ...


class Answers(Protocol):
    """What responders said: :class:`mtlsd.revocation.ocsp_answers.OcspAnswers`."""

    def get(self, group_name: str, certificate: Certificate, issuer: Certificate, /) -> Answer | None: ...

    async def ask(self, group: AnchorGroup, path: Path, position: int, /) -> str | None: ...


@attrs.define(eq=False)
class Version:
    """Counts what changes."""

    number: int = 0

    def changed(self) -> None:
        self.number += 1


@attrs.define(eq=False)
class Knowledge:
    """What is known for the groups of one configuration: a :class:`mtlsd.pki.revocation_check.Known`.

    :ivar lists: for each group that has some.
    :ivar wait_seconds: how long a request waits for everything that it needs to know.
    :ivar max_waiting: how many requests wait at once; the others are told at once that nobody knows.
    """

    groups: Mapping[str, AnchorGroup]
    lists: Mapping[str, Lists]
    answers: Answers
    wait_seconds: float
    clock: IReactorTime
    now: Callable[[], datetime]
    _version: Version
    max_waiting: int = 2000
    _waiting: int = attrs.field(default=0, init=False)

    @property
    def version(self) -> int:
        return self._version.number

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return self._waiting

    def crls(self, group: str, /) -> CrlTable:
        lists = self.lists.get(group)
        return _NO_LISTS if lists is None else lists.table

    def ocsp(self, group: str, certificate: Certificate, issuer: Certificate, /) -> Answer | None:
        return self.answers.get(group, certificate, issuer)

    def resolve(self, questions: Sequence[Question]) -> Deferred[Failures]:
        """Have questions answered, each certificate's sources one after the other, within one deadline.

        Where a source does not answer, or its answer does not help, the next one is asked.

        :returns: fires with all that were asked in vain, and does not fail. Cancel it to give up, which keeps
            nobody else from an answer.
        """
        inquiries = {(own.group, own.path): _Inquiry(self, own.group, own.path) for own in questions}
        if self._waiting >= self.max_waiting:
            return succeed(_given_up(inquiries.values(), "revocation.busy: too many requests wait"))
        self._waiting += 1
        running = DeferredList(
            [Deferred.fromCoroutine(own.run()) for own in inquiries.values()], consumeErrors=True
        )
        running.addTimeout(self.wait_seconds, self.clock, lambda *_: None)
        return _cancellable(running.addBoth(lambda _: self._ended(inquiries.values())))

    def _ended(self, inquiries: Iterable[_Inquiry]) -> Failures:
        """What is still open now is not going to be answered."""
        self._waiting -= 1
        return _given_up(inquiries, f"revocation.deadline: no answer within {self.wait_seconds:g} seconds")


@attrs.define(eq=False)
class _Inquiry:
    """All that has to be asked about one path for one group."""

    _log = Logger()

    known: Knowledge
    group: str
    path: Path
    failures: dict[QuestionKey, str] = attrs.field(factory=dict)

    async def run(self) -> None:
        while questions := self._open():
            # cancelled, it fails, and so ends this loop: a DeferredList would have it go on
            await gatherResults([Deferred.fromCoroutine(self._ask(own)) for own in questions], True)

    def give_up(self, why: str) -> None:
        """Ask nobody any more."""
        while questions := self._open():
            self.failures.update((own.key, why) for own in questions)

    def _open(self) -> Sequence[Question]:
        group = self.known.groups.get(self.group)
        if group is None or group.revocation is None:  # a reload has taken it away
            return ()
        return check_revocation(self.path, group, self.known, self.known.now(), self.failures).questions

    async def _ask(self, question: Question) -> None:
        """Ask, once. What the answer is worth is seen when the path is looked at again."""
        try:
            self.failures[question.key] = await self._answer(question) or ""
        except CancelledError:
            raise
        except Exception:
            self._log.failure("revocation.failed")
            self.failures[question.key] = "revocation.failed: see the log"

    async def _answer(self, question: Question) -> str | None:
        if question.source == "ocsp":
            group = self.known.groups[self.group]
            return await self.known.answers.ask(group, question.path, question.position)
        lists = self.known.lists.get(self.group)
        return "crl.none" if lists is None else await lists.ensure(question.path, question.position)


def _cancellable(running: Deferred[Failures]) -> Deferred[Failures]:
    """The same, but for whoever cancels it, it fails: he shall not go on. By itself a list of Deferreds that
    is cancelled succeeds, with their failures."""
    given_up: list[Deferred[Failures]] = []

    def give_up(waiting: Deferred[Failures]) -> None:
        given_up.append(waiting)
        running.cancel()

    waiting: Deferred[Failures] = Deferred(give_up)
    running.addCallback(lambda failures: None if given_up else waiting.callback(failures))
    return waiting


def _given_up(inquiries: Iterable[_Inquiry], why: str) -> Failures:
    for own in inquiries:
        own.give_up(why)
    return {key: why for own in inquiries for key, why in own.failures.items()}
