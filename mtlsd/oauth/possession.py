"""Certificates whose key the caller holds, whoever he is (RFC 8705 section 4).

They say that a key is the same as before, and no more. Where a trust anchor group vouches for one, its
sources are asked whether it is revoked; where none does, there is nobody to ask.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Self

import attrs

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.judge import Identity, Settled
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.usage import check_authentication_usage, check_strength

_STRANGERS: Final = frozenset(
    {
        reasons.PIN_UNKNOWN,
        reasons.SUBJECT_UNKNOWN,
        reasons.CHAIN_UNTRUSTED,
        reasons.CHAIN_EXPIRED,
        reasons.CHAIN_NOT_YET_VALID,
        reasons.CHAIN_SIGNATURE,
        reasons.CHAIN_NOT_CA,
        reasons.CHAIN_TOO_LONG,
        reasons.CHAIN_NAME_CONSTRAINTS,
        reasons.CHAIN_CRITICAL_EXTENSION,
        reasons.CHAIN_PURPOSE,
        reasons.CHAIN_POLICY,
        reasons.CHAIN_WEAK,
        reasons.CHAIN_STRICT,
        reasons.CHAIN_INVALID,
    }
)
"""The refusals that say no more than that nobody here vouches for the certificate. One that is revoked, or a
disabled client's, or that could not be judged, is none of them: what is not here binds nothing."""


@attrs.frozen
class ProvenCertificate:
    """A certificate whose key the other end of the connection holds.

    It identifies nobody: tokens may be bound to it, and nothing else follows from it.

    :ivar valid_until: nothing that is bound to it outlives this.
    """

    certificate: Certificate
    valid_until: datetime

    @property
    def x5t_s256(self) -> str:
        """The thumbprint (RFC 8705 section 3.1)."""
        return self.certificate.x5t_s256

    @classmethod
    def from_identity(cls, identity: Identity) -> Self:
        return cls(identity.certificate, identity.valid_until)

    @classmethod
    def from_judgement(cls, judgement: Settled | None, now: datetime) -> Self | None:
        """What tokens may be bound to on this connection; None where there is nothing.

        No path is needed (R20), but what the certificate says of itself holds: its times, its usages, and a
        key that is strong enough. It fails closed.

        :param judgement: of a connection whose handshake has completed, since that proves possession (R23);
            of a stranger's certificate after :mod:`mtlsd.web.strangers` has looked at it.
        """
        if isinstance(judgement, Identity):
            return cls.from_identity(judgement)
        if judgement is None or judgement.certificate is None or judgement.refusal.reason not in _STRANGERS:
            return None
        certificate, vouched = judgement.certificate, judgement.vouched
        if vouched is None and judgement.refusal.reason is reasons.SUBJECT_UNKNOWN:
            return None  # there is a path, and nobody has looked whether it is revoked
        if not certificate.not_before <= now <= certificate.not_after:
            return None
        try:
            check_authentication_usage(certificate)
            check_strength(certificate)
        except Refusal:
            return None
        return cls(certificate, certificate.not_after if vouched is None else vouched.valid_until)
