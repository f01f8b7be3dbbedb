"""Which certificates a client came with, and where it stands in its rotation."""

from __future__ import annotations

from datetime import datetime
from typing import Self

import attrs

MOST_SIGHTINGS = 8
"""How many certificates of one client are remembered: those that were seen last."""


@attrs.frozen
class Sighting:
    """A certificate that got a client a token.

    :ivar x5t_s256: the certificate's thumbprint, base64url (RFC 8705 section 3.1).
    :ivar subject: by RFC 4514, for people.
    :ivar first_seen_at: aware, as all instants here.
    """

    client_id: str
    x5t_s256: str
    subject: str
    not_before: datetime
    not_after: datetime
    first_seen_at: datetime
    last_seen_at: datetime

    def joined(self, other: Sighting) -> Self:
        """Both as one, in whatever order they are told."""
        return attrs.evolve(
            self,
            first_seen_at=min(self.first_seen_at, other.first_seen_at),
            last_seen_at=max(self.last_seen_at, other.last_seen_at),
        )
