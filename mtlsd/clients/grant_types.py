"""What a client may ask tokens with, and what goes with that (RFC 7591 section 2.1)."""

from __future__ import annotations

from typing import Final, Self

import attrs

from mtlsd.clients.methods import NONE, AuthMethod
from mtlsd.clients.reader import Reader
from mtlsd.clients.redirection import redirect_kind

CLIENT_CREDENTIALS: Final = "client_credentials"
AUTHORIZATION_CODE: Final = "authorization_code"
REFRESH_TOKEN: Final = "refresh_token"  # noqa: S105  # a name that stands in metadata
TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105  # a name that stands in metadata

GRANT_TYPES: Final = (CLIENT_CREDENTIALS, AUTHORIZATION_CODE, REFRESH_TOKEN, TOKEN_EXCHANGE)
RESPONSE_TYPES: Final = ("code",)

_SHORTEST_REFRESH, _LONGEST_REFRESH = 60, 10 * 366 * 86_400
_URIS = (
    "https URIs, http://127.0.0.1 and http://[::1] for native applications, or for public clients those of"
    " private-use schemes such as com.example.app:/cb; all without fragment, the host in lower case"
)


@attrs.frozen
class Granting:
    """The grant types of a client, and where the answers to authorization requests may go.

    :ivar refresh_token_seconds: how long a refresh token lives; None for the server's own default.
    """

    grant_types: tuple[str, ...]
    response_types: tuple[str, ...]
    redirect_uris: tuple[str, ...]
    refresh_token_seconds: int | None
    require_pushed_authorization_requests: bool

    @classmethod
    def from_reader(cls, reader: Reader, method: AuthMethod) -> Self:
        """Read it, and note what does not go together (R59)."""
        metadata, mistakes = reader.metadata, reader.mistakes
        redirect_uris = reader.strings("redirect_uris", lambda uri: redirect_kind(uri) is not None, _URIS)
        redirecting = method == NONE or "redirect_uris" in metadata
        grant_types: tuple[str, ...] = (AUTHORIZATION_CODE if redirecting else CLIENT_CREDENTIALS,)
        if "grant_types" in metadata:
            supported = ", ".join(GRANT_TYPES)
            grant_types = reader.strings(
                "grant_types", GRANT_TYPES.__contains__, f"grant types that this server has: {supported}"
            )
        response_types: tuple[str, ...] = RESPONSE_TYPES if AUTHORIZATION_CODE in grant_types else ()
        if "response_types" in metadata:
            response_types = reader.strings("response_types", RESPONSE_TYPES.__contains__, '"code" alone')
        granting = cls(
            grant_types=grant_types,
            response_types=response_types,
            redirect_uris=redirect_uris,
            refresh_token_seconds=reader.seconds(
                "refresh_token_seconds", _SHORTEST_REFRESH, _LONGEST_REFRESH
            ),
            require_pushed_authorization_requests=reader.boolean(
                "require_pushed_authorization_requests", False
            ),
        )
        if not mistakes.has_any("grant_types"):
            granting._check(reader, method)
        return granting

    def _check(self, reader: Reader, method: AuthMethod) -> None:
        mistakes = reader.mistakes
        if method == NONE and CLIENT_CREDENTIALS in self.grant_types:
            mistakes.add(
                "grant_types",
                "a public client has no credentials for client_credentials (RFC 6749 section 4.4)",
                "Remove it, or give the client a token_endpoint_auth_method.",
            )
        if AUTHORIZATION_CODE in self.grant_types:
            self._check_code(reader, method)
            return
        if self.response_types:
            mistakes.add(
                "response_types",
                "without authorization_code there are none (RFC 7591 section 2.1)",
                "Add authorization_code to grant_types, or remove this key.",
            )
        if self.redirect_uris:
            mistakes.add(
                "redirect_uris",
                "only authorization_code uses them",
                "Add authorization_code to grant_types, or remove this key.",
            )
        if self.require_pushed_authorization_requests:
            mistakes.add(
                "require_pushed_authorization_requests",
                "only authorization_code has such requests",
                "Add authorization_code to grant_types, or remove this key.",
            )
        if REFRESH_TOKEN in self.grant_types:
            mistakes.add(
                "grant_types",
                "refresh tokens come with authorization_code alone (RFC 6749 section 4.4.3)",
                "Add authorization_code, or remove refresh_token.",
            )
        self._check_refresh(reader)

    def _check_code(self, reader: Reader, method: AuthMethod) -> None:
        mistakes = reader.mistakes
        if "code" not in self.response_types and not mistakes.has_any("response_types"):
            mistakes.add(
                "response_types",
                "lacks code, which authorization_code needs (RFC 7591 section 2.1)",
                'Write response_types = ["code"], or leave it out.',
            )
        if not self.redirect_uris and not mistakes.has_any("redirect_uris"):
            mistakes.add(
                "redirect_uris",
                "authorization_code needs one at least",
                "Add the URIs of the client that the browser is sent back to.",
            )
        for uri in self.redirect_uris:
            if method != NONE and redirect_kind(uri) == "private-use":
                mistakes.add(
                    "redirect_uris",
                    f"{uri!r} is for native applications, which are public clients (RFC 8252 section 8.4)",
                    'Take an https URI, or token_endpoint_auth_method = "none".',
                )
        self._check_refresh(reader)

    def _check_refresh(self, reader: Reader) -> None:
        if self.refresh_token_seconds is not None and REFRESH_TOKEN not in self.grant_types:
            reader.mistakes.add(
                "refresh_token_seconds",
                "the client gets no refresh tokens",
                "Add refresh_token to grant_types, or remove this key.",
            )
