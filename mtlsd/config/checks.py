"""What no table alone can tell: how listeners, trust anchors and clients go together."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from itertools import combinations

import attrs

from mtlsd.clients.client import Client
from mtlsd.clients.index import ClientIndex, Registration
from mtlsd.clients.methods import CERTIFICATE_METHODS, PKI, AuthMethod
from mtlsd.config.anchors import note_namesakes
from mtlsd.config.endpoints import Place
from mtlsd.config.listeners import unknown_group
from mtlsd.config.model import Listener
from mtlsd.config.notes import Notes
from mtlsd.config.read import ClientEntry
from mtlsd.config.text import key_path
from mtlsd.config.urls import origin_of
from mtlsd.oauth.metadata import CLIENT_ENDPOINTS
from mtlsd.pki.path import AnchorGroup


@attrs.frozen
class Known:
    """A client of a file, and where to note what is wrong with it."""

    registration: Registration
    notes: Notes


def check_places(places: Sequence[tuple[str, Place, Notes]]) -> None:
    """No two listeners at one place."""
    for (first, place, _), (_, other, notes) in combinations(places, 2):
        if place.collides_with(other):
            remedy = "Give each listener a port, path or socket name of its own."
            notes.add("endpoint", f"listener {first} listens there too", remedy)


def check_groups_of_clients(clients: Sequence[ClientEntry], groups: Collection[str]) -> None:
    """Every group that a client names exists. Clients with other mistakes are looked at too."""
    for entry in clients:
        names = entry.metadata.get("trust_anchors")
        for index, name in enumerate(names if isinstance(names, list) else ()):
            if isinstance(name, str) and name not in groups:
                entry.notes.add(key_path("trust_anchors", index), *unknown_group(name, groups))


def check_served(listeners: Sequence[Listener], issuer: str, notes: Notes) -> None:
    """Tokens are served, and what resource servers need to check them."""
    served = {name for listener in listeners for name in listener.serves}
    if "token" not in served:
        remedy = 'Add serves = ["token"] to a listener that asks for certificates.'
        notes.add("listener", "no listener serves the token endpoint", remedy)
    for name in ("metadata", "jwks"):
        if name not in served:
            remedy = f'Add "{name}" to serves of a listener, or hand it to resource servers in another way.'
            notes.warn("listener", f"no listener serves {name}", remedy)
    places = [origin_of(listener.public_url) for listener in listeners if "metadata" in listener.serves]
    if places and origin_of(issuer) not in places:
        remedy = (
            f"Serve metadata there; it is served at {', '.join(places)}. Or correct public_url or issuer."
        )
        notes.warn("issuer", "no listener that serves metadata is reached there (RFC 8414 section 3)", remedy)


def check_pushing(
    listeners: Sequence[Listener], required: bool, clients: Sequence[Known], notes: Notes
) -> None:
    """Where authorization requests have to be pushed (RFC 9126), there is a place to push them to."""
    if any("par" in listener.serves for listener in listeners):
        return
    remedy = 'Add serves = ["par"] to a listener that asks for certificates.'
    if required:
        notes.at("authorization").add("require_pushed", "no listener takes pushed requests", remedy)
    for known in clients:
        if known.registration.client.require_pushed_authorization_requests:
            known.notes.add(
                "require_pushed_authorization_requests", "no listener takes pushed requests", remedy
            )


def check_trust(
    listeners: Sequence[tuple[Listener, Notes]], groups: Sequence[tuple[AnchorGroup, Notes]], pins: bool
) -> None:
    """Anchors are where they are needed.

    :param pins: whether a client of a file has pinned certificates.
    """
    for listener, notes in listeners:
        note_namesakes(listener.groups, notes)
        if listener.asks_for_certificate and not listener.groups and not pins:
            remedy = "Add [[trust_anchors]], or a client with a pinned certificate, here or in the store."
            notes.warn("client_certificate", "no certificate can be accepted here", remedy)
    used = {group.name for listener, _ in listeners for group in (*listener.groups, *listener.proxy_groups)}
    for group, notes in groups:
        if group.name not in used:
            remedy = "Name it in trust_anchors of a listener that asks for certificates, or remove it."
            notes.warn("", "no listener trusts this group", remedy)


def check_without_certificates(
    listeners: Sequence[tuple[Listener, Notes]], methods: Collection[AuthMethod]
) -> None:
    """Where no certificate is asked for, somebody authenticates in another way.

    :param methods: those of the clients of files, and those that can be registered.
    """
    if set(methods) - set(CERTIFICATE_METHODS):
        return
    for listener, notes in listeners:
        for name in CLIENT_ENDPOINTS:
            if name in listener.serves and not listener.asks_for_certificate:
                remedy = (
                    'Serve it on a listener with client_certificate = "required" or "optional", or register '
                    "a client with private_key_jwt, here or in the store."
                )
                notes.warn("serves", f'"{name}" needs certificates: no client has another method', remedy)


def check_proxies(clients: Sequence[Known], listeners: Sequence[Listener]) -> None:
    """A proxy is nobody's client: what it is known by is no client's (P28)."""
    proxies = [own.forwarding.proxies for own in listeners if own.forwarding is not None]
    for known in clients:
        if any(_is_a_proxys(known.registration.client, own) for own in proxies if own is not None):
            remedy = "Give the proxy a certificate of its own, with a name of its own."
            known.notes.add("", "is known by what a listener's proxy is known by", remedy)


def _is_a_proxys(client: Client, proxies: ClientIndex) -> bool:
    if any(proxies.by_pin(hashlib.sha256(pin).digest(), pin) for pin in client.pins):
        return True
    subject = client.subject
    return subject is not None and any(
        proxies.by_subject(group, subject.member, subject.key) for group in client.trust_anchors
    )


def check_reachable(clients: Sequence[Known], listeners: Sequence[Listener]) -> None:
    """For every client there is a listener where it can get a token."""
    trusted = {
        group.name for listener in listeners if "token" in listener.serves for group in listener.groups
    }
    for known in clients:
        client = known.registration.client
        if client.token_endpoint_auth_method == PKI and trusted.isdisjoint(client.trust_anchors):
            remedy = "Name one of its groups in trust_anchors of a listener that serves the token endpoint."
            known.notes.add("trust_anchors", "no listener with a token endpoint trusts any of them", remedy)
        if client.token_endpoint_auth_method not in CERTIFICATE_METHODS:
            _check_reachable_otherwise(known, listeners)


def _check_reachable_otherwise(known: Known, listeners: Sequence[Listener]) -> None:
    """A client that is known by no certificate may have to present one all the same: to bind tokens to."""
    client = known.registration.client
    if client.grant_types and client.tls_client_certificate_bound_access_tokens:
        if not any(own.takes_strangers for own in listeners if "token" in own.serves):
            remedy = 'Serve "token" on a listener with client_certificate = "optional".'
            message = "no token endpoint takes a certificate that nobody vouches for, to bind tokens to"
            known.notes.add("tls_client_certificate_bound_access_tokens", message, remedy)
    elif not any(
        not own.requires_certificate for own in listeners if not set(CLIENT_ENDPOINTS).isdisjoint(own.serves)
    ):
        remedy = 'Serve "token" on a listener with client_certificate = "optional" or "none".'
        message = "every listener where clients authenticate requires a certificate"
        known.notes.add("token_endpoint_auth_method", message, remedy)
