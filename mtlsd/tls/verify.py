"""The verify callback: what OpenSSL found about the path, then the judge. From memory alone.

It is synchronous and runs before CertificateVerify, so whoever owns nothing but a *public* certificate comes
here: it does no I/O, logs nothing, counts nothing, and changes nothing but the
:class:`~mtlsd.tls.peer.Peer` of its own connection.

Whatever OpenSSL finds wrong refuses the certificate, with one exception. Where it found no path, or took the
wrong one of two anchors with the same name, the judge is asked at once: it knows the pins, the configured
intermediates (which do not stand in the store of the handshake, lest they are taken for anchors) and the
anchors that are not self-signed; it validates the whole path itself, or refuses.

OpenSSL checks name constraints *after* it has called for the leaf with ok=1. So that call is not the last
word: an identity is proposed there, and any error that follows takes it back.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Literal

import attrs
from OpenSSL.SSL import Connection

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.judge import Judgement, PresentedCertificate, Refused
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.verify_errors import refusal_for
from mtlsd.tls import alerts
from mtlsd.tls.alerts import StoreContext
from mtlsd.tls.peer import Judging, Peer

RefuseIn = Literal["handshake", "response"]

HANDSHAKE_FAILURE = 50  # X509_V_ERR_APPLICATION_VERIFICATION -> handshake_failure

NO_PATH = frozenset(
    {
        2,  # UNABLE_TO_GET_ISSUER_CERT: the path ends in an anchor that is not self-signed
        7,  # CERT_SIGNATURE_FAILURE: two CAs share the name
        18,  # DEPTH_ZERO_SELF_SIGNED_CERT: perhaps pinned
        19,  # SELF_SIGNED_CERT_IN_CHAIN: the client sent a root that is not an anchor
        20,  # UNABLE_TO_GET_ISSUER_CERT_LOCALLY: perhaps a configured intermediate helps, or it is pinned
        21,  # UNABLE_TO_VERIFY_LEAF_SIGNATURE: follows 20
    }
)
"""The errors that say no more than that OpenSSL has no path here."""


@attrs.frozen
class Verifier:
    """Verifies the clients of one listener.

    :ivar listener: its name.
    :ivar refuse_in: whether a refusal ends the handshake, or lets it complete without an identity.
    :ivar now: the clock, aware UTC.
    """

    listener: str
    refuse_in: RefuseIn
    now: Callable[[], datetime]

    def __call__(self, connection: Connection, ok: bool, store: StoreContext) -> bool:
        """Say whether the handshake goes on: a :data:`~mtlsd.tls.alerts.Verify`. It never raises."""
        peer = getattr(connection, "peer", None)
        if not isinstance(peer, Peer) or peer.handshake_completed:
            alerts.set_error(store, alerts.UNSPECIFIED)
            return False
        try:
            # The first refusal stays: hundreds of errors in one chain shall not each be looked into.
            refused = peer.refused or self._refused(peer, ok, store)
        except Exception as fault:
            peer.fault = fault
            refused = Refused(Refusal(reasons.TLS_INTERNAL, {"detail": type(fault).__name__}), None, ())
        return refused is None or self._refuse(peer, refused, store)

    def _refused(self, peer: Peer, ok: bool, store: StoreContext) -> Refused | None:
        """Why the certificate is refused at this call; None to go on."""
        if not ok:
            return self._on_error(peer, store)
        if peer.is_judged:
            return None
        sha256s = alerts.path_sha256s_of(store)
        known = self._judge_of(peer).cached(self.listener, sha256s[0], sha256s, self.now())
        if known is not None:
            return _proposed(peer, known)
        path = alerts.path_of(store)
        return self._judge(peer, PresentedCertificate(path[0], path[1:-1], self.listener, path=path))

    def _on_error(self, peer: Peer, store: StoreContext) -> Refused | None:
        error, leaf = alerts.error_of(store), alerts.leaf_of(store)
        if error not in NO_PATH:
            return _refused(error, leaf, store)
        if peer.is_judged:
            return None
        # Of what the client sent OpenSSL shows only what it could link to the leaf.
        return self._judge(peer, PresentedCertificate(leaf, alerts.path_of(store)[1:], self.listener))

    def _judge(self, peer: Peer, presented: PresentedCertificate) -> Refused | None:
        return _proposed(peer, self._judge_of(peer).judge(presented, self.now()))

    def _judge_of(self, peer: Peer) -> Judging:
        if peer.judge is None:
            raise RuntimeError("the connection has no judge")
        return peer.judge

    def _refuse(self, peer: Peer, refused: Refused, store: StoreContext) -> bool:
        peer.refuse(refused)
        if self.refuse_in == "response" and refused.refusal.reason is not reasons.TLS_INTERNAL:
            return True
        alerts.set_error(store, refused.refusal.reason.verify_error or HANDSHAKE_FAILURE)
        return False


def _proposed(peer: Peer, judgement: Judgement) -> Refused | None:
    """A provisional judgement lets the handshake complete: whatever takes the network comes after it."""
    if isinstance(judgement, Refused):
        return judgement
    peer.propose(judgement)
    return None


def _refused(error: int, leaf: bytes, store: StoreContext) -> Refused:
    """What OpenSSL found wrong, in our words; but a leaf that cannot be read at all is said first."""
    try:
        certificate = Certificate.from_der(leaf)
    except Refusal as unreadable:
        return Refused(unreadable, None, ())
    return Refused(refusal_for(error, alerts.depth_of(store), _at_fault(store)), certificate, ())


def _at_fault(store: StoreContext) -> Certificate | None:
    der = alerts.current_of(store)
    with suppress(Refusal):
        return None if der is None else Certificate.from_der(der)
    return None
