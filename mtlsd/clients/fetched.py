"""Putting the certificates that clients publish at their `jwks_uri` into their registrations (R14).

Anybody can publish the certificate of another: so that takes nothing away. It belongs to all who publish it,
and to the client that it is registered for. Each request names its client, and the handshake proves who has
the key: whoever publishes another's certificate only lets that other one come in his name. It is told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

import attrs

from mtlsd.clients.client import Client
from mtlsd.clients.index import Registration
from mtlsd.clients.methods import PRIVATE_KEY_JWT, SELF_SIGNED
from mtlsd.jose.verification import VerificationKey

NO_KEYS: Mapping[str, Sequence[VerificationKey]] = MappingProxyType({})


@attrs.frozen
class Published:
    """A certificate in a client's JWK Set.

    :ivar der: the certificate.
    :ivar since: when it was first found in that set; it then stayed there.
    """

    der: bytes = attrs.field(repr=False)
    since: datetime


@attrs.frozen
class Shared:
    """A published certificate that another client has, too.

    :ivar uri: where it is published.
    :ivar client_id: by whom.
    :ivar other: the client that it is registered for, or that published it first.
    :ivar sha256: of the certificate.
    """

    uri: str
    client_id: str
    other: str
    sha256: bytes


@attrs.frozen
class Merged:
    """The registrations with what was fetched in them, and what several of them have."""

    registrations: tuple[Registration, ...]
    shared: tuple[Shared, ...] = ()


def with_published(
    registrations: Iterable[Registration],
    sets: Mapping[str, Sequence[Published]],
    keys: Mapping[str, Sequence[VerificationKey]] = NO_KEYS,
) -> Merged:
    """The registrations with what stands at their `jwks_uri`: with its certificates as the pins of pinned
    clients, with its keys as those of `private_key_jwt` clients.

    :param sets: by `jwks_uri`; what is not there yet has no certificate.
    :param keys: likewise. Several clients may publish one key: it proves what is signed for each of them.
    """
    registrations = tuple(registrations)
    uris = {own.client.client_id: own.client.jwks_uri or "" for own in registrations}
    first = {pin: own.client.client_id for own in registrations for pin in _registered(own.client)}
    pins: dict[str, list[bytes]] = {}
    shared: list[Shared] = []
    for published, client_id in sorted(_claims(registrations, sets), key=_who_was_first):
        sha256 = hashlib.sha256(published.der).digest()
        pins.setdefault(client_id, []).append(published.der)
        other = first.setdefault(sha256, client_id)
        if other != client_id:
            shared.append(Shared(uris[client_id], client_id, other, sha256))
    return Merged(tuple(_with_keys(_with_pins(own, pins), keys) for own in registrations), tuple(shared))


def jwks_uris(registrations: Iterable[Registration]) -> dict[str, tuple[str, ...]]:
    """For each `jwks_uri` that is to be fetched the clients that registered it. Disabled ones need none."""
    found: dict[str, tuple[str, ...]] = {}
    for registration in registrations:
        client = registration.client
        if client.jwks_uri is not None and not client.disabled:
            found[client.jwks_uri] = (*found.get(client.jwks_uri, ()), client.client_id)
    return found


def _registered(client: Client) -> tuple[bytes, ...]:
    return client.pin_sha256s if client.jwks_uri is None else ()


def _publishes_pins(client: Client) -> bool:
    """Of another client's set the certificates say nothing: only what is pinned is known by one. Disabled
    ones publish nothing: it would be held against whoever has the certificate, too.
    """
    pinned = client.token_endpoint_auth_method == SELF_SIGNED
    return client.jwks_uri is not None and pinned and not client.disabled


def _claims(
    registrations: Iterable[Registration], sets: Mapping[str, Sequence[Published]]
) -> Iterator[tuple[Published, str]]:
    for registration in registrations:
        client = registration.client
        if _publishes_pins(client):
            for published in sets.get(client.jwks_uri or "", ()):
                yield published, client.client_id


def _who_was_first(claim: tuple[Published, str]) -> tuple[datetime, str]:
    published, client_id = claim
    return published.since, client_id


def _with_pins(registration: Registration, pins: Mapping[str, Sequence[bytes]]) -> Registration:
    client = registration.client
    if not _publishes_pins(client):
        return registration
    return attrs.evolve(registration, client=attrs.evolve(client, pins=tuple(pins.get(client.client_id, ()))))


def _with_keys(registration: Registration, keys: Mapping[str, Sequence[VerificationKey]]) -> Registration:
    client = registration.client
    if client.jwks_uri is None or client.token_endpoint_auth_method != PRIVATE_KEY_JWT:
        return registration
    return attrs.evolve(registration, client=attrs.evolve(client, keys=tuple(keys.get(client.jwks_uri, ()))))
