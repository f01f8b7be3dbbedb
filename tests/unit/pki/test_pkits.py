"""NIST's PKITS (version 1.0.1 of 2011): no path that it calls invalid is accepted (R38).

The package cryptography-vectors brings the certificates. What is valid stands in their names, and which part
of the suite they belong to follows from them too. ``docs/pkits.md`` lists every case that ends otherwise than
PKITS says, and a test here holds it complete.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from pathlib import Path

import pytest

from mtlsd.errors import Refusal
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.path import AnchorGroup, PathValidator, check_path

NOW = datetime(2020, 6, 1, tzinfo=UTC)
CERTIFICATES = resources.files("cryptography_vectors") / "x509" / "PKITS_data" / "certs"
DOCUMENT = Path(__file__).parents[3] / "docs" / "pkits.md"

# The first that is found in a certificate's name says its part; the numbers are PKITS's sections.
SECTIONS = (
    ("4.15", "delta"),
    ("4.14", "istributionPoint|onlyContains|onlySomeReasons|cRLIssuer|IDPwith"),
    (
        "4.4",
        "CRL(?!SigningKeyTest8)|Revoked|SerialNumber|cRLSign|SelfIssued(NewWithOldTest5|OldWithNewTest2)",
    ),
    ("4.9", "requireExplicitPolicy"),
    ("4.11", "inhibitPolicyMapping"),
    ("4.12", "inhibitAnyPolicy"),
    ("4.10", "PolicyMapping|Mapping(From|To)"),
    ("4.8", "Polic(y|ies)|Qualifier"),
    ("4.2", "notBefore|notAfter"),
    ("4.3", "NameChaining|NameUIDs|RFC3280|RolloverfromPrintable|UTF8String"),
    ("4.5", "BasicSelfIssued"),
    ("4.6", "basicConstraints|cAFalse|pathLenConstraint"),
    ("4.7", "keyUsage"),
    ("4.13", "nameConstraints"),
    ("4.16", "CertificateExtension"),
    ("4.1", "Signature|DSA|ValidCertificatePath"),
)
REVOCATION = {"4.4", "4.14", "4.15"}
POLICIES = {"4.8", "4.9", "4.10", "4.11", "4.12"}
IN_SCOPE = {"4.1", "4.2", "4.3", "4.5", "4.6", "4.7", "4.13", "4.16"}

REFUSED_THOUGH_VALID = {
    "ValidDSASignaturesTest4EE": "certificate.weak",
    "ValidDSAParameterInheritanceTest5EE": "certificate.malformed",
}


@cache
def certificates() -> dict[str, bytes]:
    return {
        file.name.removesuffix(".crt"): file.read_bytes()
        for file in sorted(CERTIFICATES.iterdir(), key=lambda file: file.name)
    }


def end_entities() -> list[str]:
    return [name for name in certificates() if name.endswith("EE")]


def section_of(name: str) -> str:
    return next(section for section, words in SECTIONS if re.search(words, name))


@cache
def authorities() -> list[Certificate]:
    found = []
    for name, der in certificates().items():
        if not name.endswith("EE") and name != "TrustAnchorRootCertificate":
            try:
                found.append(Certificate.from_der(der))
            except Refusal:
                assert name == "DSAParametersInheritedCACert"
    return found


def chain_of(leaf: Certificate) -> list[bytes]:
    """Every CA of PKITS that might stand above the leaf: those that it and they name as issuers."""
    found: list[Certificate] = []
    below = [leaf]
    while below:
        issuer = below.pop().issuer
        above = [own for own in authorities() if own.subject.matches(issuer) and own not in found]
        found += above
        below += above
    return [own.der for own in found]


@cache
def verdict(name: str, strict: bool) -> str:
    """``accepted``, or the reason for refusing."""
    anchor = Certificate.from_der(certificates()["TrustAnchorRootCertificate"])
    validator = PathValidator.from_groups([AnchorGroup("pkits", (anchor,))], strict)
    try:
        leaf = Certificate.from_der(certificates()[name])
        check_path(validator.build(leaf.der, chain_of(leaf), NOW))
    except Refusal as refusal:
        return refusal.reason.code
    return "accepted"


def is_decided(name: str) -> bool:
    return section_of(name) in IN_SCOPE


def test_whole_suite_is_there() -> None:
    """As many cases as PKITS has certificates for, and those that are decided here."""
    assert len(end_entities()) == 223
    decided = [name for name in end_entities() if is_decided(name)]
    assert {section_of(name) for name in decided} == IN_SCOPE
    assert len(decided) == 89
    assert all(name.startswith(("Valid", "Invalid")) for name in decided)


@pytest.mark.parametrize("strict", [True, False], ids=["strict", "lenient"])
@pytest.mark.parametrize("name", [n for n in end_entities() if is_decided(n) and n.startswith("Invalid")])
def test_invalid_path_is_refused(name: str, strict: bool) -> None:
    """R38, R46: in every part that needs neither revocation lists nor policies."""
    assert verdict(name, strict) != "accepted"


@pytest.mark.parametrize("strict", [True, False], ids=["strict", "lenient"])
@pytest.mark.parametrize("name", [n for n in end_entities() if n.startswith("Valid")])
def test_valid_path_is_accepted(name: str, strict: bool) -> None:
    """In all parts, but for what is listed."""
    assert verdict(name, strict) == REFUSED_THOUGH_VALID.get(name, "accepted")


def test_document_lists_every_exception() -> None:
    """docs/pkits.md names the cases that end otherwise than PKITS says, and no others."""
    listed = dict(re.findall(r"^\| `(\w+EE)` \| ([^|]+?) \|", DOCUMENT.read_text("utf-8"), re.MULTILINE))
    expected = dict(REFUSED_THOUGH_VALID)
    for name in end_entities():
        if name.startswith("Invalid") and verdict(name, True) == "accepted":
            expected[name] = "revocation" if section_of(name) in REVOCATION else "policies"
            assert section_of(name) in REVOCATION | POLICIES
    assert listed == expected
