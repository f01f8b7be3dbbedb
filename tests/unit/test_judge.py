"""The judge: whose certificate is this?"""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from mtlsd import reasons
from mtlsd.clients.client import Client
from mtlsd.clients.methods import PKI, SELF_SIGNED
from mtlsd.judge import Identity, Judgement, PresentedCertificate, Refused, Snapshot, judge, match_client
from mtlsd.verdicts import Judge
from tests.pki import BAD, GOOD, NOW, SUBJECT, Pki, Presented, dn
from tests.unit.world import (
    LISTENER,
    PARTNERS,
    SUBJECTS,
    client,
    group,
    honest_clients,
    honest_snapshot,
    offline,
    snapshot,
)

REAL = Pki(NOW)


@pytest.fixture(scope="module")
def honest() -> Snapshot:
    return honest_snapshot(REAL)


def identity(judgement: Judgement) -> Identity:
    assert isinstance(judgement, Identity), judgement
    return judgement


def refused(judgement: Judgement) -> Refused:
    assert isinstance(judgement, Refused), judgement
    return judgement


@pytest.mark.parametrize("name", BAD)
def test_bad_certificates_are_refused(name: str, honest: Snapshot) -> None:
    """R3, R31, R38, R39, R46: each kind for its reason, and the trace ends with it."""
    kind = BAD[name]
    judgement = refused(judge(offline(kind.make(REAL)), honest, NOW))
    assert judgement.refusal.reason.code in kind.reasons
    assert judgement.trace[-1].outcome == "failed"
    assert judgement.trace[-1].reason == judgement.refusal.reason.code


@pytest.mark.parametrize("name", GOOD)
def test_good_certificates_are_accepted(name: str, honest: Snapshot) -> None:
    judgement = identity(judge(offline(GOOD[name].make(REAL)), honest, NOW))
    assert judgement.clients
    assert all(check.outcome != "failed" for check in judgement.trace)
    assert judgement.valid_until <= judgement.certificate.not_after


@pytest.mark.parametrize("kind", ["subject_dn", "san_dns", "san_uri", "san_ip", "san_email"])
def test_each_kind_of_name_finds_its_client_alone(kind: str, honest: Snapshot) -> None:
    """R10"""
    judgement = identity(judge(offline(GOOD[kind].make(REAL)), honest, NOW))
    expected = next(client_id for client_id, (member, _) in SUBJECTS.items() if member.endswith(kind))
    assert judgement.clients == {expected: PKI}
    assert judgement.groups == (PARTNERS,)


def test_a_pin_needs_no_path(honest: Snapshot) -> None:
    """R12"""
    judgement = identity(judge(offline(REAL.pinned), honest, NOW))
    assert set(judgement.clients.values()) == {SELF_SIGNED}
    assert judgement.groups == ()


def test_a_pin_ends_with_its_certificate(honest: Snapshot) -> None:
    """P20"""
    judgement = refused(judge(offline(REAL.pinned), honest, NOW + timedelta(days=400)))
    assert judgement.refusal.reason is reasons.CERTIFICATE_EXPIRED


def test_a_certificate_may_be_pinned_and_vouched_for() -> None:
    good = REAL.leaf()
    both = snapshot([*honest_clients(REAL)[:1], client("pinned", [good.leaf])], group(PARTNERS, REAL.anchors))
    assert identity(judge(offline(good), both, NOW)).clients == {"by-dn": PKI, "pinned": SELF_SIGNED}


def test_a_pin_stands_where_the_path_fails() -> None:
    """Its name is a registered one, but it is the pin alone that counts."""
    other = Pki(NOW).ca("Another CA", None)
    pinned = REAL.leaf(other)
    world = snapshot([client("named", tls_client_auth_subject_dn=SUBJECT), client("pinned", [pinned.leaf])],
                     group(PARTNERS, REAL.anchors))  # fmt: skip
    assert identity(judge(offline(pinned), world, NOW)).clients == {"pinned": SELF_SIGNED}


def test_a_disabled_client_is_refused() -> None:
    disabled = client("a", tls_client_auth_subject_dn=SUBJECT, disabled=True)
    world = snapshot([disabled], group(PARTNERS, REAL.anchors))
    judgement = refused(judge(offline(REAL.leaf()), world, NOW))
    assert judgement.refusal.reason is reasons.CLIENT_DISABLED
    pinned = snapshot([client("a", [REAL.pinned.leaf], disabled=True)])
    assert refused(judge(offline(REAL.pinned), pinned, NOW)).refusal.reason is reasons.CLIENT_DISABLED


def publishing(client_id: str, *pins: bytes) -> Client:
    """A client whose `jwks_uri` has been fetched."""
    given = {"client_id": client_id, "token_endpoint_auth_method": SELF_SIGNED}
    own = Client.from_metadata({**given, "jwks_uri": "https://a.example/"}, place="test")
    return attrs.evolve(own, pins=pins)


def test_a_certificate_that_several_publish() -> None:
    """It is each of theirs: the request says whose, and whoever is disabled takes it from nobody."""
    pin = REAL.pinned.leaf
    several = snapshot([publishing("a", pin), publishing("b", pin), client("c", [pin], disabled=True)])
    judgement = identity(judge(offline(REAL.pinned), several, NOW))
    assert judgement.clients == {"a": SELF_SIGNED, "b": SELF_SIGNED}
    off = snapshot([client("c", [pin], disabled=True)])
    assert refused(judge(offline(REAL.pinned), off, NOW)).refusal.reason is reasons.CLIENT_DISABLED


class TestScopedTrust:
    """R30: each client names the anchor groups that may vouch for it."""

    other = Pki(NOW).ca("Other Root", None)

    def world(self, trust_anchors: list[str]) -> Snapshot:
        owner = client("a", tls_client_auth_subject_dn=SUBJECT, trust_anchors=trust_anchors)
        return snapshot([owner], group(PARTNERS, REAL.anchors), group("others", [self.other.der]))

    def test_another_group_does_not_vouch(self) -> None:
        judgement = refused(judge(offline(REAL.leaf(self.other)), self.world([PARTNERS]), NOW))
        assert judgement.refusal.reason is reasons.SUBJECT_UNKNOWN
        assert judgement.refusal.facts["trust_anchors"] == ("others",)

    def test_each_named_group_does(self) -> None:
        world = self.world([PARTNERS, "others"])
        for good in (REAL.leaf(), REAL.leaf(self.other)):
            assert identity(judge(offline(good), world, NOW)).clients == {"a": PKI}

    def test_groups_that_share_an_anchor_both_vouch(self) -> None:
        owner = client("a", tls_client_auth_subject_dn=SUBJECT, trust_anchors=["twin"])
        world = snapshot([owner], group(PARTNERS, REAL.anchors), group("twin", REAL.anchors))
        assert identity(judge(offline(REAL.leaf()), world, NOW)).groups == (PARTNERS, "twin")

    def test_a_path_to_the_clients_own_group_is_tried_too(self) -> None:
        """The handshake's path ended in another group, as happens with CAs that have signed each other."""
        good = REAL.leaf()
        path = (good.leaf, *good.chain, self.other.der)
        presented = PresentedCertificate(good.leaf, good.chain, LISTENER, path=path)
        judgement = identity(judge(presented, self.world([PARTNERS]), NOW))
        assert judgement.clients == {"a": PKI}
        assert judgement.standing.by_chain_as_sent

    def test_a_path_that_ends_in_no_anchor_gives_no_group(self) -> None:
        """Whatever a handshake calls a path: who vouches is decided by the anchors that are held here."""
        stranger = Pki(NOW).ca("Stranger", None)
        bad = REAL.leaf(stranger)
        presented = PresentedCertificate(bad.leaf, (), LISTENER, path=(bad.leaf, stranger.der))
        judgement = refused(judge(presented, self.world([PARTNERS]), NOW))
        assert judgement.refusal.reason is reasons.SUBJECT_UNKNOWN


def test_reversed_order_is_said_and_not_accepted() -> None:
    """R34, P22"""
    backwards = ",".join(reversed(SUBJECT.split(",")))
    world = snapshot([client("a", tls_client_auth_subject_dn=backwards)], group(PARTNERS, REAL.anchors))
    judgement = refused(judge(offline(REAL.leaf()), world, NOW))
    assert judgement.refusal.reason is reasons.SUBJECT_UNKNOWN
    assert "reversed" in str(judgement.refusal.facts["expected"])


def test_source_makes_no_difference(honest: Snapshot) -> None:
    """One judge for every source: the same trace for the same certificate."""
    good = GOOD["ec_p256"].make(REAL)
    path = (good.leaf, *good.chain, REAL.root.der)
    in_handshake = PresentedCertificate(good.leaf, good.chain, LISTENER, path=path)
    assert (
        identity(judge(in_handshake, honest, NOW)).trace == identity(judge(offline(good), honest, NOW)).trace
    )


class TestMatchClient:
    """R2, R3: the request names the client, and the certificate is checked against that registration."""

    def found(self, presented: Presented, honest: Snapshot) -> Identity:
        return identity(judge(offline(presented), honest, NOW))

    def test_its_own(self, honest: Snapshot) -> None:
        own = honest.clients.by_id("by-dns")
        assert own is not None
        assert match_client(self.found(REAL.leaf(), honest), own) is None

    def test_anothers(self, honest: Snapshot) -> None:
        for client_id in honest.clients.registrations:
            for kind in ("subject_dn", "san_dns", "san_uri", "san_ip", "san_email"):
                found = self.found(GOOD[kind].make(REAL), honest)
                named = honest.clients.by_id(client_id)
                assert named is not None
                assert (match_client(found, named) is None) == (client_id in found.clients)

    def test_facts_have_expected_and_seen(self, honest: Snapshot) -> None:
        named = honest.clients.by_id("by-dn")
        assert named is not None
        refusal = match_client(self.found(GOOD["san_dns"].make(REAL), honest), named)
        assert refusal is not None
        assert refusal.reason is reasons.SUBJECT_MISMATCH
        assert SUBJECT in str(refusal.facts["expected"])
        assert "CN=by dns" in str(refusal.facts["seen"])

    def test_registered_by_another_method(self) -> None:
        """A client registered for a name is not authenticated by a pin of the same certificate, nor back."""
        good = REAL.leaf()
        found = identity(judge(offline(good), snapshot([client("a", [good.leaf])]), NOW))
        named = client("a", tls_client_auth_subject_dn=SUBJECT)
        refusal = match_client(found, named)
        assert refusal is not None
        assert refusal.reason is reasons.SUBJECT_MISMATCH

    def test_disabled(self, honest: Snapshot) -> None:
        own = honest.clients.by_id("by-dn")
        assert own is not None
        refusal = match_client(self.found(REAL.leaf(), honest), attrs.evolve(own, disabled=True))
        assert refusal is not None
        assert refusal.reason is reasons.CLIENT_DISABLED


class TestMemory:
    """Verdicts are cached by certificate and snapshot, bounded."""

    def test_remembers_identities_only(self, honest: Snapshot) -> None:
        remembering = Judge(honest)
        good, bad = offline(REAL.leaf()), offline(BAD["eku_server_auth"].make(REAL))
        assert remembering.judge(good, NOW) is remembering.judge(good, NOW)
        assert remembering.judge(bad, NOW) is not remembering.judge(bad, NOW)

    def test_forgets_at_not_after(self, honest: Snapshot) -> None:
        remembering = Judge(honest)
        good = offline(REAL.leaf())
        until = identity(remembering.judge(good, NOW)).valid_until
        assert isinstance(remembering.judge(good, until), Identity)
        assert isinstance(remembering.judge(good, until + timedelta(seconds=1)), Refused)

    def test_is_bounded(self, honest: Snapshot) -> None:
        remembering = Judge(honest, max_entries=2)
        first, *others = [offline(REAL.leaf(valid=REAL.valid(-1, 1 + days))) for days in range(3)]
        found = remembering.judge(first, NOW)
        for other in others:
            remembering.judge(other, NOW)
        assert remembering.judge(first, NOW) is not found

    def test_a_client_fills_no_memory(self, honest: Snapshot) -> None:
        """A proxy forwards whatever its client has sent beside its certificate."""
        remembering = Judge(honest)
        for good in (REAL.leaf(), REAL.pinned):
            through = attrs.evolve(offline(good), source="forwarded")
            found = remembering.judge(through, NOW)
            assert remembering.judge(through, NOW) is found
            before = remembering.remembered
            for more in [(REAL.self_signed(f"{number}").leaf,) for number in range(5)] + [good.chain * 2]:
                longer = attrs.evolve(through, chain=(*good.chain, *more))
                assert isinstance(remembering.judge(longer, NOW), Identity)
            assert remembering.remembered == before
            assert remembering.judge(through, NOW) is found

    def test_another_chain_is_another_question(self, honest: Snapshot) -> None:
        """What was found by one chain as sent says nothing of another one."""
        remembering = Judge(honest)
        good = REAL.leaf()
        assert isinstance(remembering.judge(offline(good), NOW), Identity)
        assert isinstance(remembering.judge(offline(attrs.evolve(good, chain=())), NOW), Refused)

    def test_no_path_of_a_handshake_is_taken_for_another(self, honest: Snapshot) -> None:
        remembering = Judge(honest)
        good = REAL.leaf()
        path = (good.leaf, *good.chain, REAL.root.der)
        built = PresentedCertificate(good.leaf, good.chain, LISTENER, path=path)
        assert isinstance(remembering.judge(built, NOW), Identity)
        assert isinstance(remembering.judge(attrs.evolve(built, path=None, chain=()), NOW), Refused)

    def test_pins(self, honest: Snapshot) -> None:
        remembering = Judge(honest)
        pinned = identity(remembering.judge(offline(REAL.pinned), NOW)).certificate
        assert remembering.is_pinned(pinned.sha256, pinned.der)
        assert not remembering.is_pinned(pinned.sha256, pinned.der + b"\0")
        assert not remembering.is_pinned(b"\0" * 32, pinned.der)


def test_an_empty_subject_matches_nothing() -> None:
    """P21; strict checking refuses it before that."""
    nameless = offline(REAL.leaf(subject=dn(), names=None))
    lax = snapshot(honest_clients(REAL), group(PARTNERS, REAL.anchors), strict=False)
    assert refused(judge(nameless, lax, NOW)).refusal.reason is reasons.SUBJECT_UNKNOWN
