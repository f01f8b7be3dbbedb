"""The judge with a memory: identities found before, for as long as they hold."""

from __future__ import annotations

import hashlib
from datetime import datetime

import attrs

from mtlsd.judge import Identity, Judgement, PresentedCertificate, Snapshot, judge

_Key = tuple[str, bytes, tuple[bytes, ...], bool]


@attrs.define
class Judge:
    """Judges by one snapshot, and remembers.

    Only identities are remembered: whoever owns nothing but a public certificate of nobody's must not be able
    to fill the memory, and a refusal should be looked at afresh. What is remembered ends with the first
    notAfter of its path, and with the snapshot: a new snapshot comes with a new judge.

    :ivar max_entries: how many identities are remembered; the one found first is forgotten first.
    """

    snapshot: Snapshot
    max_entries: int = 10_000
    _identities: dict[_Key, Identity] = attrs.field(factory=dict, init=False, repr=False)

    def judge(self, presented: PresentedCertificate, now: datetime) -> Judgement:
        """What :func:`mtlsd.judge.judge` says, from memory where it said so before."""
        key = _key(presented)
        known = self._known(key, now)
        if known is not None:
            return known
        judgement = judge(presented, self.snapshot, now)
        if isinstance(judgement, Identity) and _may_be_remembered(presented, judgement):
            if len(self._identities) >= self.max_entries:
                del self._identities[next(iter(self._identities))]
            self._identities[key] = judgement
        return judgement

    def cached(
        self, listener: str, leaf_sha256: bytes, path_sha256s: tuple[bytes, ...], now: datetime
    ) -> Identity | None:
        """The identity that was found for this leaf by this path, without a certificate's bytes being needed.

        :param path_sha256s: digests of the path that the handshake built, leaf to anchor.
        """
        return self._known((listener, leaf_sha256, path_sha256s, True), now)

    @property
    def remembered(self) -> int:
        """How many identities are remembered now."""
        return len(self._identities)

    def is_pinned(self, sha256: bytes, der: bytes) -> bool:
        """Whether a client has registered exactly this certificate."""
        return self.snapshot.clients.by_pin(sha256, der) is not None

    def _known(self, key: _Key, now: datetime) -> Identity | None:
        identity = self._identities.get(key)
        if identity is None or now <= identity.valid_until:
            return identity
        del self._identities[key]
        return None


def _may_be_remembered(presented: PresentedCertificate, identity: Identity) -> bool:
    """Whether the key says all that the identity rests on, and strangers cannot make keys at will.

    In a handshake possession is not proven yet. Whoever has a client's *public* certificate could send any
    number of made-up issuers with it and so push all others out of the memory, if what he sends were a key;
    a path that OpenSSL has validated cannot be made up.
    """
    if presented.path is not None:
        return not identity.by_chain_as_sent
    return presented.source != "handshake" or not presented.chain


def _key(presented: PresentedCertificate) -> _Key:
    built = presented.path is not None
    others = presented.chain if presented.path is None else presented.path
    digests = tuple(hashlib.sha256(der).digest() for der in others)
    return presented.listener, hashlib.sha256(presented.leaf).digest(), digests, built
