"""What strangers can make the judge do: anybody can make a certificate, and have it read."""

from __future__ import annotations

import pytest
from cryptography import x509

from mtlsd import reasons
from mtlsd.judge import Refused, judge
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.stringprep import prepare
from tests.pki import NOW, Pki, dn
from tests.unit import world

PKI = Pki(NOW)


def test_the_names_of_strangers_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Preparing a string (RFC 4518) takes long enough for a few kilobytes of it to stop the server."""
    honest, prepared = world.honest_snapshot(PKI), list[str]()

    def recording(text: str) -> str | None:
        prepared.append(text)
        return prepare(text)

    monkeypatch.setattr("mtlsd.pki.dn.prepare", recording)
    root = PKI.ca("Stranger", None)
    stranger = PKI.leaf(PKI.ca("Issuer", root), dn(CN="stranger"))
    refused = judge(world.offline(stranger), honest, NOW)
    assert isinstance(refused, Refused)
    assert refused.refusal.reason is reasons.CHAIN_UNTRUSTED
    assert {"stranger", "Issuer", "Stranger"}.isdisjoint(prepared)


def test_a_certificate_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading one with hundreds of names costs more than a handshake."""
    honest, read = world.honest_snapshot(PKI), list[bytes]()
    read_der = Certificate.from_der

    def recording(der: bytes) -> Certificate:
        read.append(der)
        return read_der(der)

    monkeypatch.setattr(Certificate, "from_der", recording)
    stranger = PKI.leaf(PKI.ca("Stranger", None), dn(CN="stranger"))
    judge(world.offline(stranger), honest, NOW)
    assert read == [stranger.leaf]


@pytest.mark.parametrize("many", [513, 3000])
def test_hundreds_of_names_are_too_many(many: int) -> None:
    """R35: what a client's certificate needs is one."""
    sans = [x509.DNSName(f"n{number}.example") for number in range(many)]
    refused = judge(world.offline(PKI.leaf(names=sans)), world.honest_snapshot(PKI), NOW)
    assert isinstance(refused, Refused)
    assert refused.refusal.reason is reasons.CERTIFICATE_MALFORMED


def test_a_long_subject_is_too_long() -> None:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "\ufdfa" * 21) for _ in range(70)])
    refused = judge(world.offline(PKI.leaf(subject=subject)), world.honest_snapshot(PKI), NOW)
    assert isinstance(refused, Refused)
    assert refused.refusal.reason is reasons.CERTIFICATE_MALFORMED
