"""What a listener's context lets happen, seen from a real client."""

from __future__ import annotations

import pytest
from OpenSSL import SSL

from mtlsd.judge import Identity
from mtlsd.tls.context import build_context
from tests.pki import DNS, Presented, dn
from tests.unit.tls.memory import (
    PKI,
    VERSIONS,
    Handshake,
    client_context,
    creator,
    judge_of,
    now,
    pki_client,
    server_tls,
    shake,
)

BILLING = pki_client("billing", tls_client_auth_san_dns=DNS)


def accepted(handshake: Handshake) -> bool:
    return handshake.server_completed and isinstance(handshake.peer.judgement, Identity)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_good_client_is_known(version: int) -> None:
    handshake = shake(creator(judge_of(BILLING)), client_context(PKI.leaf(), version))
    judgement = handshake.peer.judgement
    assert isinstance(judgement, Identity)
    assert dict(judgement.clients) == {"billing": "tls_client_auth"}
    assert handshake.peer.possession_proven
    assert (
        handshake.peer.tls_version == {SSL.TLS1_2_VERSION: "TLSv1.2", SSL.TLS1_3_VERSION: "TLSv1.3"}[version]
    )


@pytest.mark.parametrize("version", [SSL.TLS1_VERSION, SSL.TLS1_1_VERSION])
def test_old_versions_are_refused(version: int) -> None:
    """R49."""
    handshake = shake(creator(judge_of(BILLING)), client_context(PKI.leaf(), version))
    assert handshake.alert == "protocol_version"


@pytest.mark.parametrize(
    "suites",
    [
        b"ECDHE-ECDSA-AES128-SHA256",
        b"ECDHE-ECDSA-AES256-SHA",
        b"AES128-GCM-SHA256",
        b"DHE-RSA-AES128-GCM-SHA256",
    ],
)
def test_tls_1_2_has_forward_secrecy_and_aead_only(suites: bytes) -> None:
    context = client_context(PKI.leaf(), SSL.TLS1_2_VERSION)
    context.set_cipher_list(suites + b":@SECLEVEL=0")
    assert shake(creator(judge_of(BILLING)), context).alert == "handshake_failure"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_never_resumed(version: int) -> None:
    """R47: a resumed session would not meet the judge, so not a certificate that was refused since then."""
    made_by = creator(judge_of(BILLING))
    context = client_context(PKI.leaf(), version)
    context.set_session_cache_mode(SSL.SESS_CACHE_CLIENT)
    first = shake(made_by, context)
    assert accepted(first)
    session = first.client.get_session()
    assert session is not None
    made_by.swap(made_by.context, judge_of())
    second = made_by.connection()
    second.set_accept_state()
    client = SSL.Connection(context, None)
    client.set_session(session)
    client.set_connect_state()
    assert Handshake(second, client).run().refused_for == "subject.unknown"


@pytest.mark.parametrize("version", VERSIONS)
def test_no_session_ticket_is_sent(version: int) -> None:
    """After the handshake the server has nothing to say."""
    handshake = shake(creator(judge_of(BILLING)), client_context(PKI.leaf(), version))
    with pytest.raises(SSL.WantReadError):
        handshake.server.bio_read(1)
    assert handshake.client.get_session() is not None


def test_a_client_may_not_renegotiate() -> None:
    """R49: neither does anything change on the server, nor is anybody judged again."""
    handshake = shake(creator(judge_of(BILLING)), client_context(PKI.leaf(), SSL.TLS1_2_VERSION))
    before = handshake.peer.judgement
    assert handshake.client.renegotiate()
    with pytest.raises(SSL.WantReadError):
        handshake.client.do_handshake()
    handshake.server.bio_write(handshake.client.bio_read(65536))
    with pytest.raises(SSL.WantReadError):
        handshake.server.recv(1)
    handshake.client.bio_write(handshake.server.bio_read(65536))
    with pytest.raises(SSL.Error, match="no renegotiation"):
        handshake.client.do_handshake()
    assert handshake.peer.judgement is before
    assert handshake.server.total_renegotiations() == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_the_name_that_a_client_asks_for_changes_nothing(version: int) -> None:
    """One policy a listener: there is no way to another listener's by SNI."""
    made_by = creator(judge_of(BILLING))
    server = made_by.connection()
    server.set_accept_state()
    client = SSL.Connection(client_context(None, version), None)
    client.set_tlsext_host_name(b"no-certificates.example.com")
    client.set_connect_state()
    handshake = Handshake(server, client).run()
    assert not handshake.server_completed
    assert handshake.alert == (
        "certificate_required" if version == SSL.TLS1_3_VERSION else "handshake_failure"
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_only_the_anchors_of_the_listener_are_named(version: int) -> None:
    """R48."""
    other = PKI.ca("Other", None)
    made_by = creator(judge_of(BILLING), anchors=(PKI.root.der, other.der, PKI.root.der))
    handshake = shake(made_by, client_context(PKI.leaf(), version))
    assert [name.CN for name in handshake.client.get_client_ca_list()] == ["Root", "Other"]


@pytest.mark.parametrize("version", VERSIONS)
def test_no_anchor_is_named_where_clients_have_pinned_certificates(version: int) -> None:
    """R48: or they would not offer a self-signed one."""
    handshake = shake(creator(judge_of(BILLING), pinned=True), client_context(PKI.leaf(), version))
    assert handshake.client.get_client_ca_list() == []
    assert accepted(handshake)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("chunk", [1, 100])
def test_a_handshake_that_comes_in_pieces(version: int, chunk: int) -> None:
    """What the callback leaves in OpenSSL's queue must not end a connection that waits for more."""
    made_by = creator(judge_of(BILLING, intermediates=[PKI.intermediate.der]))
    assert accepted(shake(made_by, client_context(PKI.leaf(chain=()), version), chunk))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_server_sends_its_own_chain_and_no_other(version: int) -> None:
    """Without NO_AUTO_CHAIN OpenSSL would add what it finds among the clients' anchors."""
    own = PKI.leaf(PKI.intermediate, dn(CN="as.example.com"))
    below_the_root = server_tls()
    for certificates, key in (
        ((own.leaf, *own.chain), own.key),
        (below_the_root.certificates, below_the_root.private_key),
    ):
        made_by = creator(judge_of(BILLING), certificates=certificates, private_key=key)
        handshake = shake(made_by, client_context(PKI.leaf(), version))
        sent = handshake.client.get_peer_cert_chain()
        assert sent is not None
        assert len(sent) == len(certificates)


def test_a_listener_that_asks_nobody() -> None:
    made_by = creator(None, client_certificate="none", anchors=())
    handshake = shake(made_by, client_context(PKI.leaf()))
    assert handshake.server_completed
    assert handshake.peer.judgement is None
    assert not handshake.peer.possession_proven


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("client_certificate", "refuse_in", "completes"),
    [
        ("required", "handshake", False),
        ("required", "response", True),
        ("optional", "handshake", True),
        ("optional", "response", True),
    ],
)
def test_a_client_without_certificate(
    client_certificate: str, refuse_in: str, completes: bool, version: int
) -> None:
    """R45: without one the handshake fails, or completes without an identity."""
    made_by = creator(judge_of(BILLING), client_certificate=client_certificate, refuse_in=refuse_in)
    handshake = shake(made_by, client_context(None, version))
    assert handshake.server_completed == completes
    if completes:
        assert handshake.peer.judgement is None
        assert not handshake.peer.possession_proven


def test_a_key_that_is_not_the_certificates() -> None:
    stranger: Presented = PKI.self_signed("stranger")
    with pytest.raises(SSL.Error):
        build_context(server_tls(private_key=stranger.key), now)


def test_the_key_is_not_shown() -> None:
    assert "private_key" not in repr(server_tls())
