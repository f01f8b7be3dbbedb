"""What became of the certificates that tokens are bound to.

A token says with its `cnf` which certificate it is for, by a thumbprint alone. Whether that certificate is
revoked by now takes its path: it is remembered from when the token was issued. A moment later it is in the
store, too, for after a restart and for other processes: no token waits for that.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from datetime import datetime

import attrs

from mtlsd import reasons
from mtlsd.clients.client import Client
from mtlsd.clients.methods import CERTIFICATE_METHODS
from mtlsd.errors import Refusal
from mtlsd.judge import Identity, PresentedCertificate, Refused, Standing, stand, stand_for_anybody
from mtlsd.oauth.artifacts import Artifacts
from mtlsd.oauth.bound_artifacts import KEPT_FOR, RENEWED_AFTER, artifact_of, key_of, presented_of
from mtlsd.oauth.issuers import IssuersSeen
from mtlsd.verdicts import Judge


@attrs.define(eq=False)
class _Bound:
    """A certificate, and how it was found when somebody last looked.

    :ivar presented: with all of its paths.
    :ivar standing: what it was last found to prove; None where it has proven nothing since it was recalled.
    :ivar refusal: why it proves nothing any more by what is configured; None where it still does.
    :ivar version: of what was known about revocation when it was last found good.
    :ivar until: how long that holds, if nothing new becomes known.
    :ivar used: whether a token was bound to it since it was last kept.
    :ivar kept_at: when it was brought to the store; None where it was not.
    """

    presented: PresentedCertificate
    standing: Standing | None
    judge: weakref.ref[Judge]
    refusal: Refusal | None = None
    version: int = -1
    until: datetime | None = None
    used: bool = True
    kept_at: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Whether the store should have it. What no group vouches for nobody revokes."""
        if not self.used or self.standing is None or not self.standing.vouching:
            return False
        return self.kept_at is None or now - self.kept_at > RENEWED_AFTER


def _nobody(standing: Standing) -> None:
    pass


@attrs.define(eq=False)
class BoundCertificates:
    """The certificates for which tokens were issued, from one configuration to the next.

    :ivar max_entries: how many are remembered; the one noted first is forgotten first.
    :ivar noticed: takes each that is new here: its revocation lists are in use.
    :ivar issuers: the intermediate CAs of those that came since the start.
    """

    max_entries: int = 10_000
    noticed: Callable[[Standing], None] = _nobody
    issuers: IssuersSeen = attrs.field(factory=IssuersSeen, init=False)
    _known: dict[str, _Bound] = attrs.field(factory=dict, init=False, repr=False)

    def note(self, standing: Standing, listener: str, judge: Judge) -> None:
        """Remember a certificate that a token is bound to.

        :param judge: who has found the standing.
        """
        x5t_s256 = standing.certificate.x5t_s256
        known = self._known.get(x5t_s256)
        if known is not None and known.standing is standing:
            known.used = True
            return
        chain = (own.der for vouching in standing.vouching for own in vouching.path.certificates[1:])
        presented = PresentedCertificate(
            standing.certificate.der, tuple(dict.fromkeys(chain)), listener, "offline"
        )
        fresh = _Bound(presented, standing, weakref.ref(judge))
        if known is not None and known.presented == presented:
            fresh.kept_at = known.kept_at
        self._put(x5t_s256, fresh)

    def _put(self, x5t_s256: str, fresh: _Bound) -> None:
        self._known.pop(x5t_s256, None)
        if len(self._known) >= self.max_entries:
            del self._known[next(iter(self._known))]
        self._known[x5t_s256] = fresh
        if fresh.standing is not None:
            self.issuers.note(own.path for own in fresh.standing.vouching)
            self.noticed(fresh.standing)

    def knows(self, x5t_s256: str) -> bool:
        return x5t_s256 in self._known

    async def keep(self, artifacts: Artifacts, now: datetime, most: int) -> int:
        """Bring some that the store does not have yet to it.

        :return: how many it were; fewer than `most` where none is left.
        """
        due = [own for own in self._known.values() if own.is_due(now)][:most]
        made = [artifact for own in due if (artifact := artifact_of(own.presented, now)) is not None]
        if made:
            await artifacts.save(*made, now=now)
        for own in due:
            own.kept_at, own.used = now, False
        return len(due)

    async def recall(self, x5t_s256: str, judge: Judge, artifacts: Artifacts, now: datetime) -> None:
        """Remember again what was kept: before a restart, or by another process."""
        if x5t_s256 in self._known:
            return
        found = await artifacts.find("certificate", key_of(x5t_s256), now)
        presented = None if found is None else presented_of(found.artifact, x5t_s256)
        if found is None or presented is None:
            return
        recalled = _Bound(presented, None, weakref.ref(judge))
        recalled.used, recalled.kept_at = False, found.artifact.expires_at - KEPT_FOR
        _stand_again(recalled, judge, now)
        self._put(x5t_s256, recalled)

    def refusal(self, x5t_s256: str, client: Client, judge: Judge, now: datetime) -> Refusal | None:
        """Why a token that is bound to this certificate is worth nothing any more.

        Memory only, and looked at again only when something has changed. It does not fail closed: where
        nobody can tell whether the certificate is revoked, the token lives on to its end.

        :param client: whose token it is.
        :return: None where nothing is known against it.
        """
        known = self._known.get(x5t_s256)
        if known is None:
            return None
        if known.judge() is not judge:
            _stand_again(known, judge, now)
        if client.token_endpoint_auth_method in CERTIFICATE_METHODS:  # others come with any certificate
            if known.refusal is not None:
                return known.refusal
            if known.standing is None or not _belongs(known.standing, client):
                return Refusal(reasons.SUBJECT_MISMATCH, {"x5t#S256": x5t_s256})
        return None if known.standing is None else _settle(known, known.standing, judge, now)


def _belongs(standing: Standing, client: Client) -> bool:
    return client.client_id in standing.pinned or any(
        client.client_id in vouching.clients for vouching in standing.vouching
    )


def _stand_again(known: _Bound, judge: Judge, now: datetime) -> None:
    """Judge by what is configured now. A listener may have another name meanwhile, or be gone.

    Where it is no client's any more, there may be groups that vouch for it all the same.
    """
    trust, snapshot = judge.snapshot.trust, judge.snapshot
    listeners = [known.presented.listener] if known.presented.listener in trust else list(trust)
    known.judge, known.refusal, known.version = weakref.ref(judge), None, -1
    asked = [attrs.evolve(known.presented, listener=listener) for listener in listeners]
    for presented in asked:
        found = stand(presented, snapshot, now)
        if isinstance(found, Standing):
            known.standing, known.presented, known.refusal = found, presented, None
            return
        known.refusal = found.refusal
    for presented in asked:
        anybody = stand_for_anybody(presented, snapshot, now)
        if isinstance(anybody, Standing):
            known.standing, known.presented = anybody, presented
            return


def _settle(known: _Bound, standing: Standing, judge: Judge, now: datetime) -> Refusal | None:
    if known.version == judge.version and known.until is not None and now <= known.until:
        return None
    judgement = judge.settle(standing, now)
    if isinstance(judgement, Refused) and judgement.refusal.reason is not reasons.REVOCATION_UNKNOWN:
        return judgement.refusal
    known.version = judge.version
    known.until = judgement.good_until if isinstance(judgement, Identity) else None
    return None
