"""The judge: whose certificate is this? One pure function for every way in which a certificate comes in.

The judge reads a certificate, a snapshot of everything configured, and an instant. It does no I/O, so it may
run inside a handshake; and since it alone turns certificates into identities, a direct connection, a
forwarded certificate and ``mtlsd explain`` give the same answer with the same trace.
"""

from __future__ import annotations

from datetime import datetime

from mtlsd.judge.matching import match_client, seen_names
from mtlsd.judge.settling import settle
from mtlsd.judge.standing import stand, stand_for_anybody
from mtlsd.judge.strangers import settle_stranger, stand_of_stranger
from mtlsd.judge.trust import ListenerTrust, NothingKnown, Snapshot
from mtlsd.judge.values import (
    Check,
    Identity,
    Judgement,
    PresentedCertificate,
    Provisional,
    Refused,
    Settled,
    Source,
    Standing,
    Trace,
    Vouching,
)
from mtlsd.judge.vouching import Asked, Vouched, vouched, vouched_at


def judge(presented: PresentedCertificate, snapshot: Snapshot, now: datetime) -> Judgement:
    """Say whose certificate this is, or why it is nobody's.

    It fails closed: an identity names at least one client, and every check on the way to it has passed.
    Where it takes a source that nobody has asked yet, the answer is provisional, and proves nothing.
    """
    standing = stand(presented, snapshot, now)
    if isinstance(standing, Refused):
        return standing
    return settle(standing, snapshot.revocation, now)


__all__ = [
    "Asked",
    "Check",
    "Identity",
    "Judgement",
    "ListenerTrust",
    "NothingKnown",
    "PresentedCertificate",
    "Provisional",
    "Refused",
    "Settled",
    "Snapshot",
    "Source",
    "Standing",
    "Trace",
    "Vouched",
    "Vouching",
    "judge",
    "match_client",
    "seen_names",
    "settle",
    "settle_stranger",
    "stand",
    "stand_for_anybody",
    "stand_of_stranger",
    "vouched",
    "vouched_at",
]
