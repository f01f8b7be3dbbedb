"""Distinguished names as cryptography and openssl print them (R35, P17, P22)."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mtlsd.pki import der
from mtlsd.pki.dn import DistinguishedName

VALUES = st.text(st.characters(exclude_categories=["C"], max_codepoint=0x2FF), min_size=1, max_size=12)


def read(text: str) -> DistinguishedName:
    return DistinguishedName.from_string(text)


def _certificate(subject: list[x509.NameAttribute[Any]]) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2046, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )


X509_NAMES = st.lists(
    st.tuples(st.sampled_from(["2.5.4.3", "2.5.4.10", "2.5.4.11", "2.5.4.7"]), VALUES).map(
        lambda pair: x509.NameAttribute(x509.ObjectIdentifier(pair[0]), pair[1])
    ),
    min_size=1,
    max_size=4,
)


@given(X509_NAMES)
@example([x509.NameAttribute(NameOID.COMMON_NAME, "a", _ASN1Type.BMPString)])
@example([x509.NameAttribute(NameOID.COMMON_NAME, "a", _ASN1Type.T61String)])
@example([x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, b"\x00\x80", _ASN1Type.BitString)])
def test_cryptography_prints_what_we_read(attributes: list[x509.NameAttribute[Any]]) -> None:
    name = x509.Name(attributes)
    ours = DistinguishedName.from_name(name)
    assume(ours.key is not None)
    if not isinstance(attributes[0].value, bytes):  # it prints those against RFC 4514
        assert read(name.rfc4514_string()).matches(ours)
    assert read(ours.to_string()).matches(ours)


ATTRIBUTES_OF_ALL_KINDS: list[x509.NameAttribute[Any]] = [
    x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
    x509.NameAttribute(NameOID.JURISDICTION_COUNTRY_NAME, "BR"),
    x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, "PSDDE-BAFIN-125314"),
    x509.NameAttribute(NameOID.BUSINESS_CATEGORY, "Private Organization"),
    x509.NameAttribute(NameOID.ORGANIZATION_NAME, 'Müller, Söhne & "Co" <x>; +1', _ASN1Type.BMPString),
    x509.NameAttribute(NameOID.SERIAL_NUMBER, "#123 ", _ASN1Type.UTF8String),
    x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "Example"),
    x509.NameAttribute(NameOID.EMAIL_ADDRESS, "A.b@Example.com"),
    x509.NameAttribute(NameOID.USER_ID, " leading", _ASN1Type.UTF8String),
    x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, b"\x00\x80", _ASN1Type.BitString),
    x509.NameAttribute(NameOID.POSTAL_CODE, "10115"),
    x509.NameAttribute(NameOID.STREET_ADDRESS, "Weg\\Straße 1"),
    x509.NameAttribute(NameOID.GIVEN_NAME, "Jo"),
    x509.NameAttribute(NameOID.SURNAME, "Doe"),
    x509.NameAttribute(NameOID.TITLE, "Dr"),
    x509.NameAttribute(NameOID.PSEUDONYM, "x"),
    x509.NameAttribute(NameOID.GENERATION_QUALIFIER, "III"),
    x509.NameAttribute(NameOID.DN_QUALIFIER, "q"),
    x509.NameAttribute(NameOID.UNSTRUCTURED_NAME, "u"),
    x509.NameAttribute(NameOID.INITIALS, "J"),
    x509.NameAttribute(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), "Private"),
    x509.NameAttribute(NameOID.COMMON_NAME, "billing"),
]


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")
@pytest.mark.parametrize(
    "options",
    ["RFC2253", "RFC2253,space_eq", "RFC2253,-esc_msb", "RFC2253,oid", "RFC2253,sep_comma_plus_space"],
)
def test_openssl_prints_what_we_read(options: str) -> None:
    certificate = _certificate(ATTRIBUTES_OF_ALL_KINDS)
    printed = subprocess.run(
        ["openssl", "x509", "-noout", "-subject", "-nameopt", options],
        input=certificate.public_bytes(serialization.Encoding.PEM),
        capture_output=True,
        check=True,
    ).stdout.decode()
    seen = DistinguishedName.from_name(certificate.subject)
    assert read(printed).matches(seen), printed
    assert read(seen.to_string()).matches(seen)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")
def test_what_openssl_prints_by_default_is_reversed() -> None:
    """P22: it is in the order of the encoding."""
    certificate = _certificate(ATTRIBUTES_OF_ALL_KINDS[:4])
    printed = subprocess.run(
        ["openssl", "x509", "-noout", "-subject"],
        input=certificate.public_bytes(serialization.Encoding.PEM),
        capture_output=True,
        check=True,
    ).stdout.decode()
    registered, seen = read(printed), DistinguishedName.from_name(certificate.subject)
    assert registered.is_reversed_of(seen)
    assert not registered.matches(seen)


def test_the_names_of_a_certificate() -> None:
    certificate = _certificate([x509.NameAttribute(NameOID.COMMON_NAME, "leaf")])
    issuer, subject = der.names_of(certificate.public_bytes(serialization.Encoding.DER))
    assert issuer == certificate.issuer.public_bytes()
    assert subject == certificate.subject.public_bytes()
    for garbage in (
        b"",
        b"\x30\x00",
        b"\x30\x02\x30\x00",
        issuer,
        certificate.public_bytes(serialization.Encoding.DER)[:-1],
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - see above
            der.names_of(garbage)
