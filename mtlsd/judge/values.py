"""What goes into the judge, and what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import attrs

from mtlsd.clients.methods import AuthMethod
from mtlsd.errors import Fact, Refusal
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.path import AnchorGroup, Path
from mtlsd.pki.revocation_check import Question

Source = Literal["handshake", "forwarded", "offline"]
Outcome = Literal["passed", "failed", "noted"]


@attrs.frozen
class PresentedCertificate:
    """A certificate as it came in.

    :ivar leaf: DER.
    :ivar chain: DER of what was sent beside the leaf, in that order.
    :ivar listener: the name of the listener it came in by, which says what is trusted.
    :ivar path: DER from the leaf to the anchor, where OpenSSL has built and validated it in this very
        handshake; None where the judge has to.
    """

    leaf: bytes
    chain: tuple[bytes, ...]
    listener: str
    source: Source = "handshake"
    path: tuple[bytes, ...] | None = None


@attrs.frozen
class Check:
    """One step of the judge: what was expected, what was seen, and how it ended."""

    name: str
    outcome: Outcome
    expected: Fact
    seen: Fact
    reason: str | None = None


Trace = tuple[Check, ...]


@attrs.frozen
class Vouching:
    """A group of trust anchors that vouches for the certificate, by this path, for these enabled clients.

    :ivar clients: may be empty: the group vouches, but nobody has registered one of the names under it.
    """

    group: AnchorGroup
    path: Path
    clients: tuple[str, ...] = ()


@attrs.frozen
class Standing:
    """What a certificate proves as long as the snapshot stands and nobody has revoked it.

    It is no identity yet: revocation is looked at each time anew.

    :ivar pinned: the clients that registered or publish exactly this certificate.
    :ivar valid_until: the first notAfter of its paths.
    :ivar facts: the certificate's facts for the audit log, made once.
    :ivar by_chain_as_sent: whether the chain as sent was looked at beside the path, so that another chain
        might give another answer.
    """

    certificate: Certificate
    pinned: tuple[str, ...]
    vouching: tuple[Vouching, ...]
    valid_until: datetime
    trace: Trace
    facts: Mapping[str, Fact]
    by_chain_as_sent: bool = False

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(own.group.name for own in self.vouching)


@attrs.frozen
class Identity:
    """What the certificate proves: the clients that it belongs to, and how each of them registered.

    :ivar groups: the anchor groups that vouch for the certificate.
    :ivar good_until: when to look again: the end of what is known about revocation, or the certificate's.
    :ivar unchecked: the groups of whose sources none could tell, and whose policy allows that.
    """

    standing: Standing = attrs.field(repr=False)
    clients: Mapping[str, AuthMethod]
    groups: tuple[str, ...]
    good_until: datetime
    trace: Trace
    unchecked: tuple[str, ...] = ()

    @property
    def certificate(self) -> Certificate:
        return self.standing.certificate

    @property
    def valid_until(self) -> datetime:
        """The first notAfter of the path: nothing that is issued for the certificate outlives it."""
        return self.standing.valid_until

    @property
    def facts(self) -> Mapping[str, Fact]:
        """The certificate's facts for the audit log."""
        return self.standing.facts


@attrs.frozen
class Provisional:
    """All is well but for what nobody has said yet: whether the certificate is revoked.

    It proves nothing. Have the questions answered, and settle it then.
    """

    standing: Standing = attrs.field(repr=False)
    questions: tuple[Question, ...]
    trace: Trace

    @property
    def certificate(self) -> Certificate:
        return self.standing.certificate

    @property
    def facts(self) -> Mapping[str, Fact]:
        """The certificate's facts for the audit log."""
        return self.standing.facts


@attrs.frozen
class Refused:
    """The certificate proves nothing, and why.

    :ivar certificate: None where it could not be read.
    :ivar standing: where it was refused because it is revoked, or may be: that can change while the snapshot
        stands. None for every other refusal.
    :ivar vouched: where it is nobody's, although a trust anchor group vouches for it or did for a client, and
        none knows that it is revoked. None where nobody has looked: see :mod:`mtlsd.judge.strangers`.
    """

    refusal: Refusal
    certificate: Certificate | None
    trace: Trace
    standing: Standing | None = attrs.field(default=None, repr=False)
    vouched: Standing | None = attrs.field(default=None, repr=False)

    @property
    def facts(self) -> Mapping[str, Fact]:
        """The certificate's facts for the audit log."""
        return {} if self.certificate is None else self.certificate.facts()


Settled = Identity | Refused
Judgement = Identity | Provisional | Refused
