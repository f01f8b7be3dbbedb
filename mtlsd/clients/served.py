"""What this server serves of all that may be registered: the one place to widen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mtlsd.clients.client import MEMBERS, Client
from mtlsd.clients.grant_types import GRANT_TYPES
from mtlsd.clients.methods import PKI, SELF_SIGNED, AuthMethod
from mtlsd.clients.mistakes import Mistakes
from mtlsd.errors import Mistake

SERVED_GRANT_TYPES: Final[tuple[str, ...]] = GRANT_TYPES
SERVED_METHODS: Final[tuple[AuthMethod, ...]] = (PKI, SELF_SIGNED)

NOT_SERVED_MEMBERS: Final = frozenset(
    {
        "token_endpoint_auth_signing_alg",
        "client_secret_hash",
        "allow_client_secret",
        "use_mtls_endpoint_aliases",
    }
)
SERVED_MEMBERS: Final = MEMBERS - NOT_SERVED_MEMBERS
"""What the configuration takes."""


def not_served(client: Client, place: str) -> tuple[Mistake, ...]:
    """What the client registers and would never get.

    :param place: where its metadata stands.
    """
    mistakes = Mistakes(place)
    method = client.token_endpoint_auth_method
    if method not in SERVED_METHODS:
        mistakes.add("token_endpoint_auth_method", f"{method!r} is not served", _takes(SERVED_METHODS))
    for grant_type in client.grant_types:
        if grant_type not in SERVED_GRANT_TYPES:
            mistakes.add("grant_types", f"{grant_type!r} is not served", _takes(SERVED_GRANT_TYPES))
    return tuple(mistakes.found)


def _takes(served: Iterable[str]) -> str:
    return f"It takes {', '.join(served)}."
