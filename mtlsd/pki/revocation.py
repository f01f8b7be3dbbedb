"""What revocation lists and OCSP responders say of a certificate, in one form."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import attrs

from mtlsd.errors import Fact

Status = Literal["good", "revoked", "unknown"]


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
