"""Redirect URIs: where the answer of the authorization endpoint may be sent (RFC 6749 section 3.1.2).

They are compared as strings, character by character (R73). The one exception is the port of a loopback
address, which a native application cannot know beforehand (RFC 8252 section 7.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal

RedirectKind = Literal["https", "loopback", "private-use"]

LONGEST_REDIRECT_URI: Final = 2048

# RFC 3986 sections 3.3 and 3.4, without what only lenient readers take
_CHARACTER = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})"
_REST = rf"(?P<rest>(?:/{_CHARACTER}*)?(?:\?(?:{_CHARACTER}|\?)*)?)"
_PORT = r"(?::(?P<port>[1-9][0-9]{0,4}))?"
_HOST = r"(?:\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)"
_HTTPS = re.compile(rf"https://{_HOST}{_PORT}{_REST}")
# RFC 8252 section 7.3, and 8.3: never `localhost`, which a resolver may send elsewhere
_LOOPBACK = re.compile(rf"http://(?P<host>127\.0\.0\.1|\[::1\]){_PORT}{_REST}")
# RFC 8252 section 7.1: a domain name in reverse, so with a period
_PRIVATE_USE = re.compile(rf"[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+:/(?:{_CHARACTER}|\?)*")


def redirect_kind(uri: str) -> RedirectKind | None:
    """What kind of redirect URI this is; None where it can be none.

    Scheme and host are in lower case, there is no user, no fragment, and nothing that a browser would read
    in another way than we do.
    """
    if len(uri) > LONGEST_REDIRECT_URI:
        return None
    for kind, pattern in _PATTERNS:
        match = pattern.fullmatch(uri)
        if match is not None and int(match.groupdict().get("port") or 1) < 65536:
            return kind
    return None


_PATTERNS: tuple[tuple[RedirectKind, re.Pattern[str]], ...] = (
    ("https", _HTTPS),
    ("loopback", _LOOPBACK),
    ("private-use", _PRIVATE_USE),
)


def is_registered_redirect_uri(registered: Iterable[str], asked: str) -> bool:
    """Whether a request may name this redirect URI.

    :param registered: those of the client.
    """
    registered = tuple(registered)
    if asked in registered:
        return True
    free = _without_port(asked)
    return free is not None and any(free == _without_port(uri) for uri in registered)


def _without_port(uri: str) -> tuple[str, str] | None:
    """Host and what follows the port of a loopback URI; None for every other one."""
    if redirect_kind(uri) != "loopback":
        return None
    match = _LOOPBACK.fullmatch(uri)
    assert match is not None
    return match["host"], match["rest"]
