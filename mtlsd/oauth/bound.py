"""What became of the certificates that tokens are bound to.

A token says with its `cnf` which certificate it is for, by a thumbprint alone. Whether that certificate is
revoked by now takes its path: it is remembered from when the token was issued.
"""

from __future__ import annotations

import weakref
from datetime import datetime

import attrs

from mtlsd import reasons
from mtlsd.clients.client import Client
from mtlsd.clients.methods import CERTIFICATE_METHODS
from mtlsd.errors import Refusal
from mtlsd.judge import Identity, PresentedCertificate, Refused, Standing, stand, stand_for_anybody
from mtlsd.oauth.issuers import IssuersSeen
from mtlsd.verdicts import Judge


@attrs.define(eq=False)
class _Bound:
    """A certificate, and how it was found when somebody last looked.

    :ivar refusal: why it proves nothing any more by what is configured; None where it still does.
    :ivar version: of what was known about revocation when it was last found good.
    :ivar until: how long that holds, if nothing new becomes known.
    """

    standing: Standing
    listener: str
    judge: weakref.ref[Judge]
    refusal: Refusal | None = None
    version: int = -1
    until: datetime | None = None


@attrs.define(eq=False)
class BoundCertificates:
    """The certificates for which tokens were issued, from one configuration to the next.

    It knows those that got a token since the start: of another one it says nothing.

    :ivar max_entries: how many are remembered; the one noted first is forgotten first.
    :ivar issuers: the intermediate CAs of those that came since the start.
    """

    max_entries: int = 10_000
    issuers: IssuersSeen = attrs.field(factory=IssuersSeen, init=False)
    _known: dict[str, _Bound] = attrs.field(factory=dict, init=False, repr=False)

    def note(self, standing: Standing, listener: str, judge: Judge) -> None:
        """Remember a certificate that a token is bound to.

        :param judge: who has found the standing.
        """
        x5t_s256 = standing.certificate.x5t_s256
        known = self._known.get(x5t_s256)
        if known is not None and known.standing is standing:
            return
        self._known.pop(x5t_s256, None)
        if len(self._known) >= self.max_entries:
            del self._known[next(iter(self._known))]
        self._known[x5t_s256] = _Bound(standing, listener, weakref.ref(judge))
        self.issuers.note(own.path for own in standing.vouching)

    def knows(self, x5t_s256: str) -> bool:
        return x5t_s256 in self._known

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
            if not _belongs(known.standing, client):
                return Refusal(reasons.SUBJECT_MISMATCH, {"x5t#S256": x5t_s256})
        return _settle(known, judge, now)


def _belongs(standing: Standing, client: Client) -> bool:
    return client.client_id in standing.pinned or any(
        client.client_id in vouching.clients for vouching in standing.vouching
    )


def _stand_again(known: _Bound, judge: Judge, now: datetime) -> None:
    """Judge by what is configured now. A listener may have another name meanwhile, or be gone."""
    certificate, trust = known.standing.certificate, judge.snapshot.trust
    chain = tuple(own.der for vouching in known.standing.vouching for own in vouching.path.certificates[1:])
    listeners = [known.listener] if known.listener in trust else list(trust)
    known.judge, known.refusal, known.version = weakref.ref(judge), None, -1
    for listener in listeners:
        presented = PresentedCertificate(certificate.der, tuple(dict.fromkeys(chain)), listener, "offline")
        found = stand(presented, judge.snapshot, now)
        if isinstance(found, Refused) and found.refusal.reason is reasons.SUBJECT_UNKNOWN:
            known.refusal = found.refusal
            anybody = stand_for_anybody(presented, judge.snapshot, now)
            if isinstance(anybody, Standing):
                known.standing, known.listener = anybody, listener
                return
        if isinstance(found, Standing):
            known.standing, known.listener, known.refusal = found, listener, None
            return
        known.refusal = found.refusal


def _settle(known: _Bound, judge: Judge, now: datetime) -> Refusal | None:
    if known.version == judge.version and known.until is not None and now <= known.until:
        return None
    judgement = judge.settle(known.standing, now)
    if isinstance(judgement, Refused) and judgement.refusal.reason is not reasons.REVOCATION_UNKNOWN:
        return judgement.refusal
    known.version = judge.version
    known.until = judgement.good_until if isinstance(judgement, Identity) else None
    return None
