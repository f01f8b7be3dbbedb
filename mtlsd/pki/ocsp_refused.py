"""Why an OCSP response does not count."""

from __future__ import annotations

import attrs


@attrs.frozen
class OcspRefused(Exception):
    """A response does not count: nothing is known from it, and nothing of it may be kept.

    :ivar why: stable code: ``ocsp.status.trylater`` and the other error statuses, ``ocsp.malformed``,
        ``ocsp.type``, ``ocsp.certid``, ``ocsp.extension``, ``ocsp.nonce``, ``ocsp.responder``,
        ``ocsp.algorithm``, ``ocsp.signature``, ``ocsp.signer.*``, ``ocsp.future``, ``ocsp.stale``,
        ``ocsp.times``.
    :ivar detail: one sentence for the log, printable.
    """

    why: str
    detail: str

    def __str__(self) -> str:
        return f"{self.why}: {self.detail}"
