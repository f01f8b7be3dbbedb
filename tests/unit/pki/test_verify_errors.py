"""OpenSSL's verify errors as reasons, and the alerts of a real handshake over memory."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from functools import cache

import pytest
from OpenSSL import SSL, crypto

from mtlsd import reasons
from mtlsd.errors import Reason
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.verify_errors import alert_for, refusal_for, verify_message
from mtlsd.reasons import REASONS
from tests.pki import BAD, GOOD, Kind, Pki, Presented

PKI = Pki(datetime.now(UTC))
SENDABLE = [kind for kind in (*BAD.values(), *GOOD.values()) if kind.sendable and kind.name != "pinned"]


@pytest.mark.parametrize("depth", [0, 1])
def test_every_number_has_a_reason(depth: int) -> None:
    """Those of OpenSSL 4.0, and any that a later one may add."""
    certificate = Certificate.from_der(PKI.leaf().leaf)
    for number in range(-1, 200):
        for culprit in (certificate, None):
            refusal = refusal_for(number, depth, culprit)
            assert refusal.reason.code in REASONS
            assert refusal.facts["verify_error"] == number
            assert refusal.facts["verify_message"] == verify_message(number)
            assert ("subject" in refusal.facts) == (culprit is not None)


@pytest.mark.parametrize(
    ("number", "leaf", "above"),
    [
        (9, reasons.CERTIFICATE_NOT_YET_VALID, reasons.CHAIN_NOT_YET_VALID),
        (10, reasons.CERTIFICATE_EXPIRED, reasons.CHAIN_EXPIRED),
        (20, reasons.CHAIN_UNTRUSTED, reasons.CHAIN_UNTRUSTED),
        (26, reasons.CERTIFICATE_EKU, reasons.CHAIN_PURPOSE),
        (66, reasons.CERTIFICATE_WEAK, reasons.CHAIN_WEAK),
        (85, reasons.CHAIN_STRICT, reasons.CHAIN_STRICT),
        (9999, reasons.CHAIN_INVALID, reasons.CHAIN_INVALID),
    ],
)
def test_depth_tells_the_leaf_from_a_ca(number: int, leaf: Reason, above: Reason) -> None:
    assert refusal_for(number, 0, None).reason is leaf
    assert refusal_for(number, 1, None).reason is above


@pytest.mark.parametrize("kind", ["eku_server_auth", "ku_key_encipherment"])
def test_invalid_purpose_says_which(kind: str) -> None:
    """OpenSSL has one number for both; the certificate tells them apart."""
    certificate = Certificate.from_der(BAD[kind].make(PKI).leaf)
    assert refusal_for(26, 0, certificate).reason.code in BAD[kind].reasons


def test_verify_message_is_openssls() -> None:
    assert verify_message(10) == "certificate has expired"
    assert verify_message(75) == "OCSP unknown cert"


def test_each_reason_has_the_alert_that_fits() -> None:
    """The numbers in the table of reasons, by what OpenSSL makes of them."""
    alerts = {
        "certificate.malformed": "bad_certificate",
        "certificate.expired": "certificate_expired",
        "certificate.not_yet_valid": "bad_certificate",
        "certificate.eku": "unsupported_certificate",
        "certificate.ku": "unsupported_certificate",
        "certificate.is_ca": "unsupported_certificate",
        "certificate.weak": "bad_certificate",
        "chain.untrusted": "unknown_ca",
        "chain.expired": "certificate_expired",
        "chain.signature": "decrypt_error",
        "chain.not_ca": "unknown_ca",
        "subject.unknown": "certificate_unknown",
        "pin.unknown": "unknown_ca",
        "tls.internal": "internal_error",
    }
    assert {code: alert_for(REASONS[code].verify_error) for code in alerts} == alerts


# -- handshakes over memory: what OpenSSL does of its own accord ---------------------------------------


@cache
def server_context() -> SSL.Context:
    own = PKI.leaf(names=None)
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_cipher_list(b"DEFAULT:@SECLEVEL=2")
    context.use_certificate(_load(own.leaf))
    context.use_privatekey(crypto.PKey.from_cryptography_key(own.key))
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    store = context.get_cert_store()
    assert store is not None
    for anchor in PKI.anchors:
        store.add_cert(_load(anchor))
    store.set_flags(crypto.X509StoreFlags.X509_STRICT | crypto.X509StoreFlags.PARTIAL_CHAIN)
    return context


def client_context(presented: Presented, version: int) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    context.set_max_proto_version(version)
    context.use_certificate(_load(presented.leaf))
    context.use_privatekey(crypto.PKey.from_cryptography_key(presented.key))
    for certificate in presented.chain:
        context.add_extra_chain_cert(_load(certificate))
    return context


def _load(der: bytes) -> crypto.X509:
    return crypto.load_certificate(crypto.FILETYPE_ASN1, der)


def alert_of(presented: Presented, version: int) -> str | None:
    """The alert that the client receives, None when the handshake completes."""
    client = SSL.Connection(client_context(presented, version), None)
    server = SSL.Connection(server_context(), None)
    client.set_connect_state()
    server.set_accept_state()
    for _ in range(100):  # the largest message goes over in pieces of a buffer each
        try:
            client.do_handshake()
            client.recv(1)
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            return str(error.args[0][0][2]).rpartition("alert ")[2].replace(" ", "_")
        _carry(client, server)
        with suppress(SSL.Error):  # WantReadError, or a refusal whose alert is on its way
            server.do_handshake()
        _carry(server, client)
    return None


def _carry(source: SSL.Connection, target: SSL.Connection) -> None:
    with suppress(SSL.Error):  # nothing more to carry
        while octets := source.bio_read(65536):
            target.bio_write(octets)


# cryptography cannot load some of these certificates, so OpenSSL's own objects are passed.
@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")
@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION], ids=["1.2", "1.3"])
@pytest.mark.parametrize("kind", SENDABLE, ids=lambda k: k.name)
def test_alert_of_openssl(kind: Kind, version: int) -> None:
    """A new OpenSSL that answers otherwise shows here first."""
    assert alert_of(kind.make(PKI), version) == kind.alert
