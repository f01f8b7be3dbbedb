"""What a connection knows of its client."""

from __future__ import annotations

import weakref
from datetime import datetime
from typing import Protocol

from OpenSSL.SSL import TLS1_2_VERSION, TLS1_3_VERSION, Connection, Error

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.judge import Identity, Judgement, PresentedCertificate, Provisional, Refused, Standing
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.revocation_check import NOT_ASKED, Failures
from mtlsd.tls import alerts

_VERSIONS = {TLS1_2_VERSION: "TLSv1.2", TLS1_3_VERSION: "TLSv1.3"}


class Judging(Protocol):
    """What judges: :class:`mtlsd.verdicts.Judge`, always over one and the same snapshot."""

    @property
    def version(self) -> int: ...

    def judge(self, presented: PresentedCertificate, now: datetime, /) -> Judgement: ...

    def cached(
        self, listener: str, leaf_sha256: bytes, path_sha256s: tuple[bytes, ...], now: datetime, /
    ) -> Judgement | None: ...

    def settle(self, standing: Standing, now: datetime, failures: Failures = NOT_ASKED, /) -> Judgement: ...


class NotProvenError(Exception):
    """A judgement was asked for before the handshake had completed, so before possession was proven."""


class Peer:
    """The client at the other end of one TLS connection.

    The verify callback runs before the client has proven that it holds the certificate's key, so what it
    finds is kept back until :meth:`complete`. A refusal is final, but for one that rests on revocation alone:
    what responders and lists say can change while the connection is open.

    :ivar listener: the name of the listener.
    :ivar address: host of the client as its connection came in; empty where there is none (a UNIX socket).
    :ivar port: 0 where there is none.
    :ivar judge: who judges during the handshake; None from then on, so that an old snapshot can go.
    :ivar is_proxy: whether it is the proxy of a listener that takes forwarded certificates. Its own
        certificate is never a client's: :func:`peer_of` does not give it.
    :ivar handshake_completed: whether OpenSSL has completed the handshake.
    :ivar tls_version: ``TLSv1.3``, ``TLSv1.2``, or empty before the handshake has completed.
    :ivar handshake_error: what OpenSSL said when the handshake failed.
    :ivar fault: what went wrong in our own code while it judged, to be logged by whoever reports the refusal.
    """

    __slots__ = (
        "__weakref__",
        "_connection",
        "_judged_by",
        "_judgement",
        "_version",
        "address",
        "fault",
        "handshake_completed",
        "handshake_error",
        "is_proxy",
        "judge",
        "listener",
        "port",
        "tls_version",
    )

    def __init__(
        self,
        listener: str,
        address: str = "",
        port: int = 0,
        judge: Judging | None = None,
        *,
        is_proxy: bool = False,
    ) -> None:
        self.listener = listener
        self.is_proxy = is_proxy
        self.address = address
        self.port = port
        self.judge = judge
        self.handshake_completed = False
        self.tls_version = ""
        self.handshake_error: Error | None = None
        self.fault: Exception | None = None
        self._judgement: Judgement | None = None
        self._judged_by: weakref.ref[Judging] | None = None
        self._version = -1
        self._connection: weakref.ref[Connection] | None = None

    @property
    def judgement(self) -> Judgement | None:
        """Whose certificate it is, or why it is nobody's; None where the client sent none.

        :raises NotProvenError: before the handshake has completed. It fails closed.
        """
        if not self.handshake_completed:
            raise NotProvenError(f"the handshake of {self.address} has not completed")
        return self._judgement

    @property
    def possession_proven(self) -> bool:
        """Whether the client presented a certificate, good or bad, and has proven that it holds its key."""
        return self.handshake_completed and self._judgement is not None

    @property
    def refused(self) -> Refused | None:
        """The refusal, as soon as there is one: it gives nothing to anybody, so it needs no proof."""
        return self._judgement if isinstance(self._judgement, Refused) else None

    @property
    def claimed(self) -> Certificate | None:
        """The certificate that was presented, for the audit log alone: perhaps nobody holds its key."""
        return None if self._judgement is None else self._judgement.certificate

    @property
    def is_judged(self) -> bool:
        return self._judgement is not None

    def propose(self, found: Identity | Provisional) -> None:
        """Keep an identity until possession is proven, unless the certificate has been refused already."""
        if self._judgement is None and not self.handshake_completed:
            self._judgement = found

    def refuse(self, refused: Refused) -> None:
        """Refuse. The first refusal stays; an identity does not."""
        if not isinstance(self._judgement, Refused):
            self._judgement = refused

    def complete(self, connection: Connection) -> None:
        """The handshake has completed: what was presented is proven."""
        if self._judgement is None and connection.get_peer_certificate() is not None:
            # No way is known to come here. A certificate that nobody judged proves nothing.
            self.refuse(
                Refused(Refusal(reasons.TLS_INTERNAL, {"detail": "the certificate was not judged"}), None, ())
            )
        self.handshake_completed = True
        self.tls_version = _VERSIONS.get(connection.get_protocol_version(), "")
        self._connection = weakref.ref(connection)
        if self.judge is not None:
            self._judged_by, self._version = weakref.ref(self.judge), self.judge.version
            self.judge = None

    @property
    def presented(self) -> PresentedCertificate | None:
        """The certificate whose key the client holds, as it came; None where there is none to be read.

        :raises NotProvenError: before the handshake has completed.
        """
        current = self.judgement
        return None if current is None or current.certificate is None else self._presented(current)

    def judgement_at(self, judge: Judging, now: datetime) -> Judgement | None:
        """The judgement as of now, for a request on a connection that has been open for a while.

        It is looked at afresh when another judge (so another snapshot) has come, when something new is known
        about revocation, and when the identity has run out.

        :param now: aware.
        :returns: a provisional one where it takes :meth:`settled` to know.
        :raises NotProvenError: before the handshake has completed.
        """
        current = self.judgement
        if isinstance(current, Identity):  # nearly always, so nothing is called here that need not be
            by = self._judged_by
            if (
                by is not None
                and by() is judge
                and self._version == judge.version
                and now <= current.good_until
            ):
                return current
        elif current is None or self._is_final(current):
            return current
        self._judgement = self._again(current, judge, now, NOT_ASKED)
        return self._judgement

    def settled(self, judge: Judging, now: datetime, failures: Failures) -> Identity | Refused | None:
        """The judgement after its questions have been asked, so that it is not provisional any more.

        :param failures: why questions got no answer.
        """
        current = self.judgement
        if current is not None and not self._is_final(current):
            current = self._judgement = self._again(current, judge, now, failures)
        if isinstance(current, Provisional):
            # A reload has brought other questions meanwhile. Nobody waits a second time.
            return Refused(Refusal(reasons.REVOCATION_UNKNOWN), current.certificate, current.trace)
        return current

    @staticmethod
    def _is_final(judgement: Judgement) -> bool:
        return isinstance(judgement, Refused) and judgement.standing is None

    def _is_by(self, judge: Judging) -> bool:
        return self._judged_by is not None and self._judged_by() is judge

    def _again(self, current: Judgement, judge: Judging, now: datetime, failures: Failures) -> Judgement:
        standing, self._version = current.standing, judge.version
        if standing is not None and self._is_by(judge) and now <= standing.valid_until:
            return judge.settle(standing, now, failures)
        self._judged_by = weakref.ref(judge)
        judgement = judge.judge(self._presented(current), now)
        if failures and isinstance(judgement, Provisional):
            return judge.settle(judgement.standing, now, failures)
        return judgement

    def _presented(self, current: Judgement) -> PresentedCertificate:
        assert current.certificate is not None  # whatever has a standing has been read
        connection = None if self._connection is None else self._connection()
        chain = () if connection is None else alerts.chain_as_sent(connection)
        return PresentedCertificate(current.certificate.der, chain, self.listener)


def peer_of(transport: object) -> Peer | None:
    """What the connection below this transport knows of its client; None where it is not one of ours.

    :param transport: of a protocol of Twisted's, such as ``request.transport``.
    :returns: None for a proxy too, which is nobody's client.
    """
    peer = connected_peer(transport)
    return None if peer is None or peer.is_proxy else peer


def connected_peer(transport: object) -> Peer | None:
    """Who is at the other end of the connection, be it a client or a proxy; else as :func:`peer_of`."""
    get_handle = getattr(transport, "getHandle", None)
    handle = None if get_handle is None else get_handle()
    peer = getattr(handle, "peer", None)
    return peer if isinstance(peer, Peer) else None
