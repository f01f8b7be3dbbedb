"""Why a handshake failed, for the audit log."""

from __future__ import annotations

from OpenSSL.SSL import Error, SysCallError
from twisted.internet.error import ConnectionAborted
from twisted.python.failure import Failure

from mtlsd import reasons
from mtlsd.errors import Fact, Refusal
from mtlsd.tls.peer import Peer

# OpenSSL's own words (ERR_reason_error_string); the error numbers have no public name.
_NOT_VERIFIED = "certificate verify failed"
_ABSENT = "peer did not return a certificate"
_NO_POSSESSION = frozenset({"bad signature", "wrong signature type"})
_UNREADABLE = "asn1 lib"


def library_reasons(error: BaseException | None) -> tuple[str, ...]:
    """OpenSSL's own words for what went wrong, innermost first; empty where it has none."""
    if isinstance(error, Error) and not isinstance(error, SysCallError) and error.args:
        errors = error.args[0]
        if isinstance(errors, list):
            return tuple(reason for _, _, reason in errors)
    return ()


def classify(reason: Failure, peer: Peer) -> Refusal | None:
    """Why this handshake failed.

    :param reason: what ``connectionLost`` was told.
    :return: None where nothing was refused: the handshake had completed, or the client went away by itself.
    """
    if peer.handshake_completed:
        return None
    words = library_reasons(peer.handshake_error) or library_reasons(reason.value)
    if _NOT_VERIFIED in words and peer.refused is not None:
        return peer.refused.refusal
    if _ABSENT in words:
        return Refusal(reasons.CERTIFICATE_ABSENT)
    if peer.claimed is not None and _NO_POSSESSION.intersection(words):
        return Refusal(reasons.TLS_POSSESSION, peer.claimed.facts())
    if reason.check(ConnectionAborted):
        return Refusal(reasons.TLS_TIMEOUT)
    if words or peer.handshake_error is not None:
        return Refusal(reasons.TLS_FAILED, _facts(words, peer))
    return None


def _facts(words: tuple[str, ...], peer: Peer) -> dict[str, Fact]:
    return {"openssl": words or (str(peer.handshake_error),)}
