"""The judge: whose certificate is this? One pure function for every way in which a certificate comes in.

The judge reads a certificate, a snapshot of everything configured, and an instant. It does no I/O, so it may
run inside a handshake; and since it alone turns certificates into identities, a direct connection, a
forwarded certificate and ``mtlsd explain`` give the same answer with the same trace.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Literal, Self

import attrs

from mtlsd import reasons
from mtlsd.clients.client import PKI, SELF_SIGNED, AuthMethod, Client, SubjectMember
from mtlsd.clients.index import ClientIndex
from mtlsd.errors import Fact, Reason, Refusal
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.dn import DistinguishedName
from mtlsd.pki.path import AnchorGroup, Path, PathValidator, check_path
from mtlsd.pki.usage import check_client_usage, check_strength

Source = Literal["handshake", "forwarded", "offline"]


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
    outcome: Literal["passed", "failed", "noted"]
    expected: Fact
    seen: Fact
    reason: str | None = None


Trace = tuple[Check, ...]


@attrs.frozen
class Identity:
    """What the certificate proves: the clients that it belongs to, and how each of them registered.

    :ivar groups: the anchor groups that vouch for the certificate.
    :ivar valid_until: the first notAfter of the path.
    :ivar facts: the certificate's facts for the audit log, made once.
    :ivar by_chain_as_sent: whether the chain as sent was looked at beside the path, so that another chain
        might give another answer.
    """

    certificate: Certificate
    clients: Mapping[str, AuthMethod]
    groups: tuple[str, ...]
    valid_until: datetime
    trace: Trace
    facts: Mapping[str, Fact]
    by_chain_as_sent: bool = False


@attrs.frozen
class Refused:
    """The certificate proves nothing, and why.

    :ivar certificate: None where it could not be read.
    """

    refusal: Refusal
    certificate: Certificate | None
    trace: Trace

    @property
    def facts(self) -> Mapping[str, Fact]:
        """The certificate's facts for the audit log."""
        return {} if self.certificate is None else self.certificate.facts()


Judgement = Identity | Refused


@attrs.frozen
class ListenerTrust:
    """What one listener trusts: its anchor groups, together and one by one."""

    groups: tuple[AnchorGroup, ...]
    strict: bool
    together: PathValidator
    alone: Mapping[str, PathValidator]

    @classmethod
    def from_groups(cls, groups: Iterable[AnchorGroup], strict: bool) -> Self:
        groups = tuple(groups)
        alone = {group.name: PathValidator.from_groups((group,), strict) for group in groups}
        return cls(groups, strict, PathValidator.from_groups(groups, strict), alone)

    def vouching(self, anchor: Certificate) -> tuple[str, ...]:
        """The groups that hold this anchor. An anchor is known by its key: two CAs can share a name (R30)."""
        return tuple(
            group.name
            for group in self.groups
            if any(
                anchor.key_sha256 == own.key_sha256 and anchor.subject == own.subject for own in group.anchors
            )
        )


@attrs.frozen
class Snapshot:
    """Everything the judge knows, as one immutable whole that is swapped when anything changes.

    :ivar trust: for each listener that asks for certificates.
    """

    clients: ClientIndex
    trust: Mapping[str, ListenerTrust]

    def trust_of(self, listener: str) -> ListenerTrust:
        """What the listener trusts: nothing, where a reload has removed it under an open connection."""
        return self.trust.get(listener) or ListenerTrust.from_groups((), True)


def judge(presented: PresentedCertificate, snapshot: Snapshot, now: datetime) -> Judgement:
    """Say whose certificate this is, or why it is nobody's.

    It fails closed: an identity names at least one client, and every check on the way to it has passed.
    """
    case = _Case(presented, snapshot, now)
    try:
        return case.judge()
    except Refusal as refusal:
        return case.refused(refusal)


@attrs.define
class _Case:
    """One certificate before the judge, and the trace as it grows."""

    presented: PresentedCertificate
    snapshot: Snapshot
    now: datetime
    certificate: Certificate | None = None
    trace: list[Check] = attrs.field(factory=list)
    by_chain_as_sent: bool = False

    def judge(self) -> Identity:
        certificate = self.certificate = Certificate.from_der(self.presented.leaf)
        self._passed("certificate", "a certificate (RFC 5280)", certificate.subject.to_string())
        trust = self.snapshot.trust_of(self.presented.listener)
        pinned = self._pinned(certificate)
        candidates = () if pinned is None else tuple(self._candidates(certificate, trust))
        if pinned is not None and not candidates:
            return self._identity(certificate, {pinned.client_id: SELF_SIGNED}, (), certificate.not_after)
        try:
            path = self._path(certificate, trust)
            if pinned is None:  # not before there is a path: comparing the names of strangers is dear
                candidates = tuple(self._candidates(certificate, trust))
            groups = self._groups(path, trust, candidates)
            check_client_usage(certificate)
            self._passed("usage", "clientAuth, digitalSignature", _usage(certificate))
        except Refusal as refusal:
            if pinned is None:
                raise
            self._noted("path", "a path to a trust anchor", refusal.reason.code)
            return self._identity(certificate, {pinned.client_id: SELF_SIGNED}, (), certificate.not_after)
        clients = self._clients(certificate, groups, candidates, pinned)
        return self._identity(certificate, clients, groups, min(own.not_after for own in path.certificates))

    def _pinned(self, certificate: Certificate) -> Client | None:
        """The client that pinned exactly this certificate: only its times and its key are checked then."""
        index = self.snapshot.clients
        client = index.by_pin(certificate.sha256, certificate.der)
        if client is None:
            if index.has_pins:
                self._noted("pin", "a registered certificate", f"x5t#S256 {certificate.x5t_s256}")
            return None
        self._passed(
            "pin", "a registered certificate", f"x5t#S256 {certificate.x5t_s256} of {client.client_id}"
        )
        if client.disabled:
            raise Refusal(reasons.CLIENT_DISABLED, {"disabled": client.client_id})
        self._times(certificate)
        check_strength(certificate)
        return client

    def _times(self, certificate: Certificate) -> None:
        """Validity is enforced for pinned certificates too (RFC 8705 leaves it open)."""
        facts = {
            "not_before": certificate.not_before.isoformat(),
            "not_after": certificate.not_after.isoformat(),
        }
        if self.now < certificate.not_before:
            raise Refusal(reasons.CERTIFICATE_NOT_YET_VALID, facts)
        if self.now > certificate.not_after:
            raise Refusal(reasons.CERTIFICATE_EXPIRED, facts)
        self._passed("validity", "notBefore <= now <= notAfter", " to ".join(facts.values()))

    def _candidates(self, certificate: Certificate, trust: ListenerTrust) -> Iterator[tuple[str, Client]]:
        """Whom the certificate's names would belong to, if the group vouched for it: look-ups, no scan."""
        for group in trust.groups:
            for member, key in _names(certificate, self.snapshot.clients.subject_members):
                client = self.snapshot.clients.by_subject(group.name, member, key)
                if client is not None:
                    yield group.name, client

    def _path(self, certificate: Certificate, trust: ListenerTrust) -> Path:
        if self.presented.path is not None:
            path = Path(tuple(map(Certificate.from_der, self.presented.path)))
        else:
            path = self._build_path(certificate, trust)
        self._passed(
            "path", "a path to a trust anchor", [own.subject.to_string() for own in path.certificates]
        )
        check_path(path)
        self._passed("strength", "no MD5, SHA-1 or short key on the path", _strength(path))
        return path

    def _build_path(self, certificate: Certificate, trust: ListenerTrust) -> Path:
        try:
            return trust.together.build(certificate, self.presented.chain, self.now)
        except Refusal as refusal:
            if refusal.reason is reasons.CHAIN_UNTRUSTED and certificate.self_signed:
                raise Refusal(reasons.PIN_UNKNOWN, {"x5t#S256": certificate.x5t_s256}) from None
            raise

    def _groups(
        self, path: Path, trust: ListenerTrust, candidates: Iterable[tuple[str, Client]]
    ) -> tuple[str, ...]:
        """The groups that vouch: those that hold the path's anchor, and any other one whose client is meant
        and whose own store finds a path too, as happens where CAs have signed each other.
        """
        groups = list(trust.vouching(path.anchor))
        for group in dict.fromkeys(name for name, _ in candidates):
            if group not in groups:
                self.by_chain_as_sent = True
                try:
                    check_path(trust.alone[group].build(path.certificates[0], self.presented.chain, self.now))
                    groups.append(group)
                except Refusal as refusal:
                    self._noted("anchor", f"a path to the trust anchor group {group}", refusal.reason.code)
        self._passed("anchor", "a trust anchor group of the listener", groups)
        return tuple(groups)

    def _clients(
        self,
        certificate: Certificate,
        groups: tuple[str, ...],
        candidates: Iterable[tuple[str, Client]],
        pinned: Client | None,
    ) -> Mapping[str, AuthMethod]:
        vouched = {client.client_id: client for group, client in candidates if group in groups}
        enabled: dict[str, AuthMethod] = {
            name: PKI for name, client in vouched.items() if not client.disabled
        }
        if pinned is not None:
            enabled[pinned.client_id] = SELF_SIGNED
        if enabled:
            self._passed("subject", "a registered subject", sorted(enabled))
            return enabled
        if vouched:
            raise Refusal(reasons.CLIENT_DISABLED, {"disabled": sorted(vouched)})
        raise Refusal(reasons.SUBJECT_UNKNOWN, self._unknown(certificate, groups))

    def _unknown(self, certificate: Certificate, groups: tuple[str, ...]) -> dict[str, Fact]:
        facts: dict[str, Fact] = {"trust_anchors": groups, "seen": seen_names(certificate)}
        backwards = attrs.evolve(certificate.subject, rdns=certificate.subject.rdns[::-1]).key
        for group in groups:
            client = self.snapshot.clients.by_subject(group, "tls_client_auth_subject_dn", backwards)
            if client is not None and client.subject is not None:
                facts["expected"] = (
                    f"{client.subject.text} (registered for {client.client_id} in reversed order)"
                )
        return facts

    def _identity(
        self,
        certificate: Certificate,
        clients: Mapping[str, AuthMethod],
        groups: tuple[str, ...],
        valid_until: datetime,
    ) -> Identity:
        trace, facts = tuple(self.trace), certificate.facts()
        return Identity(certificate, clients, groups, valid_until, trace, facts, self.by_chain_as_sent)

    def refused(self, refusal: Refusal) -> Refused:
        expected, seen = refusal.facts.get("expected"), refusal.facts.get("seen")
        name = refusal.reason.code.partition(".")[0]
        self.trace.append(Check(name, "failed", expected, seen, refusal.reason.code))
        return Refused(refusal, self.certificate, tuple(self.trace))

    def _passed(self, name: str, expected: Fact, seen: Fact) -> None:
        self.trace.append(Check(name, "passed", expected, seen))

    def _noted(self, name: str, expected: Fact, seen: Fact) -> None:
        self.trace.append(Check(name, "noted", expected, seen))


def _names(
    certificate: Certificate, members: frozenset[SubjectMember]
) -> Iterator[tuple[SubjectMember, Hashable]]:
    """Every name of the certificate of a kind that any client is registered by."""
    if "tls_client_auth_subject_dn" in members:
        yield "tls_client_auth_subject_dn", certificate.subject.key
    for name in certificate.subject_alt_names:
        member = _SAN_MEMBERS[name.kind]
        if member in members:
            yield member, name.key


_SAN_MEMBERS: Mapping[str, SubjectMember] = {
    "dns": "tls_client_auth_san_dns",
    "uri": "tls_client_auth_san_uri",
    "ip": "tls_client_auth_san_ip",
    "email": "tls_client_auth_san_email",
}

# How many names of a certificate a message shows: one can have thousands.
_SHOWN = 8


def seen_names(certificate: Certificate) -> list[str]:
    """The certificate's names for people: the subject, then the first SANs."""
    sans = [f"{name.kind}:{name.value}" for name in certificate.subject_alt_names]
    more = [f"and {len(sans) - _SHOWN} more"] if len(sans) > _SHOWN else []
    return [certificate.subject.to_string(), *sans[:_SHOWN], *more]


def _usage(certificate: Certificate) -> str:
    eku = certificate.extended_key_usage
    return "no extended key usage" if eku is None else ", ".join(sorted(eku))


def _strength(path: Path) -> list[str]:
    return [f"{own.key_type} {own.key_bits}, signed with {own.signature_hash}" for own in path.certificates]


def match_client(identity: Identity, client: Client) -> Refusal | None:
    """Whether the identity is this client's: None when it is, else why not (R2, R3)."""
    if client.disabled:
        return Refusal(reasons.CLIENT_DISABLED, {"disabled": client.client_id})
    if identity.clients.get(client.client_id) == client.token_endpoint_auth_method:
        return None
    if client.subject is None:
        return _mismatch(reasons.PIN_MISMATCH, "one of the registered certificates", identity)
    expected = f"{client.subject.member} {client.subject.text}"
    name = client.subject.name
    if isinstance(name, DistinguishedName) and name.is_reversed_of(identity.certificate.subject):
        expected += " (the certificate has it in reversed order)"
    if not set(client.trust_anchors) & set(identity.groups):
        expected += f", vouched for by {' or '.join(client.trust_anchors)}"
    return _mismatch(reasons.SUBJECT_MISMATCH, expected, identity)


def _mismatch(reason: Reason, expected: str, identity: Identity) -> Refusal:
    facts: dict[str, Fact] = {
        "expected": expected,
        "seen": seen_names(identity.certificate),
        "trust_anchors": identity.groups,
        "x5t#S256": identity.certificate.x5t_s256,
    }
    return Refusal(reason, facts)
