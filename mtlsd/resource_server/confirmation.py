"""Comparing a token's `cnf` with the certificate of the connection (RFC 8705 section 3, R16 to R18, R24)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final

from mtlsd import reasons
from mtlsd.jose import b64
from mtlsd.resource_server.tracing import Steps

_THUMBPRINT: Final = "x5t#S256"


def check_confirmation(
    claims: Mapping[str, Any], certificate: bytes | None, accept_unbound: bool, steps: Steps
) -> str | None:
    """Whether the token may be used on a connection with this certificate. It fails closed.

    The certificate is hashed as it is, and bytes are compared (P36): nobody parses it, and nobody validates
    its path, which is the authorization server's to do (R24).

    :param certificate: the DER of the connection's client certificate, whose key the client has proven to
        hold; None where there is none.
    :return: the thumbprint that the token is bound to; None for one that is bound to nothing.
    :raises Refusal: where it may not.
    """
    seen = None if certificate is None else hashlib.sha256(certificate).digest()
    if "cnf" not in claims:
        expected = "any token" if accept_unbound else "a token that is bound to a certificate"
        steps.check("cnf", accept_unbound, reasons.ACCESS_TOKEN_UNBOUND, expected, "no cnf")
        return None
    bound_to = _thumbprint(claims["cnf"], steps)
    if seen is None:
        expected = b64.encode_text(bound_to)
        steps.failed("certificate", reasons.ACCESS_TOKEN_CERTIFICATE_ABSENT, expected, None)
    steps.check(
        "certificate",
        hmac.compare_digest(bound_to, seen),
        reasons.ACCESS_TOKEN_CERTIFICATE_MISMATCH,
        b64.encode_text(bound_to),
        b64.encode_text(seen),
    )
    return b64.encode_text(bound_to)


def _thumbprint(cnf: object, steps: Steps) -> bytes:
    """The one member that can be checked here; what has another one too is bound to more than we can see."""
    members = cnf if isinstance(cnf, Mapping) else {}
    try:
        bound_to = b64.decode(members.get(_THUMBPRINT))
    except ValueError:
        bound_to = b""
    good = members.keys() == {_THUMBPRINT} and len(bound_to) == 32
    seen = sorted(map(str, members)) if isinstance(cnf, Mapping) else cnf
    expected = f"{_THUMBPRINT}, a SHA-256 in base64url, and nothing else"
    steps.check("cnf", good, reasons.ACCESS_TOKEN_CONFIRMATION, expected, seen)
    return bound_to
