"""What an operator lets clients register (RFC 7591), and who may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, get_args
from urllib.parse import urlsplit

import attrs

from mtlsd.clients.client import Client
from mtlsd.clients.fapi import fapi2_mistakes
from mtlsd.clients.grant_types import CLIENT_CREDENTIALS
from mtlsd.clients.methods import CERTIFICATE_METHODS, AuthMethod
from mtlsd.clients.mistakes import Mistakes
from mtlsd.clients.redirection import redirect_kind

Mode = Literal["open", "initial_access_token", "certificate"]
MODES: Final[tuple[Mode, ...]] = get_args(Mode)

MOST_REDIRECT_URIS: Final = 20
MOST_KEYS: Final = 16
LONGEST_NAME: Final = 200

NOT_ALLOWED: Final = "is not allowed here"


def no_url_is_refused(url: str) -> str | None:
    return None


@attrs.frozen
class RegistrationPolicy:
    """The table `[registration]`.

    :ivar modes: who may register: everybody, who has an initial access token, or who presents a certificate
        of one of the `trust_anchors`. None may where it is empty.
    :ivar trust_anchors: the groups that may vouch for clients that register.
    :ivar scopes: what such clients may ask for, and get when they register no scope.
    :ivar resources: the resource indicators that they may ask for.
    :ivar redirect_hosts: the hosts of their redirect URIs; `*.example.com` for all below one.
    :ivar unproven_names: whether the certificate of a client need not be the one of the connection that
        registers it. With the mode `open` it always has to be.
    :ivar open_per_hour: registrations by everybody together that nobody has vouched for.
    :ivar most_clients: how many clients there may be at all.
    :ivar unused_days: after so many days a client that registered and was not seen again is removed; 0 never.
    :ivar fapi2: whether clients have to be as the FAPI 2.0 Security Profile has them.
    :ivar refuses_url: why nothing would ever be fetched from a `jwks_uri`; None where something may be.
    """

    modes: tuple[Mode, ...] = ()
    trust_anchors: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    grant_types: tuple[str, ...] = (CLIENT_CREDENTIALS,)
    token_endpoint_auth_methods: tuple[AuthMethod, ...] = CERTIFICATE_METHODS
    redirect_hosts: tuple[str, ...] = ()
    unproven_names: bool = False
    per_address_per_hour: int = 60
    open_per_hour: int = 60
    most_clients: int = 1000
    unused_days: int = 0
    fapi2: bool = False
    refuses_url: Callable[[str], str | None] = attrs.field(default=no_url_is_refused, eq=False)

    def check(self, client: Client, mistakes: Mistakes, before: Client | None = None) -> None:
        """Note everything of the client that is not allowed.

        :param before: what is registered until now: what an operator gave the client, it keeps.
        """
        held = before or client
        methods = (*self.token_endpoint_auth_methods, *_held(before, held.token_endpoint_auth_method))
        if client.token_endpoint_auth_method not in methods:
            mistakes.add("token_endpoint_auth_method", NOT_ALLOWED, f"It takes {', '.join(methods)}.")
        for grant_type in client.grant_types:
            if grant_type not in (*self.grant_types, *_held(before, *held.grant_types)):
                mistakes.add("grant_types", f"{grant_type} {NOT_ALLOWED}", "Leave it out.")
        for scope in client.scope:
            if scope not in (*self.scopes, *_held(before, *held.scope)):
                mistakes.add("scope", f"{scope} {NOT_ALLOWED}", "Leave it out.")
        for uri in client.redirect_uris:
            if not self._allows_redirect(uri) and uri not in _held(before, *held.redirect_uris):
                mistakes.add("redirect_uris", f"{uri} {NOT_ALLOWED}", "Take another one.")
        self._check_sizes(client, mistakes)
        if self.fapi2:
            mistakes.found.extend(fapi2_mistakes(client, mistakes.place))
        if client.jwks_uri is not None and (why := self.refuses_url(client.jwks_uri)) is not None:
            mistakes.add("jwks_uri", f"nothing is fetched from there: {why}", "Take a public https URL.")

    def _check_sizes(self, client: Client, mistakes: Mistakes) -> None:
        if len(client.redirect_uris) > MOST_REDIRECT_URIS:
            mistakes.add("redirect_uris", f"are more than {MOST_REDIRECT_URIS}", "Register fewer.")
        if len(client.pins) > MOST_KEYS:
            mistakes.add("jwks", f"has more than {MOST_KEYS} certificates", "Register fewer.")
        if client.client_name is not None and len(client.client_name) > LONGEST_NAME:
            mistakes.add("client_name", f"has more than {LONGEST_NAME} characters", "Take a shorter one.")

    def _allows_redirect(self, uri: str) -> bool:
        """An https URI by its host, a loopback one by its address, one of a private use by its scheme."""
        parts = urlsplit(uri)
        name = parts.scheme if redirect_kind(uri) == "private-use" else parts.hostname or ""
        return any(_is_below(name, allowed) for allowed in self.redirect_hosts)


def _held(before: Client | None, *values: str) -> tuple[str, ...]:
    return () if before is None else values


def _is_below(name: str, allowed: str) -> bool:
    if allowed.startswith("*."):
        return name.endswith(allowed[1:]) and name != allowed[1:]
    return name == allowed
