"""The answers of the endpoints: JSON, never cached, and bland where something was refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

from twisted.web.iweb import IRequest

from mtlsd.errors import Refusal
from mtlsd.web.response import field_line

JSON = b"application/json"
NO_STORE = b"no-store"
RETRY_AFTER_SECONDS = b"5"
# RFC 6749 section 5.1. Our own channel says itself how long a body is.
_USUAL: Mapping[bytes, bytes] = MappingProxyType(
    {
        name: field_line(name, value)
        for name, value in ((b"content-type", JSON), (b"cache-control", NO_STORE), (b"pragma", b"no-cache"))
    }
)

# What a caller may know, by OAuth error code (RFC 6749 section 5.2): never more than the refusal's class.
_DESCRIPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "invalid_client": "Client authentication failed.",
        "temporarily_unavailable": "The server cannot answer now. Try again later.",
        "server_error": "The server failed.",
    }
)


def error_json(refusal: Refusal, correlation_id: str) -> bytes:
    """The error response (RFC 6749 section 5.2).

    What was wrong with the request itself is told, since it says nothing of others; why a client was not
    authenticated is not, and the operator finds it in the audit log by `correlation_id`.
    """
    error = refusal.reason.error
    description = _DESCRIPTIONS.get(error, refusal.reason.meaning)
    return json.dumps(
        {"error": error, "error_description": description, "correlation_id": correlation_id}
    ).encode("ascii")


def answer(
    request: IRequest,
    status: int,
    body: bytes,
    cache_control: bytes = NO_STORE,
    content_type: bytes = JSON,
) -> bytes:
    """Set status and headers for a body, and return it."""
    request.setResponseCode(status)
    set_lines = getattr(request, "set_lines", None)
    if set_lines is not None and content_type is JSON and cache_control is NO_STORE:
        set_lines(_USUAL)
        return body
    request.setHeader(b"content-type", content_type)
    request.setHeader(b"cache-control", cache_control)
    if cache_control == NO_STORE:
        request.setHeader(b"pragma", b"no-cache")
    request.setHeader(b"content-length", b"%d" % len(body))
    return body


def answer_refusal(request: IRequest, refusal: Refusal, correlation_id: str) -> bytes:
    """The error response for `refusal`.

    A client that used the Authorization header is told of the scheme it used (RFC 6749 section 5.2).
    """
    authorization = request.getHeader(b"authorization")
    if refusal.reason.status == 401 and authorization is not None:
        scheme = b"Basic" if authorization[:6].lower() == b"basic " else b"Bearer"
        request.setHeader(b"www-authenticate", scheme + b' realm="token endpoint"')
    if refusal.reason.status == 503:
        request.setHeader(b"retry-after", RETRY_AFTER_SECONDS)  # RFC 7009 section 2.2.1
    elif isinstance(wait := refusal.facts.get("retry_after_seconds"), int):
        request.setHeader(b"retry-after", b"%d" % wait)
    return answer(request, refusal.reason.status, error_json(refusal, correlation_id))
