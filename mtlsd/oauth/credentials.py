"""What a request carries besides a certificate to say who sends it (RFC 6749 section 2.3.1, RFC 7521)."""

from __future__ import annotations

import re
from typing import Final, Literal
from urllib.parse import unquote_to_bytes

import attrs

from mtlsd import reasons
from mtlsd.clients.secret import LONGEST_SECRET
from mtlsd.errors import Refusal
from mtlsd.jose import b64
from mtlsd.oauth.forms import Form

JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
PARAMETERS: Final = ("client_secret", "client_assertion", "client_assertion_type")

_LONGEST_AUTHORIZATION = 2048
_BASIC = re.compile(r"basic +([A-Za-z0-9+/]+={0,2})", re.IGNORECASE)
_FORM_ENCODED = re.compile(r"(?:[!-$&-~]|%[0-9A-Fa-f]{2})*")


@attrs.frozen
class SecretCredentials:
    """A client_id with a secret, and the way in which they came."""

    method: Literal["client_secret_basic", "client_secret_post"]
    client_id: str
    secret: str = attrs.field(repr=False)


@attrs.frozen
class AssertionCredentials:
    """A JWT that should prove who the client is.

    :ivar client_id: as the form has it; None where it has none (RFC 7521 section 4.2).
    """

    client_id: str | None
    assertion: str = attrs.field(repr=False)


Credentials = SecretCredentials | AssertionCredentials


def credentials_of(form: Form, authorization: str | None) -> Credentials | None:
    """The credentials of a request; None where it has none.

    :param authorization: the Authorization header, decoded as Latin-1.
    :raises Refusal: where there are several (R50), or one that cannot be read.
    """
    ways = [authorization is not None, form.has("client_secret"), _has_assertion(form)]
    if sum(ways) > 1:
        raise Refusal(reasons.REQUEST_MULTIPLE_METHODS, {"seen": names_of(form, authorization is not None)})
    if authorization is not None:
        return _basic(authorization, form)
    if form.has("client_secret"):
        return _post(form)
    return _assertion(form) if _has_assertion(form) else None


def names_of(form: Form, has_authorization: bool) -> list[str]:
    """By what a request wants to prove who sends it, for the audit log: no values."""
    names = [name for name in PARAMETERS if form.has(name)]
    return [*names, "Authorization"] if has_authorization else names


def _has_assertion(form: Form) -> bool:
    return form.has("client_assertion") or form.has("client_assertion_type")


def _basic(authorization: str, form: Form) -> SecretCredentials:
    """RFC 7617 with the form encoding of RFC 6749 section 2.3.1."""
    if authorization[:6].lower() != "basic ":
        raise Refusal(reasons.CLIENT_METHOD, {"seen": ["Authorization"]})
    match = _BASIC.fullmatch(authorization) if len(authorization) <= _LONGEST_AUTHORIZATION else None
    try:
        pair = b64.decode_standard(match[1]).decode("utf-8") if match is not None else ""
        client_id, _, secret = pair.partition(":")
        client_id, secret = _decoded(client_id), _decoded(secret)
    except ValueError:
        client_id = secret = ""
    if not client_id or form.get("client_id") not in (None, client_id):
        raise Refusal(reasons.CLIENT_SECRET, {"detail": "the Authorization header cannot be read"})
    return SecretCredentials("client_secret_basic", client_id, _bounded(secret))


def _post(form: Form) -> SecretCredentials:
    client_id, secret = form.get("client_id"), form.get("client_secret")
    if client_id is None or secret is None:
        raise Refusal(reasons.CLIENT_ID_ABSENT)
    return SecretCredentials("client_secret_post", client_id, _bounded(secret))


def _assertion(form: Form) -> AssertionCredentials:
    assertion, kind = form.get("client_assertion"), form.get("client_assertion_type")
    if kind is not None and kind != JWT_BEARER:
        raise Refusal(reasons.CLIENT_METHOD, {"expected": JWT_BEARER, "seen": kind[:128]})
    if assertion is None or kind is None:
        detail = "client_assertion and client_assertion_type go together"
        raise Refusal(reasons.CLIENT_ASSERTION, {"detail": detail})
    return AssertionCredentials(form.get("client_id"), assertion)


def _bounded(secret: str) -> str:
    if not secret or len(secret) > LONGEST_SECRET:
        raise Refusal(reasons.CLIENT_SECRET, {"detail": f"it is empty, or longer than {LONGEST_SECRET}"})
    return secret


def _decoded(text: str) -> str:
    """RFC 6749 appendix B."""
    if not _FORM_ENCODED.fullmatch(text):
        raise ValueError("not form-encoded")
    decoded = unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
    if "\x00" in decoded:
        raise ValueError("a NUL character")
    return decoded
