"""Clients and instants for the tests of stores, and what a Deferred that has fired holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mtlsd.clients.client import Client
from mtlsd.clients.sightings import Sighting
from tests.pki.maker import Pki

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(seconds=1)


T = TypeVar("T")
E = TypeVar("E", bound=Exception)


def _outcome(deferred: Deferred[Any]) -> Any:
    outcomes: list[Any] = []
    deferred.addBoth(outcomes.append)
    assert outcomes, "the Deferred has not fired"
    return outcomes[0]


def result_of(deferred: Deferred[T]) -> T:
    """What the Deferred has fired with."""
    outcome = _outcome(deferred)
    if isinstance(outcome, Failure):
        outcome.raiseException()
    result: T = outcome
    return result


def failure_of(deferred: Deferred[Any], kind: type[E]) -> E:
    """The exception that the Deferred has failed with, which must be of that very kind."""
    outcome = _outcome(deferred)
    assert isinstance(outcome, Failure), f"no failure: {outcome!r}"
    assert type(outcome.value) is kind, outcome
    error: E = outcome.value
    return error


def named(client_id: str, dns: str | None = None, *groups: str, **metadata: Any) -> Client:
    """A `tls_client_auth` client, known by a DNS name under the anchor groups (default: partners)."""
    if "tls_client_auth_subject_dn" not in metadata:
        metadata["tls_client_auth_san_dns"] = dns or f"{client_id}.example"
    return Client.from_metadata(
        {
            "client_id": client_id,
            "token_endpoint_auth_method": "tls_client_auth",
            "trust_anchors": list(groups or ("partners",)),
            "scope": "invoices:read",
            **metadata,
        },
        place="test",
    )


@cache
def certificate(role: str) -> bytes:
    """The DER of a self-signed certificate; the same role gives the same one."""
    return Pki().self_signed(role).leaf


def pinned(client_id: str, *roles: str, **metadata: Any) -> Client:
    """A `self_signed_tls_client_auth` client with one certificate for each role."""
    return Client.from_metadata(
        {"client_id": client_id, "token_endpoint_auth_method": "self_signed_tls_client_auth", **metadata},
        place="test",
        certificates=[certificate(role) for role in roles],
    )


def sighting(client_id: str, x5t_s256: str, first: float, last: float) -> Sighting:
    """:param first: when, in seconds after NOW; `last` likewise."""
    first_seen_at, last_seen_at = (NOW + timedelta(seconds=own) for own in (first, last))
    year = timedelta(days=365)
    return Sighting(
        client_id, x5t_s256, f"CN={x5t_s256}", NOW - year, NOW + year, first_seen_at, last_seen_at
    )
