"""NIST's PKITS with its revocation lists: no path that it calls invalid is accepted (R40).

The paths are those of :mod:`tests.unit.pki.test_pkits`, and every list of the suite is given to each of them:
whoever validates must find out which list is about which certificate. ``docs/pkits.md`` lists what ends
otherwise than PKITS says, and a test here holds it complete.
"""

from __future__ import annotations

import re
from functools import cache

import pytest

from mtlsd.errors import Refusal
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.crl_check import check_crls
from mtlsd.pki.crl_issuer import read_list
from mtlsd.pki.crl_refused import CrlRefused
from mtlsd.pki.crl_table import CrlTable
from mtlsd.pki.path import AnchorGroup, Path, PathValidator
from tests.unit.pki.test_pkits import (
    CERTIFICATES,
    DOCUMENT,
    NOW,
    POLICIES,
    REVOCATION,
    authorities,
    certificates,
    chain_of,
    end_entities,
    section_of,
    verdict,
)

LISTS = CERTIFICATES / ".." / "crls"

UNDETERMINED_THOUGH_VALID = {
    # the certificate of the list's signer is only covered by the very list that it signed
    "ValidcRLIssuerTest30EE": "crl.signer_unknown",
}

REFUSED_LISTS = {
    "BadCRLIssuerNameCACRL": "crl.issuer",
    "BadCRLSignatureCACRL": "crl.malformed",  # NIST spoilt the octet of the BIT STRING's unused bits
    "BadSignedCACRL": "crl.issuer",
    "BadnotAfterDateCACRL": "crl.issuer",
    "BadnotBeforeDateCACRL": "crl.issuer",
    "DSACACRL": "crl.issuer",
    "DSAParametersInheritedCACRL": "crl.issuer",
    "MissingbasicConstraintsCACRL": "crl.issuer",
    "OldCRLnextUpdateCACRL": "crl.expired",
    "TwoCRLsCABadCRL": "crl.issuer",
    "UnknownCRLEntryExtensionCACRL": "crl.critical",
    "UnknownCRLExtensionCACRL": "crl.critical",
    "basicConstraintsCriticalcAFalseCACRL": "crl.issuer",
    "basicConstraintsNotCriticalcAFalseCACRL": "crl.issuer",
    "deltaCRLCA3CRL": "crl.expired",
    "keyUsageCriticalcRLSignFalseCACRL": "crl.issuer",
    "keyUsageNotCriticalcRLSignFalseCACRL": "crl.issuer",
    "pre2000CRLnextUpdateCACRL": "crl.expired",
}


@cache
def validator() -> PathValidator:
    anchor = Certificate.from_der(certificates()["TrustAnchorRootCertificate"])
    return PathValidator.from_groups([AnchorGroup("pkits", (anchor,))], strict=True)


@cache
def signer_paths() -> list[Path]:
    """A path for the anchor and every CA that has one."""
    found = [Path(validator().anchors)]
    for own in authorities():
        try:
            found.append(validator().build(own.der, chain_of(own), NOW))
        except Refusal:
            continue
    return found


@cache
def lists() -> tuple[CrlTable, dict[str, str]]:
    """The lists that can be used, and why the others cannot."""
    usable, refused = [], {}
    for file in LISTS.iterdir():
        name = file.name.removesuffix(".crl")
        try:
            usable.append(read_list(file.read_bytes(), signer_paths(), NOW, name=name))
        except CrlRefused as refusal:
            refused[name] = refusal.why
    return CrlTable.build(usable), refused


@cache
def answer(name: str) -> str:
    """``accepted``, or of the first certificate that is not good: ``revoked``, or why it is unknown."""
    leaf = Certificate.from_der(certificates()[name])
    path = validator().build(leaf.der, chain_of(leaf), NOW)
    for position in range(len(path.certificates) - 1):
        found = check_crls(path, position, lists()[0], NOW)
        if found.status != "good":
            return found.why or found.status
    return "accepted"


def with_path(start: str) -> list[str]:
    """The cases with a path that is good but for revocation, where policies do not matter."""
    return [
        name
        for name in end_entities()
        if name.startswith(start) and section_of(name) not in POLICIES and verdict(name, True) == "accepted"
    ]


def test_lists_that_cannot_be_used() -> None:
    assert lists()[1] == REFUSED_LISTS


def test_sections_are_whole() -> None:
    """Every case of the sections on revocation is here but one that is refused without any list."""
    decided = {name for start in ("Valid", "Invalid") for name in with_path(start)}
    left = {name for name in end_entities() if section_of(name) in REVOCATION} - decided
    assert left == {"InvalidNegativeSerialNumberTest15EE"}


@pytest.mark.parametrize("name", with_path("Invalid"))
def test_no_invalid_path_is_accepted(name: str) -> None:
    """R40, P25: revoked or undetermined, in sections 4.4, 4.5, 4.7, 4.14 and 4.15."""
    assert answer(name) != "accepted"


@pytest.mark.parametrize("name", with_path("Valid"))
def test_valid_path_is_accepted(name: str) -> None:
    """R40: in all sections, since the suite has a list for every CA."""
    assert answer(name) == UNDETERMINED_THOUGH_VALID.get(name, "accepted")


@pytest.mark.parametrize("name", [name for name in end_entities() if section_of(name) in POLICIES])
def test_lists_do_not_stand_in_the_way_of_policies(name: str) -> None:
    """Where policies alone make a path invalid, the lists say nothing against it."""
    assert answer(name) == "accepted"


def test_document_lists_every_case() -> None:
    """docs/pkits.md says of every case how it ends with lists."""
    text = DOCUMENT.read_text("utf-8")
    rows = re.findall(r"^\| `(\w+EE)` \| revocation \| [^|]+ \| ([\w.]+) \|", text, re.MULTILINE)
    assert dict(rows) == {name: answer(name) for name in with_path("Invalid")}
    undetermined = re.findall(r"`(Valid\w+EE)` \((crl\.\w+)\)", text)
    assert dict(undetermined) == UNDETERMINED_THOUGH_VALID
