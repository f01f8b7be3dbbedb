"""A certificate's extensions as they were sent, and the key identifiers among them (RFC 5280 §4.2.1.1-2)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from mtlsd.pki.der import SEQUENCE, element, elements
from mtlsd.pki.der_values import OCTET_STRING, Extension, extensions, integer, row
from mtlsd.pki.distribution_points import read_general_names
from mtlsd.pki.dn import DistinguishedName

SUBJECT_KEY_IDENTIFIER: Final = "2.5.29.14"
KEY_USAGE: Final = "2.5.29.15"
CRL_DISTRIBUTION_POINTS: Final = "2.5.29.31"
AUTHORITY_KEY_IDENTIFIER: Final = "2.5.29.35"

_EXTENSIONS_FIELD: Final = 0xA3
_NONE: Final[Mapping[str, Extension]] = MappingProxyType({})


def extensions_of(certificate: bytes) -> Mapping[str, Extension]:
    """The extensions of a certificate, by dotted OID; none where it has none.

    :param certificate: DER.
    :raises ValueError: where it has not a certificate's shape.
    """
    tbs = row(certificate).take(SEQUENCE)
    fields = list(elements(tbs.content))
    if not fields or fields[-1].tag != _EXTENSIONS_FIELD:
        return _NONE
    return extensions(fields[-1].content)


def subject_key_identifier(found: Mapping[str, Extension]) -> bytes | None:
    """:raises ValueError: where it is malformed."""
    own = found.get(SUBJECT_KEY_IDENTIFIER)
    return None if own is None else element(own.value, OCTET_STRING).content


@attrs.frozen
class AuthorityKeyIdentifier:
    """Which key signed it: by its identifier, or by the certificate that has it, or by both.

    :ivar issuers: the names of who issued that certificate.
    """

    key: bytes | None = None
    issuers: tuple[DistinguishedName, ...] = ()
    serial_number: int | None = None

    def allows(self, subject_key: bytes | None, issuer: DistinguishedName, serial_number: int) -> bool:
        """Whether a certificate with that key identifier, issuer and serial number can be meant."""
        if None not in (self.key, subject_key) and self.key != subject_key:
            return False
        if self.serial_number not in (None, serial_number):
            return False
        return not self.issuers or any(name.matches(issuer) for name in self.issuers)


def authority_key_identifier(found: Mapping[str, Extension]) -> AuthorityKeyIdentifier | None:
    """:raises ValueError: where it is malformed."""
    own = found.get(AUTHORITY_KEY_IDENTIFIER)
    if own is None:
        return None
    fields = row(own.value)
    key, names, serial = (fields.take_optional(tag) for tag in (0x80, 0xA1, 0x82))
    fields.end()
    if (names is None) != (serial is None):
        raise ValueError("an issuer without serial number, or the other way round")
    issuers = () if names is None else read_general_names(names.content)
    return AuthorityKeyIdentifier(
        None if key is None else key.content,
        tuple(issuer.name for issuer in issuers if issuer.name is not None),
        None if serial is None else integer(serial),
    )
