"""What contradicts `profile = "fapi2"`, the FAPI 2.0 Security Profile (R81)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from mtlsd.clients.fapi import FAPI2_ALGORITHMS, FAPI2_METHODS, fapi2_mistakes
from mtlsd.clients.grant_types import AUTHORIZATION_CODE
from mtlsd.config.checks import Known
from mtlsd.config.model import Listener
from mtlsd.config.notes import Notes
from mtlsd.config.read import Document
from mtlsd.config.text import key_path

LONGEST_REQUEST_URI: Final = 599
"""FAPI 2.0 section 5.3.2.2 wants less than 600 seconds."""


def check_fapi2(
    document: Document, listeners: Sequence[Listener], clients: Iterable[Known], notes: Notes
) -> None:
    """Note everything in the files that the profile does not allow. The clients of the store join later."""
    _check_authorization(document, notes.at("authorization"))
    if document.tokens.signing_algorithm not in FAPI2_ALGORITHMS:
        message = f"FAPI 2.0 allows no {document.tokens.signing_algorithm} (section 5.4.1)"
        notes.at("tokens").add("signing_algorithm", message, f"It takes {', '.join(FAPI2_ALGORITHMS)}.")
    _check_registration(document, notes.at("registration"))
    known = tuple(clients)
    for own in known:
        own.notes.found.extend(fapi2_mistakes(own.registration.client, own.notes.place()))
    _check_served(listeners, notes)


def _check_authorization(document: Document, notes: Notes) -> None:
    table = document.authorization
    if table.require_pushed is False:
        message = "is false: FAPI 2.0 takes pushed requests alone (section 5.3.2.2)"
        notes.add("require_pushed", message, "Remove this key.")
    if not table.require_pkce:
        notes.add("require_pkce", "is false: FAPI 2.0 wants PKCE (section 5.3.2.2)", "Remove this key.")
    if table.request_uri_seconds > LONGEST_REQUEST_URI:
        message = "FAPI 2.0 wants less than 600 (section 5.3.2.2)"
        notes.add("request_uri_seconds", message, f"Take at most {LONGEST_REQUEST_URI}.")


def _check_registration(document: Document, notes: Notes) -> None:
    for index, method in enumerate(document.registration.token_endpoint_auth_methods):
        if method not in FAPI2_METHODS:
            message = f"FAPI 2.0 allows no {method} clients (section 5.3.2.1)"
            notes.add(
                key_path("token_endpoint_auth_methods", index),
                message,
                f"It takes {', '.join(FAPI2_METHODS)}.",
            )


def _check_served(listeners: Sequence[Listener], notes: Notes) -> None:
    """Clients find everything by the metadata, which they have to use (sections 5.3.2.1 and 5.3.3.1)."""
    if not notes.fatal and not any("metadata" in listener.serves for listener in listeners):
        message = "no listener serves metadata, by which FAPI 2.0 has clients configured (section 5.3.2.1)"
        notes.add("listener", message, 'Add "metadata" to serves of a listener.')


def has_authorization(listeners: Iterable[Listener], clients: Iterable[Known]) -> bool:
    """Whether anybody can push a request, or has to."""
    return any("authorization" in listener.serves for listener in listeners) or any(
        AUTHORIZATION_CODE in own.registration.client.grant_types for own in clients
    )
