"""What is shown of a source of revocation lists or answers."""

from __future__ import annotations

from datetime import datetime

import attrs

from mtlsd.pki.revocation import Source


@attrs.frozen
class SourceStatus:
    """One source at one moment; a source with several lists has one of these for each.

    :ivar group: the group of trust anchors that it serves.
    :ivar source: its file or URL.
    :ivar issuer: who signed the list; None, as are the next five, where there is none yet.
    :ivar number: the list's cRLNumber; None also where the list has none.
    :ivar entries: how many certificates the list has.
    :ivar bytes: how long the list is, in DER.
    :ivar this_update: aware UTC, like every instant here.
    :ivar last_good: when the source last answered as it should.
    :ivar last_tried: when it was last asked.
    :ivar next_try: when it will be asked again.
    :ivar error: why it did not answer as it should when it was last asked: a stable code, and more.
    """

    group: str
    kind: Source
    source: str
    issuer: str | None = None
    number: int | None = None
    entries: int | None = None
    bytes: int | None = None
    this_update: datetime | None = None
    next_update: datetime | None = None
    last_good: datetime | None = None
    last_tried: datetime | None = None
    next_try: datetime | None = None
    error: str | None = None
