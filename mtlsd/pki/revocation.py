"""Who is asked whether a certificate is revoked, and what lists and responders say of it, in one form."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal

import attrs

from mtlsd.errors import Fact
from mtlsd.pki.certificate import Certificate

Status = Literal["good", "revoked", "unknown"]
Source = Literal["crl", "ocsp"]
OnUnknown = Literal["refuse", "allow"]


CRL_REASONS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "unspecified",
        1: "keyCompromise",
        2: "cACompromise",
        3: "affiliationChanged",
        4: "superseded",
        5: "cessationOfOperation",
        6: "certificateHold",
        8: "removeFromCRL",
        9: "privilegeWithdrawn",
        10: "aACompromise",
    }
)
"""The names of CRLReason (RFC 5280 section 5.3.1), which OCSP has too."""

UNKNOWN_LASTS: Final = timedelta(seconds=60)
"""A responder may hear of a new certificate at any time: then it is asked again, whatever it said."""


@attrs.frozen
class RevocationPolicy:
    """How one group of trust anchors has its certificates checked for revocation.

    :ivar order: the kinds of sources, the first asked first. Never empty.
    :ivar on_unknown: what happens where no source can tell.
    :ivar crl_files: paths of revocation lists, DER or PEM.
    :ivar crl_urls: where lists are fetched from: http or https.
    :ivar crl_from_certificate: whether the distribution points that the group's CAs and verified clients'
        certificates name are fetched too.
    :ivar ocsp_url: the responder for every certificate; None for the one that each certificate names.
    :ivar ocsp_responders: certificates of responders that are trusted to sign for this group by themselves.
    :ivar require_nonce: whether a response without our nonce is refused; one with another nonce always is.
    :ivar max_age: how old an answer of a responder may be, whatever it says itself.
    :ivar grace: how long after its nextUpdate an answer or a list still counts.
    """

    order: tuple[Source, ...]
    on_unknown: OnUnknown = "refuse"
    crl_files: tuple[str, ...] = ()
    crl_urls: tuple[str, ...] = ()
    crl_from_certificate: bool = False
    ocsp_url: str | None = None
    ocsp_responders: tuple[Certificate, ...] = ()
    require_nonce: bool = False
    max_age: timedelta = timedelta(days=7)
    grace: timedelta = timedelta()


@attrs.frozen
class Answer:
    """What one source says of one certificate, verified: only whether it is fresh enough changes with time.

    :ivar source: ``crl <name>`` or ``ocsp <url>``.
    :ivar this_update: when the source knew it to be so; aware UTC, like the other instants.
    :ivar next_update: when the source will know more; None where it does not say.
    :ivar revoked_at: since when, where it is revoked.
    :ivar reason: a name of RFC 5280's CRLReason, where the source gives one. ``certificateHold`` is as
        revoked as any other.
    :ivar facts: what else the audit log and the trace should show.
    :ivar fetched_at: when mtlsd learned it; None for what it did not fetch.
    :ivar fresh_until: what the policy makes of the times above; None where `next_update` alone decides.
    """

    status: Status
    source: str
    this_update: datetime
    next_update: datetime | None
    revoked_at: datetime | None = None
    reason: str | None = None
    facts: Mapping[str, Fact] = attrs.field(factory=dict, eq=False)
    fetched_at: datetime | None = None
    fresh_until: datetime | None = None

    def is_worth_asking_again(self, now: datetime) -> bool:
        """Whether the source did not know the certificate, and that is a while ago."""
        since = self.fetched_at
        return self.status == "unknown" and since is not None and since + UNKNOWN_LASTS <= now
