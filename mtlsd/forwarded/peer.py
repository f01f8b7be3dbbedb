"""What is known of a client that an authenticated proxy speaks for, in one request."""

from __future__ import annotations

from datetime import datetime

import attrs

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.judge import Identity, Judgement, PresentedCertificate, Provisional, Refused
from mtlsd.pki.revocation_check import Failures
from mtlsd.verdicts import Judge


@attrs.frozen
class ForwardedPeer:
    """The client behind a proxy, with what :class:`mtlsd.tls.peer.Peer` offers of one that connects itself.

    It lives as long as one request: the next one on the connection may be another client's.

    :ivar listener: the name of the listener that the proxy connects to.
    :ivar address: of the client, as the proxy saw it; empty where the proxy speaks for itself.
    :ivar presented: the certificate whose key the client has proven to hold, says the proxy; None where the
        client came without one.
    """

    listener: str
    address: str
    presented: PresentedCertificate | None

    def judgement_at(self, judge: Judge, now: datetime) -> Judgement | None:
        """Whose certificate it is, or why it is nobody's; None where the client sent none."""
        return None if self.presented is None else judge.judge(self.presented, now)

    def settled(self, judge: Judge, now: datetime, failures: Failures) -> Identity | Refused | None:
        """The judgement after its questions have been asked, so that it is not provisional any more."""
        found = self.judgement_at(judge, now)
        if isinstance(found, Provisional):
            found = judge.settle(found.standing, now, failures)
        if isinstance(found, Provisional):
            # A reload has brought other questions meanwhile. Nobody waits a second time.
            return Refused(Refusal(reasons.REVOCATION_UNKNOWN), found.certificate, found.trace)
        return found
