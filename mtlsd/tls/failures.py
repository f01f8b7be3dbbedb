"""Why a handshake failed, for the audit log."""

from __future__ import annotations

from OpenSSL.SSL import Error
from twisted.internet.error import ConnectionAborted
from twisted.python.failure import Failure

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.tls.peer import Peer

# OpenSSL's own words (ERR_reason_error_string); pyOpenSSL gives no numbers.
_ABSENT = "peer did not return a certificate"
_NO_POSSESSION = frozenset({"bad signature", "wrong signature type"})
_NOT_VERIFIED = "certificate verify failed"
_UNREADABLE = frozenset({"ASN1 lib", "cert length mismatch"})


def library_reasons(error: BaseException | None) -> tuple[str, ...]:
    """OpenSSL's own words for what went wrong, innermost first; empty where it has none."""
    if isinstance(error, Error) and error.args and isinstance(error.args[0], list):
        return tuple(reason for _, _, reason in error.args[0])
    return ()


def classify(reason: Failure, peer: Peer) -> Refusal | None:
    """Why this connection got no handshake.

    :param reason: what ``connectionLost`` was told.
    :return: None where nothing was refused: the handshake had completed, or the client went away before it
        had presented anything.
    """
    if peer.handshake_completed:
        return None
    if peer.fault is not None:
        return Refusal(reasons.TLS_INTERNAL, {"detail": type(peer.fault).__name__})
    words = library_reasons(peer.handshake_error)
    if _NOT_VERIFIED in words and peer.refused is not None:
        return peer.refused.refusal
    if words and _NO_POSSESSION.isdisjoint(words):
        return _failed(words)
    if reason.check(ConnectionAborted):
        return Refusal(reasons.TLS_TIMEOUT)
    if not peer.is_judged:
        return None
    # The signature was bad, or none came at all: whoever owns nothing but a public certificate stops here.
    return Refusal(reasons.TLS_POSSESSION, {} if peer.claimed is None else peer.claimed.facts())


def _failed(words: tuple[str, ...]) -> Refusal:
    if _ABSENT in words:
        return Refusal(reasons.CERTIFICATE_ABSENT)
    if not _UNREADABLE.isdisjoint(words):
        return Refusal(reasons.CERTIFICATE_MALFORMED, {"openssl": words})
    return Refusal(reasons.TLS_FAILED, {"openssl": words})
