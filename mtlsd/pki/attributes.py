"""The attribute types that names use: their object identifiers, their keywords, and how they compare.

RFC 4519 and X.520 (2.5.4), RFC 4524, PKCS #9, RFC 3739 (personal data), and the jurisdiction of incorporation
of the CA/Browser Forum. RFC 4514 §3 asks for nine keywords; the others are what OpenSSL, Windows, Java, NSS,
GnuTLS and browsers print.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

import attrs


class EqualityRule(Enum):
    """How two values of one attribute type compare."""

    CASE_IGNORE = "caseIgnoreMatch"
    """Prepared by RFC 4518, without case (RFC 4517 §4.2.11)."""
    CASE_IGNORE_IA5 = "caseIgnoreIA5Match"
    """The same, and Undefined beyond ASCII (RFC 4517 §4.2.9, RFC 5280 §7.3)."""
    EXACT = "exact"
    """Character by character, whichever string type they are encoded in; for types whose rule is unknown."""


@attrs.frozen
class AttributeType:
    """One attribute type.

    :ivar oid: dotted.
    :ivar keywords: its spellings; the first is the one we print. Their case does not matter.
    """

    oid: str
    keywords: tuple[str, ...]
    rule: EqualityRule = EqualityRule.CASE_IGNORE


MOST_ATTRIBUTES: Final = 100
"""How many attributes a name may have; in practice it has fewer than twenty."""

_IA5: Final = EqualityRule.CASE_IGNORE_IA5
_PKCS_9: Final = "1.2.840.113549.1.9."
_PILOT: Final = "0.9.2342.19200300.100.1."
_PERSONAL_DATA: Final = "1.3.6.1.5.5.7.9."
_INCORPORATION: Final = "1.3.6.1.4.1.311.60.2.1."

ATTRIBUTE_TYPES: Final = (
    # RFC 4514 §3
    AttributeType("2.5.4.3", ("CN", "commonName")),
    AttributeType("2.5.4.7", ("L", "localityName", "locality")),
    AttributeType("2.5.4.8", ("ST", "S", "stateOrProvinceName", "stateOrProvince", "SP")),
    AttributeType("2.5.4.10", ("O", "organizationName", "organization")),
    AttributeType("2.5.4.11", ("OU", "organizationalUnitName", "organizationalUnit")),
    AttributeType("2.5.4.6", ("C", "countryName", "country")),
    AttributeType("2.5.4.9", ("STREET", "streetAddress")),
    AttributeType(_PILOT + "25", ("DC", "domainComponent"), _IA5),
    AttributeType(_PILOT + "1", ("UID", "userId")),
    # X.520
    AttributeType("2.5.4.4", ("SN", "surname")),  # OpenSSL's SN; a serial number is serialNumber everywhere
    AttributeType("2.5.4.5", ("serialNumber",)),
    AttributeType("2.5.4.12", ("title", "T")),
    AttributeType("2.5.4.13", ("description",)),
    AttributeType("2.5.4.15", ("businessCategory",)),
    AttributeType("2.5.4.17", ("postalCode",)),
    AttributeType("2.5.4.18", ("postOfficeBox", "POBox")),
    AttributeType("2.5.4.20", ("telephoneNumber", "phone")),  # its own rule would ignore hyphens as well
    AttributeType("2.5.4.41", ("name",)),
    AttributeType("2.5.4.42", ("GN", "givenName", "G")),
    AttributeType("2.5.4.43", ("initials", "I")),
    AttributeType("2.5.4.44", ("generationQualifier", "generation")),
    AttributeType(
        "2.5.4.45", ("x500UniqueIdentifier", "uniqueIdentifier"), EqualityRule.EXACT
    ),  # a BIT STRING
    AttributeType("2.5.4.46", ("dnQualifier", "DNQ")),
    AttributeType("2.5.4.51", ("houseIdentifier",)),
    AttributeType("2.5.4.65", ("pseudonym",)),
    AttributeType("2.5.4.72", ("role",)),
    AttributeType("2.5.4.97", ("organizationIdentifier", "orgId")),
    # Elsewhere
    AttributeType(_PKCS_9 + "1", ("emailAddress", "E", "email"), _IA5),
    AttributeType(_PKCS_9 + "2", ("unstructuredName",)),
    AttributeType(_PKCS_9 + "8", ("unstructuredAddress",)),
    AttributeType(_PILOT + "3", ("mail", "rfc822Mailbox"), _IA5),
    AttributeType(_PERSONAL_DATA + "2", ("placeOfBirth",)),
    AttributeType(_PERSONAL_DATA + "3", ("gender",)),
    AttributeType(_PERSONAL_DATA + "4", ("countryOfCitizenship",)),
    AttributeType(_PERSONAL_DATA + "5", ("countryOfResidence",)),
    AttributeType(
        _INCORPORATION + "1",
        (
            "jurisdictionL",
            "jurisdictionLocalityName",
            "jurisdictionOfIncorporationLocalityName",
            "incorporationLocality",
        ),
    ),
    AttributeType(
        _INCORPORATION + "2",
        (
            "jurisdictionST",
            "jurisdictionStateOrProvinceName",
            "jurisdictionOfIncorporationStateOrProvinceName",
            "incorporationState",
        ),
    ),
    AttributeType(
        _INCORPORATION + "3",
        (
            "jurisdictionC",
            "jurisdictionCountryName",
            "jurisdictionOfIncorporationCountryName",
            "incorporationCountry",
        ),
    ),
)

BY_OID: Final[Mapping[str, AttributeType]] = MappingProxyType({known.oid: known for known in ATTRIBUTE_TYPES})
BY_KEYWORD: Final[Mapping[str, AttributeType]] = MappingProxyType(
    {keyword.lower(): known for known in ATTRIBUTE_TYPES for keyword in known.keywords}
)


def equality_rule(oid: str) -> EqualityRule:
    """How values of this attribute type compare."""
    known = BY_OID.get(oid)
    return EqualityRule.EXACT if known is None else known.rule
