"""Binding a form to the browser that it was shown in, and to the request that it was shown for.

A seal goes into the form as a hidden field. Only the browser's cookie opens it, and no other site can read a
cookie or a page of ours: so a form that comes back with its seal was sent from our page (CSRF).
"""

from __future__ import annotations

import hmac
import re
from datetime import datetime, timedelta
from typing import Final

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.jose import b64

LIFETIME: Final = timedelta(minutes=30)
"""How long a page may be open before its form is sent."""

_SEAL = re.compile(r"([A-Za-z0-9_-]{22,64})\.([0-9]{1,12})\.([A-Za-z0-9_-]{43})")


def digest_of(text: str) -> str:
    """Names a request in few characters, so that a form belongs to it and to no other."""
    return b64.sha256_text(text.encode("utf-8", "surrogatepass"))


def sealed(secret: str, page: str, request: str, nonce: str, now: datetime) -> str:
    """Make a seal.

    :param secret: the browser's cookie.
    :param page: which form it is, so that one cannot stand for another.
    :param request: the digest of the request that the page is for.
    :param nonce: unguessable, another one for every page.
    """
    until = int((now + LIFETIME).timestamp())
    return f"{nonce}.{until}.{_mac(secret, page, request, nonce, until)}"


def opened(seal: str | None, secret: str | None, page: str, request: str, now: datetime) -> str:
    """The nonce of a seal that :func:`sealed` made for the same browser, page and request.

    :param secret: the browser's cookie; None where it sent none.
    :raises Refusal: `interaction.cookie` or `interaction.expired`.
    """
    match = _SEAL.fullmatch(seal or "")
    if match is None or secret is None:
        raise Refusal(reasons.INTERACTION_COOKIE)
    nonce, until, mac = match[1], int(match[2]), match[3]
    if not hmac.compare_digest(mac, _mac(secret, page, request, nonce, until)):
        raise Refusal(reasons.INTERACTION_COOKIE)
    if until <= now.timestamp():
        raise Refusal(reasons.INTERACTION_EXPIRED)
    return nonce


def _mac(secret: str, page: str, request: str, nonce: str, until: int) -> str:
    said = "\n".join((page, request, nonce, str(until))).encode("ascii")
    return b64.encode_text(hmac.digest(secret.encode("ascii"), said, "sha256"))
