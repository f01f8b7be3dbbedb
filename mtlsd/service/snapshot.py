"""From a configuration and the clients of the store to what the judge reads: pure composition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from mtlsd.clients.client import Client
from mtlsd.clients.fapi import fapi2_mistakes
from mtlsd.clients.fetched import Published, with_published
from mtlsd.clients.index import ClientIndex, Registration
from mtlsd.config.model import Config, Listener
from mtlsd.errors import ConfigError, Mistake
from mtlsd.jose.verification import VerificationKey
from mtlsd.judge import ListenerTrust, NothingKnown, Snapshot
from mtlsd.pki.revocation_check import Known
from mtlsd.verdicts import Judge

STORE = "store"
NOTHING_PUBLISHED: Mapping[str, Sequence[Published]] = MappingProxyType({})
NO_KEYS: Mapping[str, Sequence[VerificationKey]] = MappingProxyType({})
NOTHING_KNOWN: Known = NothingKnown()


def registrations(config: Config, stored: Iterable[Client]) -> tuple[Registration, ...]:
    """All clients: those of the files and those of the store."""
    return (*config.registrations, *(Registration(client, STORE) for client in stored))


def client_index(
    config: Config,
    stored: Iterable[Client],
    published: Mapping[str, Sequence[Published]] = NOTHING_PUBLISHED,
    keys: Mapping[str, Sequence[VerificationKey]] = NO_KEYS,
) -> ClientIndex:
    """All clients, those with a `jwks_uri` with the certificates that they publish.

    :param published: by `jwks_uri`.
    :param keys: for assertions, by `jwks_uri`.
    :raises ConfigError: when two of them claim the same name or certificate, or one of the store names an
        anchor group that the configuration does not have, or contradicts its profile. What is published
        never does that.
    """
    registered = with_published(registrations(config, stored), published, keys).registrations
    anchor_keys = {group.name: [anchor.key_sha256 for anchor in group.anchors] for group in config.groups}
    _check_groups(registered, anchor_keys)
    if config.is_fapi2:
        _check_fapi2(registered)
    return ClientIndex.build(registered, anchor_keys)


def _check_groups(registrations: Iterable[Registration], groups: Mapping[str, object]) -> None:
    mistakes = [
        Mistake(
            f"{registration.origin}: client.{registration.client.client_id}.trust_anchors",
            f"there is no trust anchor group {name!r}",
            f"Use one of: {', '.join(groups) or 'none is configured'}.",
        )
        for registration in registrations
        for name in registration.client.trust_anchors
        if name not in groups
    ]
    if mistakes:
        raise ConfigError(tuple(mistakes))


def _check_fapi2(registrations: Iterable[Registration]) -> None:
    mistakes = [
        mistake
        for registration in registrations
        for mistake in fapi2_mistakes(
            registration.client, f"{registration.origin}: client.{registration.client.client_id}"
        )
    ]
    if mistakes:
        raise ConfigError(tuple(mistakes))


def snapshot(
    config: Config,
    stored: Iterable[Client],
    published: Mapping[str, Sequence[Published]] = NOTHING_PUBLISHED,
    revocation: Known = NOTHING_KNOWN,
    keys: Mapping[str, Sequence[VerificationKey]] = NO_KEYS,
) -> Snapshot:
    """What the judge reads.

    :param published: as for :func:`client_index`, as are the keys.
    :param revocation: what is known about it.
    :raises ConfigError: as :func:`client_index` does.
    """
    trust = {
        listener.name: ListenerTrust.from_groups(listener.groups, listener.x509_strict)
        for listener in config.listeners
        if listener.asks_for_certificate
    }
    return Snapshot(client_index(config, stored, published, keys), trust, revocation)


def proxy_judge(listener: Listener, revocation: Known) -> Judge | None:
    """What says whether a certificate is that of the listener's proxy; None where it need not present one.

    Proxies are no clients: this judge knows of none of them, and the clients' of no proxy.
    """
    forwarding = listener.forwarding
    if forwarding is None or forwarding.proxies is None:
        return None
    trust = ListenerTrust.from_groups(forwarding.proxy_groups, listener.x509_strict)
    return Judge(Snapshot(forwarding.proxies, {listener.name: trust}, revocation))
