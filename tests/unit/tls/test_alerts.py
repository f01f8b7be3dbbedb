"""The private names of the libraries, and the alert that each reason sends."""

from __future__ import annotations

import re
from datetime import datetime

import attrs
import pytest
from cryptography.x509 import load_der_x509_certificate
from OpenSSL._util import lib
from OpenSSL.SSL import TLS_SERVER_METHOD, VERIFY_PEER, Connection

from mtlsd.errors import Reason, Refusal
from mtlsd.judge import PresentedCertificate, Refused
from mtlsd.pki.verify_errors import alert_for
from mtlsd.reasons import REASONS
from mtlsd.tls import alerts
from mtlsd.tls.context import ListenerContext
from mtlsd.tls.factory import ConnectionCreator
from tests.unit.tls.memory import PKI, VERSIONS, Forgetful, client_context, creator, server_tls, shake


def test_the_installed_releases_have_every_private_name() -> None:
    """When this fails, a release has moved what it names; mtlsd/tls/alerts.py is the only place to mend."""
    assert alerts.moved_names() == ()


def test_a_moved_name_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Connection, "_reverse_mapping")
    monkeypatch.delattr(lib, "X509_STORE_CTX_set_error")
    moved = ("OpenSSL._util.lib.X509_STORE_CTX_set_error", "OpenSSL.SSL.Connection._reverse_mapping")
    assert alerts.moved_names() == moved
    with pytest.raises(RuntimeError, match=re.escape(", ".join(moved))):
        creator(None)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt])
def test_what_the_callback_raises_is_a_refusal(
    version: int, error: type[BaseException], capfd: pytest.CaptureFixture[str]
) -> None:
    """OpenSSL is C: nothing can be raised through it, and nothing is printed either."""

    def verify(connection: Connection, ok: bool, store: alerts.StoreContext) -> bool:
        raise error

    context = ListenerContext(TLS_SERVER_METHOD)
    own = server_tls()
    context.use_certificate(load_der_x509_certificate(own.certificates[0]))
    context.use_privatekey(own.private_key)
    context.verify_handle = alerts.install(context, VERIFY_PEER, verify)
    handshake = shake(ConnectionCreator("mtls", context), client_context(PKI.leaf(), version))
    assert handshake.alert == "internal_error"
    assert not handshake.server_completed
    assert capfd.readouterr() == ("", "")


@attrs.frozen
class Refusing(Forgetful):
    """A judge who refuses everything for one reason."""

    reason: Reason

    def judge(self, presented: PresentedCertificate, now: datetime, /) -> Refused:
        return Refused(Refusal(self.reason), None, ())


SENDING = [reason for reason in REASONS.values() if reason.verify_error]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("reason", SENDING, ids=str)
def test_the_client_reads_the_alert_of_the_reason(reason: Reason, version: int) -> None:
    """In TLS 1.3 with its first read, after its own handshake has succeeded (RFC 8446 section 6.2)."""
    handshake = shake(creator(Refusing(reason)), client_context(PKI.leaf(), version))
    assert handshake.alert == alert_for(reason.verify_error)
    assert handshake.refused_for == reason.code


@pytest.mark.parametrize("version", VERSIONS)
def test_a_reason_without_an_alert_is_a_handshake_failure(version: int) -> None:
    silent = next(reason for reason in REASONS.values() if not reason.verify_error)
    handshake = shake(creator(Refusing(silent)), client_context(PKI.leaf(), version))
    assert handshake.alert == "handshake_failure"


@pytest.mark.parametrize("reason", SENDING, ids=str)
def test_every_reason_of_a_certificate_has_an_alert_of_its_own(reason: Reason) -> None:
    """``internal_error`` would blame us for the client's certificate."""
    assert alert_for(reason.verify_error) != "internal_error" or reason.code == "tls.internal"
