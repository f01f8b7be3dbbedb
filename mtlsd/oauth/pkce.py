"""Proof Key for Code Exchange (RFC 7636), with S256 alone: since `plain` proves nothing."""

from __future__ import annotations

import hmac
import re
from typing import Final

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.jose import b64
from mtlsd.oauth.forms import Form

METHOD: Final = "S256"

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # section 4.1
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # a SHA-256 in base64url


def challenge_of(verifier: str) -> str:
    """RFC 7636 section 4.2."""
    return b64.sha256_text(verifier.encode("ascii"))


def asked_challenge(form: Form, required: bool) -> str | None:
    """The code_challenge of an authorization request (RFC 7636 section 4.3).

    :raises Refusal: `pkce.absent` where it is required; `pkce.method` for every method but S256, and for
        none, which would mean `plain`; `pkce.malformed`.
    """
    challenge, method = form.get("code_challenge"), form.get("code_challenge_method")
    if challenge is None:
        if required or method is not None:
            raise Refusal(reasons.PKCE_ABSENT)
        return None
    if method != METHOD:
        raise Refusal(reasons.PKCE_METHOD, {"expected": METHOD, "seen": method and method[:64]})
    if not _CHALLENGE.fullmatch(challenge):
        raise Refusal(reasons.PKCE_MALFORMED, {"parameter": "code_challenge"})
    return challenge


def check_verifier(verifier: str | None, challenge: str | None) -> None:
    """Whether the verifier of a token request is that of the challenge (RFC 7636 section 4.6).

    :raises Refusal: `pkce.mismatch`, also where one is missing; `pkce.malformed`; `pkce.downgrade` for a
        verifier without a challenge: the client sent one, and it got lost (RFC 9700 section 4.8.2).
    """
    if challenge is None:
        if verifier is not None:
            raise Refusal(reasons.PKCE_DOWNGRADE)
        return
    if verifier is None:
        raise Refusal(reasons.PKCE_MISMATCH)
    if not _VERIFIER.fullmatch(verifier):
        raise Refusal(reasons.PKCE_MALFORMED, {"parameter": "code_verifier"})
    if not hmac.compare_digest(challenge_of(verifier), challenge):
        raise Refusal(reasons.PKCE_MISMATCH)
