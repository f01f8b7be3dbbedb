"""What a caller is told when it is refused (RFC 6750 section 3): the class, and never why."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

from mtlsd.errors import Reason
from mtlsd.resource_server.values import RefusedToken

_QUOTABLE: Final = re.compile(r"[ !#-\[\]-~]*")
_DESCRIPTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "": "Authentication is required.",
        "invalid_request": "The request cannot be read.",
        "invalid_token": "The access token is not valid for this request.",
        "insufficient_scope": "The request requires more than the access token grants.",
        "temporarily_unavailable": "The access token cannot be checked at the moment.",
    }
)
_OTHERWISE: Final = "The request is refused."
_CHALLENGED: Final = frozenset({400, 401, 403})


@attrs.frozen
class Answer:
    """An HTTP response, as values.

    :ivar headers: in the order in which they are sent.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def checked_realm(realm: str) -> str:
    """A realm that stands between quotes without harm; empty for none.

    :raises ValueError: for another one.
    """
    if not _QUOTABLE.fullmatch(realm):
        raise ValueError("a realm is printable ASCII without quotes and backslashes")
    return realm


def answer_for(refused: RefusedToken, realm: str = "") -> Answer:
    """The answer to a request whose token is refused.

    :param realm: as :func:`checked_realm` gives it.
    """
    reason = refused.refusal.reason
    description = _DESCRIPTIONS.get(reason.error, _OTHERWISE)
    told = {"error": reason.error} if reason.error else {}
    body = json.dumps({**told, "error_description": description}).encode("ascii")
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    ]
    if reason.status in _CHALLENGED:
        headers.insert(0, ("WWW-Authenticate", _challenge(reason, description, realm, refused.scope)))
    return Answer(reason.status, tuple(headers), body)


def _challenge(reason: Reason, description: str, realm: str, scope: tuple[str, ...]) -> str:
    parts = {
        "realm": realm,
        "error": reason.error,
        "error_description": description if reason.error else "",
        "scope": " ".join(scope),
    }
    told = ", ".join(f'{name}="{value}"' for name, value in parts.items() if value)
    return f"Bearer {told}".rstrip()
