"""The judge and revocation: whose clients it takes away, and what it leaves open (R38 to R41)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from mtlsd import reasons
from mtlsd.judge import Identity, Judgement, Provisional, Refused, Snapshot, judge, settle
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.crl_table import CrlTable
from mtlsd.pki.path import AnchorGroup
from mtlsd.pki.revocation import Answer, RevocationPolicy, Status
from mtlsd.verdicts import Judge
from tests.pki import DNS, NOW, SUBJECT, Pki
from tests.unit.world import client, group, offline, snapshot

HOUR = timedelta(hours=1)
REAL = Pki(NOW)
PRESENTED = REAL.leaf(REAL.root)
LEAF = Certificate.from_der(PRESENTED.leaf)
OCSP = RevocationPolicy(("ocsp",), ocsp_url="http://ocsp.example/")


@attrs.define
class KnownHere:
    """What a test says is known, by the group's name."""

    answers: dict[str, Answer] = attrs.field(factory=dict)
    version: int = 0

    def crls(self, group: str, /) -> CrlTable:
        return CrlTable.build(())

    def ocsp(self, group: str, certificate: Certificate, issuer: Certificate, /) -> Answer | None:
        return self.answers.get(group)

    def learn(self, group: str, status: Status) -> None:
        self.answers[group] = Answer(status, "ocsp http://ocsp.example/", NOW - HOUR, NOW + HOUR)
        self.version += 1


def checked(name: str, **policy: Any) -> AnchorGroup:
    return attrs.evolve(group(name, [REAL.root.der]), revocation=attrs.evolve(OCSP, **policy))


def two_groups(known: KnownHere, **second: Any) -> Snapshot:
    """One CA in two groups, each with a client."""
    first = client("first", tls_client_auth_subject_dn=SUBJECT, trust_anchors=["one"])
    other = client("second", tls_client_auth_san_dns=DNS, trust_anchors=["two"])
    return attrs.evolve(snapshot([first, other], checked("one"), checked("two", **second)), revocation=known)


def code(judgement: Judgement) -> str:
    assert isinstance(judgement, Refused), judgement
    return judgement.refusal.reason.code


def clients(judgement: Judgement) -> set[str]:
    assert isinstance(judgement, Identity), judgement
    return set(judgement.clients)


def failed(judgement: Judgement) -> dict[Any, str]:
    assert isinstance(judgement, Provisional), judgement
    return {question.key: "fetch.deadline" for question in judgement.questions}


def test_what_nobody_has_said_is_left_open() -> None:
    known = KnownHere()
    whole = two_groups(known)
    judgement = judge(offline(PRESENTED), whole, NOW)
    assert isinstance(judgement, Provisional)
    assert {own.group for own in judgement.questions} == {"one", "two"}
    known.learn("one", "good")
    known.learn("two", "good")
    identity = settle(judgement.standing, known, NOW)
    assert clients(identity) == {"first", "second"}
    assert isinstance(identity, Identity)
    assert identity.good_until == NOW + HOUR


def test_revoked_for_one_group_is_revoked() -> None:
    """Even while another group still has to answer."""
    known = KnownHere()
    known.learn("two", "revoked")
    judgement = judge(offline(PRESENTED), two_groups(known), NOW)
    assert code(judgement) == "revocation.revoked"
    assert isinstance(judgement, Refused)
    assert judgement.refusal.facts["source"] == "ocsp http://ocsp.example/"
    assert judgement.refusal.reason.verify_error == 23


def test_a_group_that_cannot_tell_loses_its_clients_alone() -> None:
    known = KnownHere()
    known.learn("one", "good")
    whole = two_groups(known)
    waiting = judge(offline(PRESENTED), whole, NOW)
    assert isinstance(waiting, Provisional)
    assert clients(settle(waiting.standing, known, NOW, failed(waiting))) == {"first"}


def test_where_nobody_can_tell_it_is_refused_and_said_why() -> None:
    known = KnownHere()
    waiting = judge(offline(PRESENTED), two_groups(known), NOW)
    assert isinstance(waiting, Provisional)
    judgement = settle(waiting.standing, known, NOW, failed(waiting))
    assert code(judgement) == "revocation.unknown"
    assert isinstance(judgement, Refused)
    assert judgement.refusal.facts["seen"] == ["fetch.deadline"]
    assert judgement.refusal.facts["x5t#S256"] == LEAF.x5t_s256


def test_allow_is_seen_and_not_remembered() -> None:
    known = KnownHere()
    known.learn("one", "good")
    judging = Judge(two_groups(known, on_unknown="allow"))
    waiting = judging.judge(offline(PRESENTED), NOW)
    assert isinstance(waiting, Provisional)
    identity = judging.settle(waiting.standing, NOW, failed(waiting))
    assert clients(identity) == {"first", "second"}
    assert isinstance(identity, Identity)
    assert identity.unchecked == ("two",)
    assert any("allowed" in str(check.seen) for check in identity.trace)
    assert isinstance(judging.judge(offline(PRESENTED), NOW + timedelta(seconds=1)), Provisional)


def test_a_revoked_certificate_is_no_pin_either() -> None:
    """Where the same certificate is pinned and vouched for."""
    named = client("named", tls_client_auth_subject_dn=SUBJECT, trust_anchors=["one"])
    pinned = client("pinned", [PRESENTED.leaf])
    known = KnownHere()
    whole = attrs.evolve(snapshot([named, pinned], checked("one")), revocation=known)
    known.learn("one", "good")
    assert clients(judge(offline(PRESENTED), whole, NOW)) == {"named", "pinned"}
    known.learn("one", "unknown")
    waiting = judge(offline(PRESENTED), whole, NOW)
    assert isinstance(waiting, (Provisional, Identity))
    known.learn("one", "revoked")
    assert code(judge(offline(PRESENTED), whole, NOW)) == "revocation.revoked"


def test_a_group_without_policy_says_so() -> None:
    whole = snapshot([client("c", tls_client_auth_subject_dn=SUBJECT)], group("partners", [REAL.root.der]))
    judgement = judge(offline(PRESENTED), whole, NOW)
    assert any(check.name == "revocation" and check.outcome == "noted" for check in judgement.trace)


def test_memory_looks_again_when_anything_is_new() -> None:
    known = KnownHere()
    for name in ("one", "two"):
        known.learn(name, "good")
    judging = Judge(two_groups(known))
    first = judging.judge(offline(PRESENTED), NOW)
    assert judging.judge(offline(PRESENTED), NOW) is first
    known.learn("one", "revoked")
    assert code(judging.judge(offline(PRESENTED), NOW)) == "revocation.revoked"
    known.learn("one", "good")
    assert clients(judging.judge(offline(PRESENTED), NOW)) == {"first", "second"}


def test_memory_ends_with_the_answer() -> None:
    known = KnownHere()
    for name in ("one", "two"):
        known.learn(name, "good")
    judging = Judge(two_groups(known))
    assert clients(judging.judge(offline(PRESENTED), NOW + HOUR - timedelta(seconds=1)))
    assert isinstance(judging.judge(offline(PRESENTED), NOW + 2 * HOUR), Provisional)


@pytest.mark.parametrize("reason", [reasons.REVOCATION_REVOKED, reasons.REVOCATION_UNKNOWN])
def test_the_caller_learns_nothing(reason: Any) -> None:
    """R45: the same answer as for every other failed authentication."""
    assert (reason.error, reason.status) == ("invalid_client", 401)
