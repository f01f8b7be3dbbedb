"""What a certificate proves by what is configured: all that the judge finds but revocation."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import attrs

from mtlsd import reasons
from mtlsd.clients.client import Client
from mtlsd.clients.subject import SubjectMember
from mtlsd.errors import Fact, Refusal
from mtlsd.judge.matching import seen_names
from mtlsd.judge.trust import ListenerTrust, Snapshot
from mtlsd.judge.values import Check, PresentedCertificate, Refused, Standing, Vouching
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.path import Path, check_path
from mtlsd.pki.usage import check_authentication_usage, check_client_usage, check_strength


def stand(presented: PresentedCertificate, snapshot: Snapshot, now: datetime) -> Standing | Refused:
    """Say what the certificate proves, were it not revoked.

    It fails closed: there is at least one client in it, and every check on the way has passed.
    """
    case = _Case(presented, snapshot, now)
    try:
        return case.judge()
    except Refusal as refusal:
        return case.refused(refusal)


def stand_for_anybody(
    presented: PresentedCertificate, snapshot: Snapshot, now: datetime
) -> Standing | Refused:
    """Say which groups vouch for the certificate, were it not revoked, whoever its names belong to.

    In the place of clients stand the names of the groups: it identifies nobody, and only
    :mod:`mtlsd.judge.vouching` has a use for it.
    """
    case = _Case(presented, snapshot, now)
    try:
        return case.vouched()
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

    def judge(self) -> Standing:
        certificate = self.certificate = Certificate.from_der(self.presented.leaf)
        self._passed("certificate", "a certificate (RFC 5280)", certificate.subject.to_string())
        trust = self.snapshot.trust_of(self.presented.listener)
        pinned = self._pinned(certificate)
        candidates = tuple(self._candidates(certificate, trust)) if pinned else ()
        if pinned and not candidates:
            return self._standing(certificate, pinned, ())
        try:
            path = self._path(certificate, trust)
            if not pinned:  # not before there is a path: comparing the names of strangers is dear
                candidates = tuple(self._candidates(certificate, trust))
            paths = self._paths(path, trust, candidates)
            check_client_usage(certificate)
            self._passed("usage", "clientAuth, digitalSignature", _usage(certificate))
        except Refusal as refusal:
            if not pinned:
                raise
            self._noted("path", "a path to a trust anchor", refusal.reason.code)
            return self._standing(certificate, pinned, ())
        return self._standing(certificate, pinned, self._vouching(certificate, paths, candidates, pinned))

    def vouched(self) -> Standing:
        certificate = self.certificate = Certificate.from_der(self.presented.leaf)
        trust = self.snapshot.trust_of(self.presented.listener)
        found = self._paths(self._path(certificate, trust), trust, ())
        check_client_usage(certificate)
        groups = tuple(attrs.evolve(own, clients=(own.group.name,)) for own in found)
        return self._standing(certificate, (), groups)

    def _pinned(self, certificate: Certificate) -> tuple[str, ...]:
        """The clients that pinned exactly this certificate: only its times and its key are checked then."""
        index = self.snapshot.clients
        clients = index.by_pin(certificate.sha256, certificate.der)
        if not clients:
            if index.has_pins:
                self._noted("pin", "a registered certificate", f"x5t#S256 {certificate.x5t_s256}")
            return ()
        names = ", ".join(client.client_id for client in clients)
        self._passed("pin", "a registered certificate", f"x5t#S256 {certificate.x5t_s256} of {names}")
        enabled = tuple(client.client_id for client in clients if not client.disabled)
        if not enabled:
            raise Refusal(reasons.CLIENT_DISABLED, {"disabled": names})
        self._times(certificate)
        check_authentication_usage(certificate)
        check_strength(certificate)
        return enabled

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
            leaf, *above = self.presented.path
            own = certificate if leaf == certificate.der else Certificate.from_der(leaf)
            path = Path((own, *map(trust.certificate, above)))
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

    def _paths(
        self, path: Path, trust: ListenerTrust, candidates: Iterable[tuple[str, Client]]
    ) -> Sequence[Vouching]:
        """The groups that vouch: those that hold the path's anchor, and any other one whose client is meant
        and whose own store finds a path too, as happens where CAs have signed each other.
        """
        found = [Vouching(group, path) for group in trust.vouching(path.anchor)]
        named = {name for name, _ in candidates} - {own.group.name for own in found}
        for group in (group for group in trust.groups if group.name in named):
            self.by_chain_as_sent = True
            try:
                other = trust.alone[group.name].build(path.certificates[0], self.presented.chain, self.now)
                check_path(other)
                found.append(Vouching(group, other))
            except Refusal as refusal:
                self._noted("anchor", f"a path to the trust anchor group {group.name}", refusal.reason.code)
        self._passed("anchor", "a trust anchor group of the listener", [own.group.name for own in found])
        return found

    def _vouching(
        self,
        certificate: Certificate,
        paths: Iterable[Vouching],
        candidates: Iterable[tuple[str, Client]],
        pinned: tuple[str, ...],
    ) -> tuple[Vouching, ...]:
        """For whom each group vouches."""
        vouching = []
        disabled: set[str] = set()
        for own in paths:
            clients = [client for name, client in candidates if name == own.group.name]
            enabled = dict.fromkeys(client.client_id for client in clients if not client.disabled)
            disabled.update(client.client_id for client in clients if client.disabled)
            vouching.append(attrs.evolve(own, clients=tuple(enabled)))
        names = {name for own in vouching for name in own.clients}.union(pinned)
        if not names and disabled:
            raise Refusal(reasons.CLIENT_DISABLED, {"disabled": sorted(disabled)})
        if not names:
            groups = tuple(own.group.name for own in vouching)
            raise Refusal(reasons.SUBJECT_UNKNOWN, self._unknown(certificate, groups))
        self._passed("subject", "a registered subject", sorted(names))
        return tuple(vouching)

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

    def _standing(
        self, certificate: Certificate, pinned: tuple[str, ...], vouching: tuple[Vouching, ...]
    ) -> Standing:
        ends = [own.not_after for vouched in vouching for own in vouched.path.certificates]
        return Standing(
            certificate=certificate,
            pinned=pinned,
            vouching=vouching,
            valid_until=min(ends, default=certificate.not_after),
            trace=tuple(self.trace),
            facts=certificate.facts(),
            by_chain_as_sent=self.by_chain_as_sent,
        )

    def refused(self, refusal: Refusal) -> Refused:
        return Refused(refusal, self.certificate, (*self.trace, failed(refusal)))

    def _passed(self, name: str, expected: Fact, seen: Fact) -> None:
        self.trace.append(Check(name, "passed", expected, seen))

    def _noted(self, name: str, expected: Fact, seen: Fact) -> None:
        self.trace.append(Check(name, "noted", expected, seen))


def failed(refusal: Refusal) -> Check:
    """The last line of a trace: what refused."""
    expected, seen = refusal.facts.get("expected"), refusal.facts.get("seen")
    code = refusal.reason.code
    return Check(code.partition(".")[0], "failed", expected, seen, code)


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


def _usage(certificate: Certificate) -> str:
    eku = certificate.extended_key_usage
    return "no extended key usage" if eku is None else ", ".join(sorted(eku))


def _strength(path: Path) -> list[str]:
    return [f"{own.key_type} {own.key_bits}, signed with {own.signature_hash}" for own in path.certificates]
