"""Which ambiguity a request has: where two readers of the same bytes could see two different requests.

RFC 9112 leaves a server the choice to repair many of these. Nothing is repaired here: an intermediary that
repairs differently is what request smuggling lives on (RFC 9112 section 11.2). Used by our own channel on
every request, and by resources that run under a stock ``twisted.web.server.Site``, before they act on one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs
from twisted.web.iweb import IRequest

from mtlsd import reasons
from mtlsd.errors import Reason, Refusal

Fields = Sequence[tuple[bytes, bytes]]

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"  # RFC 9110 section 5.6.2
FIELD_CONTENT = rb"[\t\x20-\x7e\x80-\xff]"  # RFC 9110 section 5.5, obs-text included
_PCHAR = rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})"  # RFC 3986 section 3.3, and the slash
_QUERY = rb"(?:\?(?:[?]|" + _PCHAR + rb")*+)?"
_AUTHORITY = rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=%]++|\[[0-9A-Fa-f:.]++\])(?::[0-9]{1,5})?"  # no userinfo

_is_token = re.compile(TOKEN + rb"++").fullmatch
_is_value = re.compile(FIELD_CONTENT + rb"*+").fullmatch
_is_digits = re.compile(rb"[0-9]++").fullmatch
_is_authority = re.compile(_AUTHORITY).fullmatch
_is_origin_form = re.compile(rb"/" + _PCHAR + rb"*+" + _QUERY).fullmatch
_absolute_form = re.compile(
    rb"[Hh][Tt][Tt][Pp][Ss]?://(" + _AUTHORITY + rb")((?:/" + _PCHAR + rb"*+)?" + _QUERY + rb")"
)

# Fields of which a request has at most one: a second one would let two readers pick different ones.
_SINGLE = frozenset({b"authorization", b"content-length", b"content-type", b"host", b"transfer-encoding"})
_LONGEST_LENGTH = 18  # digits of a Content-Length that are worth reading; the body's own limit is far below


@attrs.frozen
class Framing:
    """How long the body is (RFC 9112 section 6.3): chunked, or of ``content_length`` bytes."""

    chunked: bool
    content_length: int


def ambiguity(version: bytes, method: bytes, target: bytes, fields: Fields) -> Refusal | None:
    """Say which ambiguity a request has.

    :param version: ``b"HTTP/1.1"``, as sent.
    :param target: the request-target as sent, percent-encoding and all.
    :param fields: every field line as (name, value without surrounding whitespace), in order.
    :return: the first ambiguity, with ``rule`` and ``detail`` among its facts; None when there is none.
    """
    try:
        check(version, method, target, fields)
    except Refusal as refusal:
        return refusal
    return None


def ambiguity_of(request: IRequest) -> Refusal | None:
    """Say which ambiguity a request from a stock ``Site`` has; those of our own channel have none."""
    if getattr(request, "strictly_parsed", False):
        return None
    headers = request.requestHeaders.getAllRawHeaders()
    fields = [(name, value) for name, values in headers for value in values]
    version = getattr(request, "clientproto", b"")  # every Request has it, only IRequest does not say so
    return ambiguity(version, request.method, request.uri, fields)


def check(version: bytes, method: bytes, target: bytes, fields: Fields) -> Framing:
    """Refuse an ambiguous request; otherwise say how its body is framed.

    :raises Refusal: see :func:`ambiguity`.
    """
    check_version(version)
    if not _is_token(method):
        raise refuse("RFC 9110 section 9.1", "the method is not a token")
    seen = _check_fields(fields)
    _check_target(version, method, target, seen)
    return _framing(version, seen)


def check_version(version: bytes) -> None:
    """Refuse every version but HTTP/1.0 and HTTP/1.1 (RFC 9112 section 2.3)."""
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        if re.fullmatch(rb"HTTP/[0-9](\.[0-9])?", version):
            raise refuse("RFC 9110 section 15.6.6", "another version of HTTP", reasons.REQUEST_VERSION)
        raise refuse("RFC 9112 section 2.3", "the version is not written as HTTP/1.1")


def refuse(rule: str, detail: str, reason: Reason = reasons.REQUEST_MALFORMED) -> Refusal:
    """Make the refusal of a request; the facts never have a field's value, for it may be a secret."""
    return Refusal(reason, {"rule": rule, "detail": detail})


def path_and_authority(target: bytes) -> tuple[bytes, bytes | None]:
    """Split a checked target into path, without query, and authority, if any (RFC 9112 section 3.2)."""
    absolute = _absolute_form.fullmatch(target)
    if absolute is None:
        return target.partition(b"?")[0], None
    return absolute[2].partition(b"?")[0] or b"/", absolute[1]


def _check_fields(fields: Fields) -> dict[bytes, bytes]:
    """Check every field line by itself; return the values by lower-case name (of a list field, the last)."""
    seen: dict[bytes, bytes] = {}
    for name, value in fields:
        if not _is_token(name):
            raise refuse(
                "RFC 9112 section 5.1", "a field name is not a token, or whitespace precedes its colon"
            )
        if not _is_value(value):
            raise refuse("RFC 9110 section 5.5", f"control character in the field {name.decode('ascii')}")
        key = name.lower()
        if key in _SINGLE and key in seen:
            raise refuse("RFC 9110 section 5.3", f"more than one {key.decode('ascii')}")
        seen[key] = value
    return seen


def _check_target(version: bytes, method: bytes, target: bytes, seen: dict[bytes, bytes]) -> None:
    """Check the request-target and the Host that it is for (RFC 9112 section 3.2)."""
    host = seen.get(b"host")
    if host is None and version == b"HTTP/1.1":
        raise refuse("RFC 9112 section 3.2", "no Host")
    if host is not None and not _is_authority(host):
        raise refuse("RFC 9112 section 3.2", "Host is not a host with an optional port")
    if _is_origin_form(target) or (target == b"*" and method == b"OPTIONS"):
        return
    authority = path_and_authority(target)[1]
    if authority is None or method == b"CONNECT":
        raise refuse("RFC 9112 section 3.2", "the request-target is neither an absolute path nor an http URI")
    if host is not None and host.lower() != authority.lower():
        raise refuse("RFC 9112 section 3.2.2", "Host differs from the authority of the request-target")


def _framing(version: bytes, seen: dict[bytes, bytes]) -> Framing:
    """Find out the body's length, from exactly one source (RFC 9112 sections 6.1 to 6.3)."""
    length = seen.get(b"content-length")
    coding = seen.get(b"transfer-encoding")
    if coding is None:
        return Framing(False, 0 if length is None else _content_length(length))
    if length is not None:
        raise refuse("RFC 9112 section 6.3", "both Transfer-Encoding and Content-Length")
    if version != b"HTTP/1.1":
        raise refuse("RFC 9112 section 6.1", "Transfer-Encoding in HTTP/1.0")
    if coding.lower() != b"chunked":
        raise _other_coding(coding)
    return Framing(True, 0)


def _content_length(value: bytes) -> int:
    if not _is_digits(value):
        raise refuse("RFC 9112 section 6.3", "Content-Length is not a number")
    if len(value) > _LONGEST_LENGTH:
        raise refuse("RFC 9110 section 15.5.14", "Content-Length is huge", reasons.REQUEST_TOO_LARGE)
    return int(value)


def _other_coding(coding: bytes) -> Refusal:
    """Refuse what is not exactly one ``chunked``: 400 where the body's end is unknown, otherwise 501."""
    codings = [part.strip(b" \t").lower() for part in coding.split(b",")]
    if codings[-1] != b"chunked" or b"chunked" in codings[:-1] or not all(map(_is_token, codings)):
        return refuse("RFC 9112 section 6.3", "Transfer-Encoding does not end in one chunked")
    return refuse("RFC 9112 section 6.1", "a coding beside chunked", reasons.REQUEST_TRANSFER_CODING)
