"""Cookies (RFC 6265bis) whose names the browser guards: none but this host, over TLS, can have set them."""

from __future__ import annotations

import re
from typing import Final

from twisted.web.iweb import IRequest

BROWSER: Final = "__Host-mtlsd-browser"
SESSION: Final = "__Host-mtlsd-session"

_VALUE = re.compile(r"[A-Za-z0-9_-]{22,64}")


def cookie_of(request: IRequest, name: str) -> str | None:
    """The cookie's value; None where there is none, or where it is not one of ours.

    Two of one name are none: somebody else has set one of them, and nobody knows which.
    """
    found: list[str] = []
    for field in request.requestHeaders.getRawHeaders(b"cookie") or ():
        for pair in field.decode("latin-1").split(";"):
            own, _, value = pair.strip(" \t").partition("=")
            if own == name:
                found.append(value)
    return found[0] if len(found) == 1 and _VALUE.fullmatch(found[0]) else None


def set_cookie(request: IRequest, name: str, value: str | None) -> None:
    """Set a cookie for as long as the browser runs, or have it forgotten: None."""
    line = f"{name}={value or ''}; Path=/; Secure; HttpOnly; SameSite=Lax"
    if value is None:
        line += "; Max-Age=0"
    request.responseHeaders.addRawHeader(b"set-cookie", line.encode("ascii"))
