"""What the audit log says of a request that no endpoint has read."""

from __future__ import annotations

from mtlsd.errors import Fact, Refusal
from mtlsd.tls.peer import connected_peer

_LONGEST = 200  # strangers write as many as they like


def refused_facts(refusal: Refusal, correlation_id: str, transport: object) -> dict[str, Fact]:
    """The facts of the event ``request.refused``: where from, and why.

    They name nobody: the request has not said who sends it, or it was not read so far.

    :param transport: of the connection that the request came by; it need not be one of ours.
    """
    facts: dict[str, Fact] = {"correlation_id": correlation_id, "reason": refusal.reason.code}
    peer = connected_peer(transport)
    if peer is not None:
        facts["listener"], facts["address"] = peer.listener, peer.address
    said = {key: fact[:_LONGEST] if isinstance(fact, str) else fact for key, fact in refusal.facts.items()}
    return {**facts, **said}
