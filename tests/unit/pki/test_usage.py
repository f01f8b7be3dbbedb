"""What a certificate may be used for (R39)."""

from __future__ import annotations

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku

from mtlsd.errors import Refusal
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.usage import check_client_usage, check_issuer_usage, check_strength
from tests.pki import BAD, GOOD, Kind, Pki, ec_key
from tests.pki.maker import key_usage

PKI = Pki()
FORBIDDEN = [
    kind
    for kind in BAD.values()
    if kind.reasons[0] in ("certificate.eku", "certificate.ku", "certificate.is_ca", "certificate.weak")
]


def leaf(kind: Kind) -> Certificate:
    return Certificate.from_der(kind.make(PKI).leaf)


def test_list_is_not_empty() -> None:
    assert len(FORBIDDEN) >= 9


@pytest.mark.parametrize("kind", FORBIDDEN, ids=lambda k: k.name)
def test_refuses_other_purposes_and_short_keys(kind: Kind) -> None:
    """R39: serverAuth, anyExtendedKeyUsage alone, CAs, key usage without digitalSignature; each says why."""
    with pytest.raises(Refusal) as caught:
        check_client_usage(leaf(kind))
    assert caught.value.reason.code in kind.reasons
    assert {"subject", "expected", "seen"} <= set(caught.value.facts)


@pytest.mark.parametrize("kind", [k for k in GOOD.values() if k.name != "pinned"], ids=lambda k: k.name)
def test_allows_good_ones(kind: Kind) -> None:
    check_client_usage(leaf(kind))


def test_one_right_purpose_is_enough() -> None:
    presented = PKI.leaf(purposes=[Eku.SERVER_AUTH, Eku.CLIENT_AUTH])
    check_client_usage(Certificate.from_der(presented.leaf))


def test_digital_signature_among_others() -> None:
    presented = PKI.leaf(usage=key_usage("digital_signature", "key_encipherment"))
    check_client_usage(Certificate.from_der(presented.leaf))


def test_pinned_certificates_need_a_strong_key_only() -> None:
    """What `openssl req -x509` makes says CA:TRUE; as a pin it is good, as a leaf of a CA it is not."""
    pinned = Certificate.from_der(PKI.pinned.leaf)
    check_strength(pinned)
    with pytest.raises(Refusal) as caught:
        check_client_usage(pinned)
    assert caught.value.reason.code == "certificate.is_ca"
    with pytest.raises(Refusal):
        check_strength(leaf(BAD["rsa_1024"]))


def test_issuers_for_another_purpose() -> None:
    """A CA that may issue for servers only, which an X509Store without purpose does not notice."""
    presented = BAD["intermediate_eku_server_auth"].make(PKI)
    with pytest.raises(Refusal) as caught:
        check_issuer_usage(Certificate.from_der(presented.chain[0]))
    assert caught.value.reason.code == "chain.purpose"
    check_issuer_usage(Certificate.from_der(PKI.root.der))


def test_expected_and_seen_of_a_short_key() -> None:
    with pytest.raises(Refusal) as caught:
        check_strength(leaf(BAD["rsa_1024"]))
    assert caught.value.facts["seen"] == "RSA 1024"
    assert ec_key("leaf").key_size == 256
