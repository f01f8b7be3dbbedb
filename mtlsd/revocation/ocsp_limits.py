"""How much OCSP may take of everything."""

from __future__ import annotations

import attrs

from mtlsd.revocation.responders import ResponderLimits


@attrs.frozen
class OcspLimits:
    """How much of everything.

    :ivar answers: how many are known at most; the one unused longest is forgotten first.
    :ivar answer_bytes: how large they may be together, about.
    :ivar waiting: how many wait for responders at once.
    :ivar waiting_per_responder: of these for one of them.
    :ivar deadline_seconds: how long anybody waits, whatever the number of responders.
    :ivar failure_seconds: how long a failure answers whoever asks the same.
    :ivar failures: how many failures are remembered.
    :ivar refreshing: how many answers are renewed at once.
    :ivar tick_seconds: how often is looked for what is due.
    :ivar write_seconds: how often the cache is written, at most.
    """

    answers: int = 100_000
    answer_bytes: int = 256 << 20
    waiting: int = 1000
    waiting_per_responder: int = 250
    deadline_seconds: float = 5.0
    failure_seconds: float = 2.0
    failures: int = 1000
    refreshing: int = 8
    tick_seconds: float = 10.0
    write_seconds: float = 5.0
    responders: ResponderLimits = attrs.field(factory=ResponderLimits)
