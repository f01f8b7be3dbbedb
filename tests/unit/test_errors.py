"""What a refusal says beside the certificate that was presented."""

from __future__ import annotations

from mtlsd import reasons
from mtlsd.errors import Refusal

LEAF = {"subject": "CN=leaf", "x5t#S256": "leaf"}


def test_facts_of_the_certificate_itself() -> None:
    refusal = Refusal(reasons.CERTIFICATE_EKU, {**LEAF, "depth": 0})
    assert refusal.facts_beside(LEAF) == {**LEAF, "depth": 0}


def test_facts_of_a_ca_do_not_hide_whose_certificate_it_was() -> None:
    refusal = Refusal(reasons.CHAIN_EXPIRED, {"subject": "CN=ca", "x5t#S256": "ca", "depth": 1})
    assert refusal.facts_beside(LEAF) == {**LEAF, "ca_subject": "CN=ca", "ca_x5t#S256": "ca", "depth": 1}


def test_facts_of_no_certificate() -> None:
    assert Refusal(reasons.SUBJECT_UNKNOWN, {"seen": "CN=leaf"}).facts_beside(LEAF) == {
        **LEAF,
        "seen": "CN=leaf",
    }
    assert Refusal(reasons.CERTIFICATE_ABSENT).facts_beside({}) == {}
    assert Refusal(reasons.CHAIN_EXPIRED, {"subject": "CN=ca"}).facts_beside({}) == {"subject": "CN=ca"}
