"""The verify callback against real clients, honest and not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import attrs
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL

from mtlsd.judge import Identity, Judgement, PresentedCertificate
from mtlsd.tls import alerts
from mtlsd.tls.context import build_context
from mtlsd.tls.peer import Judging, NotProvenError
from mtlsd.tls.verify import Verifier
from mtlsd.verdicts import Judge
from tests.pki import BAD, DNS, Presented, dn, ec_key, issue
from tests.unit.tls.memory import (
    LISTENER,
    PKI,
    VERSIONS,
    Forgetful,
    Handshake,
    client_context,
    creator,
    judge_of,
    now,
    pinned_client,
    pki_client,
    server_tls,
    shake,
    thief_context,
)

pytestmark = pytest.mark.parametrize("version", VERSIONS)

BILLING = pki_client("billing", tls_client_auth_san_dns=DNS)


def test_nothing_is_judged_on_a_connection_that_is_open(
    version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no renegotiation; if there were, it would be refused."""
    handshake = shake(creator(judge_of(BILLING)), client_context(PKI.leaf(), version))
    errors: list[int] = []
    monkeypatch.setattr(alerts, "set_error", lambda store, error: errors.append(error))
    verifier = Verifier(LISTENER, "response", now)
    assert not verifier(handshake.server, True, alerts.StoreContext(object()))
    assert errors == [alerts.UNSPECIFIED]
    assert isinstance(handshake.peer.judgement, Identity)


@attrs.define
class Recording(Forgetful):
    """The true judge, and what it was asked."""

    judging: Judge
    asked: list[PresentedCertificate] = attrs.field(factory=list)

    def judge(self, presented: PresentedCertificate, at: datetime, /) -> Judgement:
        self.asked.append(presented)
        return self.judging.judge(presented, at)


def clients_of(handshake: Handshake) -> dict[str, str]:
    assert handshake.server_completed, handshake.refused_for
    judgement = handshake.peer.judgement
    assert isinstance(judgement, Identity)
    return dict(judgement.clients)


def both(judge: Judging, presented: Presented, version: int) -> tuple[Handshake, Handshake]:
    """With a listener that refuses in the handshake, and with one that refuses in the response.

    The second gets its bytes in pieces, so that it has to wait between the messages.
    """
    context = client_context(presented, version)
    in_response = creator(judge, pinned=True, refuse_in="response")
    return shake(creator(judge, pinned=True), context), shake(in_response, context, chunk=200)


def refused(judge: Judging, presented: Presented, version: int, reason: str, alert: str) -> None:
    """It is refused in the handshake with that alert; or completes it, and never becomes an identity."""
    in_handshake, in_response = both(judge, presented, version)
    assert (in_handshake.refused_for, in_handshake.alert) == (reason, alert)
    assert not in_handshake.server_completed
    assert in_response.server_completed
    assert in_response.refused_for == reason
    assert in_response.peer.judgement is in_response.peer.refused
    assert in_response.peer.judgement_at(judge, now()) is in_response.peer.refused


# -- paths -------------------------------------------------------------------------------------------------


def test_the_judge_is_asked_once_with_the_path_that_openssl_built(version: int) -> None:
    judge = Recording(judge_of(BILLING))
    leaf = PKI.leaf()
    assert clients_of(shake(creator(judge), client_context(leaf, version))) == {"billing": "tls_client_auth"}
    path = (leaf.leaf, PKI.intermediate.der, PKI.root.der)
    assert judge.asked == [PresentedCertificate(leaf.leaf, path[1:-1], LISTENER, "handshake", path)]


def test_the_judge_remembers_for_one_listener_alone(version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = judge_of(BILLING)
    made_by, context = creator(judge), client_context(PKI.leaf(), version)
    first = shake(made_by, context).peer.judgement
    monkeypatch.delattr(Judge, "judge")
    assert shake(made_by, context).peer.judgement is first
    monkeypatch.undo()
    elsewhere = attrs.evolve(
        made_by, listener="elsewhere", context=build_context(server_tls(listener="elsewhere"), now)
    )
    assert shake(elsewhere, context).refused_for == "subject.unknown"  # nothing is trusted there


def test_a_configured_intermediate_helps_but_is_no_anchor(version: int) -> None:
    """It vouches for nothing by itself: not even for a path that ends in it."""
    judge = judge_of(BILLING, intermediates=[PKI.intermediate.der])
    assert clients_of(shake(creator(judge), client_context(PKI.leaf(chain=()), version)))
    other = PKI.ca("Other", None)
    without_its_root = judge_of(BILLING, intermediates=[PKI.intermediate.der], anchors=[other.der])
    presented = PKI.leaf()
    handshake = shake(creator(without_its_root, anchors=(other.der,)), client_context(presented, version))
    assert (handshake.refused_for, handshake.alert) == ("chain.untrusted", "unknown_ca")


def test_an_anchor_need_not_be_self_signed(version: int) -> None:
    """V9: OpenSSL ends with error 2 in the handshake, and the judge finds the path."""
    anchors = (PKI.intermediate.der,)
    judge = judge_of(BILLING, anchors=anchors)
    for presented in (PKI.leaf(), PKI.leaf(chain=()), PKI.leaf(chain=(PKI.intermediate.der, PKI.root.der))):
        assert clients_of(shake(creator(judge, anchors=anchors), client_context(presented, version)))
    sibling = PKI.leaf(PKI.ca("Sibling", PKI.root))
    handshake = shake(creator(judge, anchors=anchors), client_context(sibling, version))
    assert handshake.refused_for == "chain.untrusted"


def test_name_constraints_come_after_the_last_call(version: int) -> None:
    """OpenSSL checks them after it has called for the leaf with ok=1, and the judge has found an identity."""
    judge = Recording(judge_of(BILLING))
    presented = BAD["name_constraints_dns_excluded"].make(PKI)
    refused(judge, presented, version, "chain.name_constraints", "bad_certificate")
    assert len(judge.asked) == 2  # once in each of the two handshakes, and it had no objection


def test_only_the_leaf_decides(version: int) -> None:
    """Attack 1: a good certificate of nobody's, with the honest client's true one in the chain."""
    presented = BAD["neighbour_with_the_victims_certificate"].make(PKI)
    refused(judge_of(BILLING), presented, version, "subject.unknown", "certificate_unknown")


def test_strictness_is_the_listeners(version: int) -> None:
    presented = BAD["authority_key_identifier_missing"].make(PKI)
    refused(judge_of(BILLING), presented, version, "chain.strict", "bad_certificate")
    lax = creator(judge_of(BILLING, strict=False), strict=False)
    assert clients_of(shake(lax, client_context(presented, version)))


# -- pins --------------------------------------------------------------------------------------------------


def test_a_pinned_certificate_needs_no_ca(version: int) -> None:
    """R12, error 18."""
    judge = judge_of(BILLING, pinned_client("pinned", PKI.pinned.leaf))
    for handshake in both(judge, PKI.pinned, version):
        assert clients_of(handshake) == {"pinned": "self_signed_tls_client_auth"}


def test_a_pinned_certificate_of_an_unknown_ca(version: int) -> None:
    """R12, errors 20 and 21; and 20 and 19 at the end of what the client sends beside it."""
    unknown = PKI.ca("Unknown", PKI.ca("Unknown Root", None))
    own = PKI.leaf(unknown, dn(CN="own"), names=None)
    judge = judge_of(BILLING, pinned_client("pinned", own.leaf))
    for sent in ((), unknown.chain, (*unknown.chain, PKI.ca("Unknown Root", None).der), (PKI.root.der,)):
        for handshake in both(judge, attrs.evolve(own, chain=sent), version):
            assert clients_of(handshake) == {"pinned": "self_signed_tls_client_auth"}


def test_the_judge_is_asked_once_where_openssl_complains_twice(version: int) -> None:
    """Errors 20 and 21."""
    own = PKI.leaf(PKI.ca("Unknown", None), dn(CN="own"), names=None)
    judge = Recording(judge_of(BILLING, pinned_client("pinned", own.leaf)))
    assert clients_of(shake(creator(judge), client_context(own, version)))
    assert judge.asked == [PresentedCertificate(own.leaf, (), LISTENER)]


@pytest.mark.parametrize("kind", ["broken_signature", "duplicate_san", "same_name_and_key_id"])
def test_what_openssl_says_of_a_certificate_does_not_end_the_connection(version: int, kind: str) -> None:
    """It leaves words in its queue; a connection that waits for the next message takes them for its own."""
    made_by = creator(judge_of(BILLING), refuse_in="response")
    handshake = shake(made_by, client_context(BAD[kind].make(PKI), version), chunk=50)
    assert handshake.server_completed
    assert handshake.refused_for in BAD[kind].reasons


def test_a_pinned_certificate_that_a_trusted_ca_issued(version: int) -> None:
    own = PKI.leaf()
    judge = judge_of(BILLING, pinned_client("pinned", own.leaf))
    expected = {"billing": "tls_client_auth", "pinned": "self_signed_tls_client_auth"}
    for handshake in both(judge, own, version):
        assert clients_of(handshake) == expected


def test_a_pin_is_the_whole_certificate(version: int) -> None:
    """R12, P19: neither the key nor the subject alone."""
    judge = judge_of(BILLING, pinned_client("pinned", PKI.pinned.leaf))
    for kind in ("self_signed_with_pinned_key", "self_signed_with_pinned_subject", "self_signed_stranger"):
        refused(judge, BAD[kind].make(PKI), version, "pin.unknown", "unknown_ca")


def test_a_pinned_certificate_expires(version: int) -> None:
    judge = judge_of(BILLING, pinned_client("pinned", PKI.pinned_expired.leaf))
    refused(judge, PKI.pinned_expired, version, "certificate.expired", "certificate_expired")


def test_a_pinned_certificate_of_a_server(version: int) -> None:
    """A pin stands for the path, not for what the certificate may be used for (R39, error 26)."""
    extensions = [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)]
    own = _self_signed(extensions)
    judge = judge_of(BILLING, pinned_client("pinned", own.leaf))
    refused(judge, own, version, "certificate.eku", "unsupported_certificate")


def _self_signed(extensions: Sequence[tuple[x509.ExtensionType, bool]]) -> Presented:
    key = ec_key("server")
    made = issue(dn(CN="server"), key, None, valid=PKI.valid(), extensions=extensions)
    return Presented(made.public_bytes(Encoding.DER), key)


# -- what goes wrong ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("refuse_in", ["handshake", "response"])
def test_a_public_certificate_without_its_key(version: int, refuse_in: str) -> None:
    """R1: the judge finds an identity, and nobody can read it."""
    judge = Recording(judge_of(BILLING))
    handshake = shake(creator(judge, refuse_in=refuse_in), thief_context(PKI.leaf(), version))
    assert len(judge.asked) == 1
    assert not handshake.server_completed
    assert handshake.alert == "decrypt_error"
    assert handshake.peer.refused is None
    assert not handshake.peer.possession_proven
    with pytest.raises(NotProvenError):
        _ = handshake.peer.judgement
    with pytest.raises(NotProvenError):
        handshake.peer.judgement_at(judge, now())


class Broken(Forgetful):
    def judge(self, presented: PresentedCertificate, at: datetime, /) -> Judgement:
        raise KeyError("no such thing")


@pytest.mark.parametrize("refuse_in", ["handshake", "response"])
@pytest.mark.parametrize("presented", [PKI.leaf(), PKI.pinned], ids=["path", "no path"])
def test_a_fault_in_the_judge_refuses(version: int, refuse_in: str, presented: Presented) -> None:
    """With an alert, not a bare close; whatever the listener; and the next connection is none the wiser."""
    made_by = creator(Broken(), refuse_in=refuse_in)
    handshake = shake(made_by, client_context(presented, version))
    assert (handshake.refused_for, handshake.alert) == ("tls.internal", "internal_error")
    assert not handshake.server_completed
    assert isinstance(handshake.peer.fault, KeyError)
    made_by.swap(made_by.context, judge_of(BILLING))
    assert clients_of(shake(made_by, client_context(PKI.leaf(), version)))


def test_no_judge_refuses(version: int) -> None:
    handshake = shake(creator(None), client_context(PKI.leaf(), version))
    assert (handshake.refused_for, handshake.alert) == ("tls.internal", "internal_error")


def test_a_connection_without_peer_is_refused(version: int) -> None:
    """Somebody used the context without the creator."""
    server = SSL.Connection(creator(judge_of(BILLING)).context, None)
    server.set_accept_state()
    client = SSL.Connection(client_context(PKI.leaf(), version), None)
    client.set_connect_state()
    handshake = Handshake(server, client).run()
    assert not handshake.server_completed
    assert handshake.alert == "internal_error"


def test_expired_and_more(version: int) -> None:
    """The first thing wrong is what is said; a second one changes nothing."""
    stranger = PKI.ca("Stranger", None)
    both_wrong = PKI.leaf(stranger, valid=(now() - timedelta(days=9), now() - timedelta(days=1)))
    refused(judge_of(BILLING), both_wrong, version, "chain.untrusted", "unknown_ca")
    expired = PKI.leaf(valid=(now() - timedelta(days=9), now() - timedelta(days=1)))
    refused(judge_of(BILLING), expired, version, "certificate.expired", "certificate_expired")
