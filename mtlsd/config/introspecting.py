"""Whether those who have to ask what a token is can ask."""

from __future__ import annotations

from collections.abc import Sequence

from mtlsd.config.checks import Known
from mtlsd.config.model import Listener


def check_introspection(clients: Sequence[Known], listeners: Sequence[Listener]) -> None:
    """Nobody can read opaque tokens, and nobody can introspect, without the endpoint."""
    if any("introspection" in listener.serves for listener in listeners):
        return
    remedy = 'Add serves = ["introspection"] to a listener that asks for certificates.'
    for known in clients:
        client = known.registration.client
        if client.introspects:
            known.notes.warn("introspects", "no listener serves introspection", remedy)
        if client.access_token_format != "jwt":  # noqa: S105  # a format, and no secret
            known.notes.warn(
                "access_token_format", "no resource server can find out what the tokens are", remedy
            )
