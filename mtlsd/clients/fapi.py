"""What a client's registration has that the FAPI 2.0 Security Profile does not allow (R81)."""

from __future__ import annotations

from typing import Final

from mtlsd.clients.client import Client
from mtlsd.clients.methods import CERTIFICATE_METHODS, PRIVATE_KEY_JWT, AuthMethod
from mtlsd.clients.mistakes import Mistakes
from mtlsd.clients.redirection import redirect_kind
from mtlsd.errors import Mistake

FAPI2_ALGORITHMS: Final = ("PS256", "ES256", "EdDSA")
"""FAPI 2.0 Security Profile section 5.4.1."""
FAPI2_METHODS: Final[tuple[AuthMethod, ...]] = (*CERTIFICATE_METHODS, PRIVATE_KEY_JWT)
"""FAPI 2.0 Security Profile section 5.3.2.1."""


def fapi2_mistakes(client: Client, place: str) -> tuple[Mistake, ...]:
    """Everything in which the client contradicts `profile = "fapi2"`.

    :param place: where its metadata stands.
    """
    mistakes = Mistakes(place)
    if client.token_endpoint_auth_method not in FAPI2_METHODS:
        mistakes.add(
            "token_endpoint_auth_method",
            f"FAPI 2.0 allows no {client.token_endpoint_auth_method} clients (section 5.3.2.1)",
            f"It takes {', '.join(FAPI2_METHODS)}.",
        )
    if client.token_endpoint_auth_signing_alg not in (None, *FAPI2_ALGORITHMS):
        mistakes.add(
            "token_endpoint_auth_signing_alg",
            f"FAPI 2.0 allows no {client.token_endpoint_auth_signing_alg} (section 5.4.1)",
            f"It takes {', '.join(FAPI2_ALGORITHMS)}.",
        )
    if not client.tls_client_certificate_bound_access_tokens:
        mistakes.add(
            "tls_client_certificate_bound_access_tokens",
            "FAPI 2.0 allows bound tokens alone (section 5.3.2.1)",
            "Remove this key, or write true.",
        )
    for uri in client.redirect_uris:
        if redirect_kind(uri) == "loopback":
            mistakes.add(
                "redirect_uris", f"{uri!r} is not https (FAPI 2.0, section 5.3.2.2)", "Take an https URI."
            )
    return tuple(mistakes.found)
