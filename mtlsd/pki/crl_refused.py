"""Why a revocation list, or all of them together, cannot tell whether a certificate is revoked.

These codes stand in the facts of a ``revocation.unknown`` refusal as ``why``, and in what is shown of a
source. None of them is ever a reason to call a certificate good.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

WHYS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # one list: found when it is loaded
        "crl.malformed": "The list is not what RFC 5280 section 5 describes.",
        "crl.too_large": "The list is larger than is read.",
        "crl.version": "The list is not of version 2.",
        "crl.no_next_update": "The list does not say when the next one comes.",
        "crl.critical": "The list has a critical extension that nobody here understands.",
        "crl.removal": "A complete list has an entry that only a delta may have (removeFromCRL).",
        "crl.algorithm": "The list is signed with MD5, SHA-1 or an algorithm that is not known here.",
        "crl.signature": "The list was not signed with a key of whoever it names as its issuer.",
        "crl.issuer": "No certificate with that name may sign lists for these certificates.",
        # one list: found at any time
        "crl.expired": "The list's nextUpdate lies in the past.",
        "crl.not_yet_valid": "The list's thisUpdate lies in the future.",
        # all lists together: found when a certificate is looked up
        "crl.none": "There is no list of the certificate's issuer, nor of one that the certificate names.",
        "crl.scope": "There are lists, but they are about other certificates.",
        "crl.anchor": "The list's signer is vouched for by another trust anchor than the certificate.",
        "crl.reasons": "The lists cover some reasons for a revocation only.",
        "crl.signer_revoked": "A certificate that the list's signature rests on is revoked.",
        "crl.signer_unknown": "Nothing tells whether a certificate that the signature rests on is revoked.",
    }
)


@attrs.frozen
class CrlRefused(Exception):
    """A revocation list cannot be used.

    :ivar why: one of :data:`WHYS`.
    :ivar detail: what was seen, printable.
    """

    why: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.why}: {self.detail or WHYS[self.why]}"
