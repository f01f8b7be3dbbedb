"""Certificates that tokens are bound to, as a store keeps them: public all of it."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import Final

from mtlsd.errors import Refusal
from mtlsd.judge import PresentedCertificate
from mtlsd.oauth.artifacts import Artifact, ContentTooLarge
from mtlsd.pki.certificate import Certificate

KEPT_FOR: Final = timedelta(days=3)
"""For longer than any access token lives that was issued until the certificate is kept again."""

RENEWED_AFTER: Final = timedelta(hours=12)
"""When it is kept again, where tokens are still bound to it."""


def key_of(x5t_s256: str) -> bytes:
    return Artifact.key_of(x5t_s256)


def artifact_of(presented: PresentedCertificate, now: datetime) -> Artifact | None:
    """None for a chain that is too large to be kept."""
    certificate = Certificate.from_der(presented.leaf)
    content = {
        "certificates": [base64.b64encode(own).decode("ascii") for own in (presented.leaf, *presented.chain)],
        "listener": presented.listener,
    }
    try:
        return Artifact("certificate", key_of(certificate.x5t_s256), None, None, content, now + KEPT_FOR)
    except ContentTooLarge:
        return None


def presented_of(artifact: Artifact, x5t_s256: str) -> PresentedCertificate | None:
    """What was kept, to be judged again; None where it is not the certificate with this thumbprint."""
    leaf, *chain = [base64.b64decode(own) for own in artifact.content["certificates"]]
    try:
        if Certificate.from_der(leaf).x5t_s256 != x5t_s256:
            return None
    except Refusal:
        return None
    return PresentedCertificate(leaf, tuple(chain), artifact.content["listener"], "offline")
