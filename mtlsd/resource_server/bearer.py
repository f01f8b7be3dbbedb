"""Finding the token in a request: in one Authorization field, and nowhere else (RFC 6750 section 2.1).

Tokens in a query or a body are never looked at: they end in logs, in caches and in Referer fields.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NoReturn

from mtlsd import reasons
from mtlsd.errors import Fact, Refusal
from mtlsd.resource_server.verifier import LONGEST_TOKEN

_TOKEN: Final = re.compile(rb"[A-Za-z0-9._~+/-]+=*")
_SCHEME: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}")


def bearer_token(authorization: Sequence[bytes | str]) -> str:
    """The token of a request.

    :param authorization: the value of every Authorization field of the request.
    :raises Refusal: `access_token.absent` where there is none, or another scheme; `access_token.request`
        where it cannot be told.
    """
    if not authorization:
        raise Refusal(reasons.ACCESS_TOKEN_ABSENT)
    if len(authorization) > 1:
        _refuse("the Authorization field is there more than once", seen=len(authorization))
    value = _octets(authorization[0]).strip(b" \t")
    scheme, _, token = value.partition(b" ")
    if scheme.lower() != b"bearer":
        shown = scheme.decode("ascii") if _SCHEME.fullmatch(scheme) else "no scheme"
        raise Refusal(reasons.ACCESS_TOKEN_ABSENT, {"expected": "Bearer", "seen": shown})
    if len(token) > LONGEST_TOKEN:
        _refuse(f"the token is longer than {LONGEST_TOKEN}")
    if not _TOKEN.fullmatch(token):
        _refuse("it is not Bearer, one space and one token")
    return token.decode("ascii")


def _octets(value: bytes | str) -> bytes:
    try:
        return value if isinstance(value, bytes) else value.encode("latin-1")
    except UnicodeEncodeError:
        _refuse("it has characters that no header has")


def _refuse(detail: str, **facts: Fact) -> NoReturn:
    raise Refusal(reasons.ACCESS_TOKEN_REQUEST, {"detail": detail, **facts})
