"""Authorization requests (RFC 6749 section 4.1.1): read, checked, and answered by a redirect.

The redirect URI comes first. Until it is known to be the client's, nothing is ever sent there.
"""

from __future__ import annotations

import re
from typing import Final, Self
from urllib.parse import urlencode

import attrs

from mtlsd import reasons
from mtlsd.clients.client import Client
from mtlsd.clients.grant_types import AUTHORIZATION_CODE
from mtlsd.errors import Refusal
from mtlsd.oauth.forms import Form
from mtlsd.oauth.grants import asked_resources, asked_scope
from mtlsd.oauth.pkce import asked_challenge

PARAMETERS: Final = frozenset(
    {
        "client_id",
        "response_type",
        "response_mode",
        "redirect_uri",
        "scope",
        "resource",
        "state",
        "code_challenge",
        "code_challenge_method",
        "prompt",
        "max_age",
        "login_hint",
        "request",
        "request_uri",
    }
)
"""What is read of an authorization request; everything else is ignored (RFC 6749 section 3.1)."""

_PROMPTS = frozenset({"none", "login", "consent", "select_account"})
_MAX_AGE = re.compile(r"[0-9]{1,9}")


@attrs.frozen
class Redirection:
    """Where the answer goes: a redirect URI of the client, verified.

    :ivar named: whether the request named it, so that the token request has to name it too (RFC 6749 section
        4.1.3).
    :ivar pushed: the key of the pushed request that the answer uses up; None where it was not pushed.
    """

    uri: str
    state: str | None
    issuer: str
    named: bool = True
    pushed: bytes | None = attrs.field(default=None, eq=False, repr=False)

    @classmethod
    def from_form(cls, form: Form, client: Client, issuer: str, pushed: bytes | None = None) -> Self:
        """
        :raises Refusal: to be shown to the user: there is nowhere to send it.
        """
        asked = form.get("redirect_uri")
        if asked is None:
            if len(client.redirect_uris) != 1:
                raise Refusal(reasons.REDIRECT_URI_ABSENT, {"expected": client.redirect_uris})
            return cls(client.redirect_uris[0], form.get("state"), issuer, named=False, pushed=pushed)
        if not client.allows_redirect_uri(asked):
            facts = {"expected": client.redirect_uris, "seen": asked[:256]}
            raise Refusal(reasons.REDIRECT_URI_UNKNOWN, facts)
        return cls(asked, form.get("state"), issuer, pushed=pushed)

    def answered(self, **parameters: str) -> str:
        """The URL to redirect to, with `state` and `iss` (R63: RFC 9207) beside the parameters."""
        if self.state is not None:
            parameters["state"] = self.state
        parameters["iss"] = self.issuer
        joint = "&" if "?" in self.uri else "?"
        return f"{self.uri}{joint}{urlencode(parameters)}"

    def refused(self, refusal: Refusal) -> str:
        """The URL that tells the client of a refusal (RFC 6749 section 4.1.2.1)."""
        return self.answered(error=refusal.reason.error, error_description=refusal.reason.meaning)


@attrs.frozen
class SentBack:
    """A request that is refused, and the client is told: redirect to `location`.

    :ivar pushed: as :class:`Redirection` has it.
    :ivar silent: whether the request forbids to ask the user for anything (`prompt=none`).
    """

    client_id: str
    refusal: Refusal
    location: str
    pushed: bytes | None = attrs.field(default=None, eq=False, repr=False)
    silent: bool = False

    @classmethod
    def from_form(cls, form: Form, client: Client, redirection: Redirection, refusal: Refusal) -> Self:
        """Where the parameters are such that they make no :class:`AuthorizationRequest`."""
        silent = "none" in (form.get("prompt") or "").split()
        return cls(client.client_id, refusal, redirection.refused(refusal), redirection.pushed, silent)


@attrs.frozen
class AuthorizationRequest:
    """What a client asks a user for. Every member was checked against the client's registration.

    :ivar scope: in the order of the registration; all of it where the request named none.
    :ivar resources: the resource indicators (RFC 8707).
    :ivar code_challenge: S256 (RFC 7636); None only where PKCE is not required.
    :ivar prompt: some of `none`, `login`, `consent`, `select_account`, as OpenID Connect has them.
    :ivar max_age: how many seconds ago the user may have logged in.
    :ivar login_hint: who the user might be, says the client.
    """

    client_id: str
    redirection: Redirection
    scope: tuple[str, ...]
    resources: tuple[str, ...]
    code_challenge: str | None
    prompt: frozenset[str] = frozenset()
    max_age: int | None = None
    login_hint: str | None = None

    @classmethod
    def from_form(cls, form: Form, client: Client, redirection: Redirection, require_pkce: bool) -> Self:
        """
        :param form: the parameters, pushed or not; `request_uri` has been dealt with.
        :raises Refusal: to be sent to the redirect URI, or answered where the request is pushed.
        """
        if form.has("request"):
            raise Refusal(reasons.REQUEST_OBJECT_UNSUPPORTED)
        _check_response(form)
        if AUTHORIZATION_CODE not in client.grant_types:
            facts = {"expected": client.grant_types, "seen": AUTHORIZATION_CODE}
            raise Refusal(reasons.GRANT_UNAUTHORIZED, facts)
        return cls(
            client_id=client.client_id,
            redirection=redirection,
            scope=asked_scope(client, form.get("scope")),
            resources=asked_resources(client, form.all("resource")),
            code_challenge=asked_challenge(form, require_pkce or client.is_public),
            prompt=_prompt(form.get("prompt")),
            max_age=_max_age(form.get("max_age")),
            login_hint=form.get("login_hint"),
        )

    def refused(self, refusal: Refusal) -> SentBack:
        """The answer where the user or somebody else says no."""
        location, pushed = self.redirection.refused(refusal), self.redirection.pushed
        return SentBack(self.client_id, refusal, location, pushed, "none" in self.prompt)


def _check_response(form: Form) -> None:
    response_type = form.get("response_type")
    if response_type is None:
        raise Refusal(reasons.RESPONSE_TYPE_ABSENT)
    if response_type != "code":
        raise Refusal(reasons.RESPONSE_TYPE_UNSUPPORTED, {"expected": "code", "seen": response_type[:64]})
    response_mode = form.get("response_mode")
    if response_mode not in (None, "query"):
        raise Refusal(reasons.RESPONSE_MODE_UNSUPPORTED, {"expected": "query", "seen": response_mode[:64]})


def _prompt(text: str | None) -> frozenset[str]:
    prompt = frozenset((text or "").split())
    if not prompt <= _PROMPTS or ("none" in prompt and len(prompt) > 1):
        raise Refusal(reasons.REQUEST_PROMPT, {"parameter": "prompt"})
    return prompt


def _max_age(text: str | None) -> int | None:
    if text is None:
        return None
    if not _MAX_AGE.fullmatch(text):
        raise Refusal(reasons.REQUEST_PROMPT, {"parameter": "max_age"})
    return int(text)
