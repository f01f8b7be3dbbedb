"""Reading certificates: values or one kind of refusal, never anything else."""

from __future__ import annotations

import hashlib
import unicodedata
import warnings
from datetime import UTC

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AuthorityInformationAccessOID
from hypothesis import given, settings
from hypothesis import strategies as st

from mtlsd.errors import Refusal
from mtlsd.pki.certificate import MAX_DER_BYTES, Certificate
from tests.pki import BAD, DNS, EMAIL, GOOD, IP, SUBJECT, URI, Kind, Pki, ec_key
from tests.pki.bad_names import with_subject

PKI = Pki()
ALL = {**BAD, **GOOD}
UNREADABLE = [kind for kind in BAD.values() if kind.reasons == ("certificate.malformed",)]
HONEST = PKI.leaf().leaf


def read_der(der: bytes) -> Certificate | Refusal:
    try:
        return Certificate.from_der(der)
    except Refusal as refusal:
        return refusal


def read(kind: Kind) -> Certificate | Refusal:
    return read_der(kind.make(PKI).leaf)


def test_reads_what_the_certificate_says() -> None:
    """Every value, against cryptography and the standard library."""
    found = Certificate.from_der(HONEST)
    library = x509.load_der_x509_certificate(HONEST)
    key = ec_key("leaf").public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert found.subject.to_string() == SUBJECT
    assert found.issuer.to_string() == "CN=Intermediate,O=Test PKI"
    assert found.serial_number == library.serial_number
    assert (found.not_before, found.not_after) == PKI.valid()
    assert found.not_after.tzinfo is UTC
    assert found.sha256 == hashlib.sha256(HONEST).digest()
    assert found.key_sha256 == hashlib.sha256(key).digest()
    assert (found.key_type, found.key_bits, found.signature_hash) == ("EC", 256, "sha256")
    assert (found.version, found.is_ca, found.self_signed) == (3, False, False)
    assert found.extended_key_usage == frozenset({"1.3.6.1.5.5.7.3.2"})
    assert found.digital_signature is True
    assert [(name.kind, name.value) for name in found.subject_alt_names] == [
        ("dns", DNS),
        ("uri", URI),
        ("ip", IP),
        ("email", EMAIL),
    ]


def test_thumbprint_is_base64url_without_padding() -> None:
    """R17."""
    found = Certificate.from_der(HONEST)
    assert len(found.x5t_s256) == 43
    assert set("+/=").isdisjoint(found.x5t_s256)


def test_absent_extensions_are_none() -> None:
    found = Certificate.from_der(GOOD["version_1"].make(PKI).leaf)
    assert (found.version, found.extended_key_usage, found.digital_signature) == (1, None, None)
    assert (found.is_ca, found.subject_alt_names) == (False, ())


def test_ocsp_urls() -> None:
    """Attack 7: http and https alone, bounded, in the order of the certificate."""
    named = [
        "http://a.example/",
        "ldap://b.example/",
        "file:///etc/passwd",
        "HTTPS://c.example/ocsp",
        "http://",
    ]
    named += ["http://d.example/a b", f"http://{'e' * 3000}/", *(f"http://f{n}.example/" for n in range(20))]
    method = AuthorityInformationAccessOID
    access = [x509.AccessDescription(method.OCSP, x509.UniformResourceIdentifier(url)) for url in named]
    access.append(
        x509.AccessDescription(method.CA_ISSUERS, x509.UniformResourceIdentifier("http://ca.example/"))
    )
    access.append(x509.AccessDescription(method.OCSP, x509.DNSName("g.example")))
    leaf = PKI.leaf(more=[(x509.AuthorityInformationAccess(access), False)])
    expected = ("http://a.example/", "HTTPS://c.example/ocsp", *(f"http://f{n}.example/" for n in range(6)))
    assert Certificate.from_der(leaf.leaf).ocsp_urls == expected
    assert Certificate.from_der(HONEST).ocsp_urls == ()


@pytest.mark.parametrize(
    ("kind", "key_type", "bits"),
    [("rsa_2048", "RSA", 2048), ("ed25519", "Ed25519", 256), ("ec_p384", "EC", 384)],
)
def test_keys(kind: str, key_type: str, bits: int) -> None:
    found = Certificate.from_der(GOOD[kind].make(PKI).leaf)
    assert (found.key_type, found.key_bits) == (key_type, bits)


def test_self_signed() -> None:
    found = Certificate.from_der(PKI.pinned.leaf)
    assert found.self_signed
    assert found.is_ca


@pytest.mark.parametrize(
    "kind", [k for k in UNREADABLE if k.name != "garbage_in_chain"], ids=lambda k: k.name
)
def test_refuses_the_unreadable(kind: Kind) -> None:
    """R31: each with the part that cannot be read."""
    refused = read(kind)
    assert isinstance(refused, Refusal)
    assert refused.reason.code == "certificate.malformed"
    assert set(refused.facts) == {"part", "detail"}


@pytest.mark.parametrize("kind", ALL.values(), ids=lambda k: k.name)
def test_no_control_character_gets_out(kind: Kind) -> None:
    """Whatever a certificate holds, its facts cannot break a line or turn the text around."""
    found = read(kind)
    facts = found.facts if isinstance(found, Refusal) else found.facts()
    for fact in facts.values():
        assert not [c for c in str(fact) if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs")]


@pytest.mark.parametrize("kind", ["zero_serial", "negative_serial", "ec_p256"])
def test_no_warning_gets_out(kind: str) -> None:
    """The library warns of what it will refuse one day; the answer given here is the only one."""
    der = ALL[kind].make(PKI).leaf
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read_der(der)
    assert caught == []


def test_refuses_what_is_too_large() -> None:
    with pytest.raises(Refusal) as caught:
        Certificate.from_der(HONEST + bytes(MAX_DER_BYTES))
    assert caught.value.facts["part"] == "size"


def test_equal_when_the_der_is() -> None:
    """R12: comparing certificates is comparing them whole."""
    again = PKI.leaf().leaf
    assert Certificate.from_der(HONEST) == Certificate.from_der(HONEST)
    assert hash(Certificate.from_der(HONEST)) == hash(Certificate.from_der(HONEST))
    assert Certificate.from_der(HONEST) != Certificate.from_der(again)


@settings(max_examples=300)
@given(st.integers(0, len(HONEST) - 1), st.binary(min_size=1, max_size=4))
def test_a_changed_certificate_is_read_or_refused(at: int, octets: bytes) -> None:
    """No octet anywhere makes it raise anything else."""
    der = HONEST[:at] + octets + HONEST[at + len(octets) :]
    found = read_der(der)
    if isinstance(found, Refusal):
        assert found.reason.code == "certificate.malformed"
    else:
        assert all(str(fact).isprintable() for fact in found.facts().values())


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_octets_are_refused(octets: bytes) -> None:
    with pytest.raises(Refusal):
        Certificate.from_der(octets)


@settings(max_examples=50)
@given(st.binary(max_size=60))
def test_any_subject_is_read_or_refused(octets: bytes) -> None:
    """What stands where the name should be, under a good signature."""
    try:
        found = Certificate.from_der(with_subject(PKI, octets).leaf)
    except Refusal:
        return
    assert found.subject.to_string().isprintable()
