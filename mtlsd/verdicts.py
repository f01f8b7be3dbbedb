"""The judge with a memory: what certificates were found to prove, for as long as it holds."""

from __future__ import annotations

import hashlib
from datetime import datetime

import attrs

from mtlsd.judge import (
    Identity,
    Judgement,
    PresentedCertificate,
    Refused,
    Snapshot,
    Standing,
    settle,
    stand,
)
from mtlsd.pki.revocation_check import NOT_ASKED, Failures

_Key = tuple[str, bytes, tuple[bytes, ...], bool]


@attrs.define(eq=False)
class _Remembered:
    """A standing, and the identity that was last made of it.

    :ivar version: of what was known about revocation when the identity was made.
    """

    standing: Standing
    identity: Identity | None = None
    version: int = -1


@attrs.define
class Judge:
    """Judges by one snapshot, and remembers.

    Only what belongs to a client is remembered: whoever owns nothing but a public certificate of nobody's
    must not be able to fill the memory, and a refusal should be looked at afresh. What is remembered ends
    with the first notAfter of its path, and with the snapshot: a new snapshot comes with a new judge. Whether
    a certificate is revoked is looked at again whenever anything new is known about revocation.

    :ivar max_entries: how many certificates are remembered; the one found first is forgotten first.
    """

    snapshot: Snapshot
    max_entries: int = 10_000
    _known: dict[_Key, _Remembered] = attrs.field(factory=dict, init=False, repr=False)

    @property
    def version(self) -> int:
        """Changes whenever something new is known about revocation."""
        return self.snapshot.revocation.version

    def judge(self, presented: PresentedCertificate, now: datetime) -> Judgement:
        """What :func:`mtlsd.judge.judge` says, from memory where it said so before."""
        key = _key(presented)
        known = self._find(key, now)
        if known is not None:
            return self._settle_remembered(known, now)
        standing = stand(presented, self.snapshot, now)
        if isinstance(standing, Refused):
            return standing
        known = _Remembered(standing)
        if _may_be_remembered(presented, standing):
            if len(self._known) >= self.max_entries:
                del self._known[next(iter(self._known))]
            self._known[key] = known
        return self._settle_remembered(known, now)

    def settle(self, standing: Standing, now: datetime, failures: Failures = NOT_ASKED) -> Judgement:
        """What the certificate proves at this moment; see :func:`mtlsd.judge.settle`.

        :param standing: that this judge has found, and that has not run out.
        """
        return settle(standing, self.snapshot.revocation, now, failures)

    def cached(
        self, listener: str, leaf_sha256: bytes, path_sha256s: tuple[bytes, ...], now: datetime
    ) -> Judgement | None:
        """The judgement about this leaf by this path, without a certificate's bytes being needed.

        :param path_sha256s: digests of the path that the handshake built, leaf to anchor.
        :returns: None where nothing is remembered of it.
        """
        known = self._find((listener, leaf_sha256, path_sha256s, True), now)
        return None if known is None else self._settle_remembered(known, now)

    @property
    def remembered(self) -> int:
        """How many certificates are remembered now."""
        return len(self._known)

    def is_pinned(self, sha256: bytes, der: bytes) -> bool:
        """Whether a client has registered exactly this certificate."""
        return bool(self.snapshot.clients.by_pin(sha256, der))

    def _settle_remembered(self, known: _Remembered, now: datetime) -> Judgement:
        version = self.version
        if known.identity is not None and known.version == version and now <= known.identity.good_until:
            return known.identity
        judgement = self.settle(known.standing, now)
        known.identity = judgement if isinstance(judgement, Identity) else None
        known.version = version
        return judgement

    def _find(self, key: _Key, now: datetime) -> _Remembered | None:
        known = self._known.get(key)
        if known is None or now <= known.standing.valid_until:
            return known
        del self._known[key]
        return None


def _may_be_remembered(presented: PresentedCertificate, standing: Standing) -> bool:
    """Whether the key says all that the standing rests on, and strangers cannot make keys at will.

    In a handshake possession is not proven yet. Whoever has a client's *public* certificate could send any
    number of made-up issuers with it and so push all others out of the memory, if what he sends were a key;
    a path that OpenSSL has validated cannot be made up. Where a proxy forwards it, possession is proven, but
    any client may have put what it likes beside its certificate: only what a path needs is a key there.
    """
    if presented.path is not None:
        return not standing.by_chain_as_sent
    if presented.source == "handshake":
        return not presented.chain
    needed = {own.der for vouching in standing.vouching for own in vouching.path.certificates[1:]}
    sent = presented.chain
    return needed.issuperset(sent) and len(set(sent)) == len(sent)


def _key(presented: PresentedCertificate) -> _Key:
    built = presented.path is not None
    others = presented.chain if presented.path is None else presented.path
    digests = tuple(hashlib.sha256(der).digest() for der in others) if others else ()
    return presented.listener, hashlib.sha256(presented.leaf).digest(), digests, built
