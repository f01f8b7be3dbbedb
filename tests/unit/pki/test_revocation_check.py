"""Whether a path is revoked, from what is known: policies, orders and contradictions (R38, R40, R41)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from mtlsd.pki.certificate import Certificate
from mtlsd.pki.crl_issuer import read_list
from mtlsd.pki.crl_table import CrlTable
from mtlsd.pki.path import AnchorGroup, Path
from mtlsd.pki.revocation import Answer, RevocationPolicy, Status
from mtlsd.pki.revocation_check import NOT_ASKED, Failures, Finding, check_revocation, shown
from tests.pki import NOW, Pki, dn
from tests.pki.crls import crl_of, entry

HOUR = timedelta(hours=1)
REAL = Pki(NOW)
URL = "http://ocsp.example/"
LEAF = Certificate.from_der(REAL.leaf(REAL.root).leaf)
ROOT = Certificate.from_der(REAL.root.der)
PATH = Path((LEAF, ROOT))


@attrs.define
class KnownHere:
    """What a test says is known."""

    lists: CrlTable = attrs.field(factory=lambda: CrlTable.build(()))
    answers: dict[bytes, Answer] = attrs.field(factory=dict)
    version: int = 0

    def crls(self, group: str, /) -> CrlTable:
        return self.lists

    def ocsp(self, group: str, certificate: Certificate, issuer: Certificate, /) -> Answer | None:
        return self.answers.get(certificate.sha256)


def listed(*serials: int, this_update: datetime = NOW - HOUR) -> CrlTable:
    """A list of the root's with these serial numbers."""
    der = crl_of(REAL.root, *map(entry, serials), this_update=this_update).der()
    return CrlTable.build([read_list(der, [Path((ROOT,))], NOW, name="list")])


def said(status: Status, this_update: datetime = NOW - HOUR, life: timedelta | None = 4 * HOUR) -> Answer:
    next_update = None if life is None else this_update + life
    return Answer(status, f"ocsp {URL}", this_update, next_update, fresh_until=this_update + HOUR)


def find(known: KnownHere, failures: Failures = NOT_ASKED, **policy: Any) -> Finding:
    group = AnchorGroup("g", (ROOT,), revocation=RevocationPolicy(**{"ocsp_url": URL, **policy}))
    return check_revocation(PATH, group, known, NOW, failures)


BOTH = ("ocsp", "crl")


def test_the_first_source_that_can_tell_decides() -> None:
    known = KnownHere(listed(), {LEAF.sha256: said("good")})
    for order in (BOTH, BOTH[::-1]):
        finding = find(known, order=order)
        assert finding.status == "good"
        assert finding.answers[0].source.startswith(order[0])
        assert finding.until == finding.answers[0].next_update


@pytest.mark.parametrize("order", [BOTH, BOTH[::-1]])
def test_whoever_says_revoked_is_heard(order: tuple[str, str]) -> None:
    """The order says whom to ask first, not whom to believe that nothing happened."""
    newer = NOW - HOUR / 2
    by_list = KnownHere(listed(LEAF.serial_number, this_update=newer), {LEAF.sha256: said("good")})
    by_ocsp = KnownHere(listed(), {LEAF.sha256: said("revoked", newer)})
    assert find(by_list, order=order).status == "revoked"
    assert find(by_ocsp, order=order).status == "revoked"


def test_an_older_list_does_not_contradict_a_newer_answer() -> None:
    """Whoever was on hold and is released again is not refused for the life of the list."""
    known = KnownHere(listed(LEAF.serial_number), {LEAF.sha256: said("good", NOW)})
    assert find(known, order=BOTH).status == "good"


def test_a_question_waits_for_its_turn() -> None:
    known = KnownHere()
    finding = find(known, order=BOTH, crl_urls=("http://crl.example/",))
    assert (finding.status, [own.source for own in finding.questions]) == ("awaited", ["ocsp"])
    failures = {finding.questions[0].key: "ocsp.stale"}
    finding = find(known, failures, order=BOTH, crl_urls=("http://crl.example/",))
    assert (finding.status, [own.source for own in finding.questions]) == ("awaited", ["crl"])
    failures[finding.questions[0].key] = "fetch.deadline"
    finding = find(known, failures, order=BOTH, crl_urls=("http://crl.example/",))
    assert (finding.status, finding.why) == ("unknown", ("ocsp.stale", "fetch.deadline"))
    assert finding.certificate == LEAF


def test_a_revocation_that_is_known_waits_for_nobody() -> None:
    known = KnownHere(listed(LEAF.serial_number))
    assert find(known, order=BOTH).status == "revoked"


def test_after_a_failure_the_next_source_tells() -> None:
    asked = find(KnownHere(listed()), order=BOTH).questions[0]
    assert find(KnownHere(listed()), {asked.key: "ocsp.stale"}, order=BOTH).status == "good"


@pytest.mark.parametrize(
    "answer",
    [
        said("unknown"),
        said("good", NOW - 10 * HOUR),
        said("good", NOW - timedelta(days=8), timedelta(days=30)),
        said("good", NOW - 2 * HOUR, None),
    ],
    ids=["unknown", "past nextUpdate", "too old", "no nextUpdate"],
)
def test_what_does_not_count(answer: Answer) -> None:
    """R41, P23: unknown is not good, and neither is what is stale, whatever it says of itself."""
    finding = find(KnownHere(answers={LEAF.sha256: answer}), order=("ocsp",))
    assert finding.status in ("awaited", "unknown")
    closed = find(
        KnownHere(answers={LEAF.sha256: answer}),
        {question.key: "asked" for question in finding.questions},
        order=("ocsp",),
    )
    assert closed.status == "unknown"


def test_grace_after_next_update() -> None:
    known = KnownHere(answers={LEAF.sha256: said("good", NOW - 5 * HOUR)})
    assert find(known, order=("ocsp",)).status == "awaited"
    finding = find(known, order=("ocsp",), grace=2 * HOUR)
    assert (finding.status, finding.until) == ("good", NOW + HOUR)


def test_nobody_to_ask() -> None:
    finding = find(KnownHere(), order=BOTH, ocsp_url=None)
    finding = find(KnownHere(), {finding.questions[0].key: ""}, order=BOTH, ocsp_url=None)
    assert finding.status == "unknown"
    assert [why.split(":")[0] for why in finding.why] == ["ocsp.no_url", "crl.none"]


def test_every_certificate_of_the_path() -> None:
    """R40: a revoked intermediate revokes what is below it."""
    presented = REAL.leaf(REAL.intermediate, dn(CN="below"))
    leaf, intermediate = Certificate.from_der(presented.leaf), Certificate.from_der(REAL.intermediate.der)
    group = AnchorGroup("g", (ROOT,), revocation=RevocationPolicy(("ocsp",), ocsp_url=URL))
    known = KnownHere(answers={leaf.sha256: said("good"), intermediate.sha256: said("revoked")})
    path = Path((leaf, intermediate, ROOT))
    finding = check_revocation(path, group, known, NOW)
    assert (finding.status, finding.certificate) == ("revoked", intermediate)
    del known.answers[intermediate.sha256]
    finding = check_revocation(path, group, known, NOW)
    assert [own.certificate for own in finding.questions] == [intermediate]
    assert check_revocation(Path((ROOT,)), group, known, NOW).status == "good"


def test_an_age_is_shown() -> None:
    finding = find(KnownHere(answers={LEAF.sha256: said("good")}), order=("ocsp",))
    assert list(shown(finding, NOW)) == [f"good: ocsp {URL}, 1:00:00 old"]


def test_silence_is_no_pardon() -> None:
    """A certificate that was revoked when the responder was last heard of stays so, whatever the policy."""
    known = KnownHere(answers={LEAF.sha256: said("revoked", NOW - 10 * HOUR)})
    finding = find(known, order=("ocsp",), on_unknown="allow")
    assert finding.status == "awaited"
    asked = {finding.questions[0].key: "fetch.deadline"}
    assert find(known, asked, order=("ocsp",), on_unknown="allow").status == "revoked"


def test_never_is_an_instant_too() -> None:
    """nextUpdate 99991231235959Z, with a grace after it."""
    never = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    known = KnownHere(answers={LEAF.sha256: Answer("good", f"ocsp {URL}", NOW - HOUR, never)})
    finding = find(known, order=("ocsp",), grace=HOUR, max_age=timedelta(days=7))
    assert (finding.status, finding.until) == ("good", NOW - HOUR + timedelta(days=7))


def test_who_does_not_know_is_asked_again_soon() -> None:
    """A certificate may be newer than what its responder has heard."""
    fetched = attrs.evolve(said("unknown"), fetched_at=NOW - timedelta(seconds=59))
    assert find(KnownHere(answers={LEAF.sha256: fetched}), order=("ocsp",)).status == "unknown"
    fetched = attrs.evolve(fetched, fetched_at=NOW - timedelta(seconds=60))
    assert find(KnownHere(answers={LEAF.sha256: fetched}), order=("ocsp",)).status == "awaited"
