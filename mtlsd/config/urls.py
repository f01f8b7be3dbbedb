"""The URLs of a configuration: the issuer (RFC 8414 section 2) and where clients reach a listener."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

# RFC 3986 characters of scheme, authority and path; neither ? nor #, no user, no percent-encoding in the host
_HTTPS_URL = re.compile(
    r"https://(?:\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::[0-9]{1,5})?(?:/[A-Za-z0-9_~!$%&'()*+,;=:.@/-]*)?"
)
_HOST_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def check_url(text: str) -> None:
    """Refuse what cannot be an issuer identifier (R62), or the base of an endpoint's URL.

    Everybody compares the issuer as a string, so the one spelling that no software changes is demanded.

    :raises ValueError: saying what is wrong.
    """
    path = _split(text).path
    if text.endswith("/"):
        raise ValueError("ends with a slash")
    if "//" in path or "/." in path:
        raise ValueError("has a path that software would change")


def host_of(url: str) -> str:
    """The host of a URL that was checked, without brackets."""
    return urlsplit(url).hostname or ""


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL that was checked."""
    return f"https://{urlsplit(url).netloc}"


def with_port(url: str, port: int) -> str:
    """The origin of `url`, with another port."""
    host = host_of(url)
    return f"https://{f'[{host}]' if ':' in host else host}" + ("" if port == 443 else f":{port}")


def _split(text: str) -> SplitResult:
    if not text.startswith("https://"):
        raise ValueError("does not start with https://")
    for character, name in (("?", "a query"), ("#", "a fragment"), ("@", "a user")):
        if character in text:
            raise ValueError(f"has {name}")
    if not _HTTPS_URL.fullmatch(text):
        raise ValueError("is no URL with a lower-case host")
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname or ""
        if ":" in host:
            ipaddress.IPv6Address(host)
    except ValueError:
        raise ValueError("has a host or port that cannot be") from None
    if port in (0, 443):
        raise ValueError("has a port to leave out")
    if ":" not in host and not all(_HOST_LABEL.fullmatch(label) for label in host.split(".")):
        raise ValueError("has a host that cannot be")
    return parts
