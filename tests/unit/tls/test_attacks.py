"""Attacks on the handshake that leave no trace, and those that a state machine could be talked into."""

from __future__ import annotations

import attrs
import pytest
from cryptography import x509

from mtlsd.judge import Identity
from mtlsd.pki.certificate import Certificate
from tests.pki import DNS
from tests.unit.tls.memory import (
    PKI,
    VERSIONS,
    client_context,
    creator,
    judge_of,
    pinned_client,
    pki_client,
    shake,
    thief_context,
)

BILLING = pki_client("billing", tls_client_auth_san_dns=DNS)


def made_up_issuer(number: int) -> bytes:
    """A stranger's CA with the name and the key identifier of the true one: anybody can make any number."""
    identifier = PKI.intermediate.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    forged = PKI.ca(
        "Intermediate", None, "impostor", subject_key_identifier=identifier.value.digest, serial=number
    )
    return forged.der


@pytest.mark.parametrize("version", VERSIONS)
def test_made_up_issuers_do_not_fill_the_judges_memory(version: int) -> None:
    """Whoever has a public certificate could otherwise push out everybody else's verdict."""
    judge = judge_of(BILLING, intermediates=[PKI.intermediate.der])
    listening, good = creator(judge), PKI.leaf()
    for number in range(1, 4):
        chain = (made_up_issuer(number),)
        handshake = shake(listening, thief_context(attrs.evolve(good, chain=chain), version))
        assert handshake.alert == "decrypt_error"
        assert not handshake.server_completed
    assert judge.remembered == 0
    completed = shake(listening, client_context(attrs.evolve(good, chain=(made_up_issuer(4),)), version))
    assert isinstance(completed.peer.judgement, Identity)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_chain_of_errors_is_looked_into_once(version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the response tells, OpenSSL goes on after each error, and there can be many in each."""
    read: list[bytes] = []
    read_der = Certificate.from_der

    def recording(der: bytes) -> Certificate:
        read.append(der)
        return read_der(der)

    authority = PKI.root
    for number in range(8):
        valid = PKI.valid(-30, -1)
        authority = PKI.ca(f"Bad {number}", authority, valid=valid, authority_key_identifier=False)
    bad = PKI.leaf(authority, valid=PKI.valid(-30, -1), authority_key_identifier=False)
    listening, context = creator(judge_of(BILLING), refuse_in="response"), client_context(bad, version)
    monkeypatch.setattr(Certificate, "from_der", recording)
    handshake = shake(listening, context)
    assert handshake.server_completed
    assert handshake.refused_for in ("chain.strict", "chain.expired", "certificate.expired")
    assert len(read) <= 2


@pytest.mark.parametrize("version", VERSIONS)
def test_made_up_issuers_of_a_pinned_certificate(version: int) -> None:
    good = PKI.leaf(PKI.intermediate, names=None)
    judge = judge_of(pinned_client("pinned", good.leaf), anchors=[PKI.ca("Other Root", None).der])
    for number in range(1, 3):
        sent = attrs.evolve(good, chain=(made_up_issuer(number),))
        assert shake(creator(judge, pinned=True), client_context(sent, version)).server_completed
    assert judge.remembered == 0
