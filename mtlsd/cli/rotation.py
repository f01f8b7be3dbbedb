"""The certificates of one client, as `mtlsd client show` shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from mtlsd.cli.common import opened_store, print_table, result_of
from mtlsd.clients.client import Client
from mtlsd.clients.rotation import KnownCertificate, Origin, rotation_of
from mtlsd.clients.sightings import Sighting
from mtlsd.config.model import Config
from mtlsd.ops.audit import utc_now
from mtlsd.pki.certificate import Certificate


def certificates_of(client: Client, config: Config) -> tuple[KnownCertificate, ...]:
    """Those that are registered, published or were seen.

    :param client: with the certificates that it publishes as its pins.
    """
    origin: Origin = "registered" if client.jwks_uri is None else "published"
    pins = [Certificate.from_der(pin) for pin in client.pins]
    return rotation_of(pins, origin, _sightings(config, client.client_id), utc_now())


def certificate_documents(certificates: Sequence[KnownCertificate]) -> list[dict[str, Any]]:
    """As JSON."""
    return [
        {
            "x5t#S256": own.x5t_s256,
            "subject": own.subject,
            "not_before": own.not_before.isoformat(),
            "not_after": own.not_after.isoformat(),
            "origin": own.origin,
            "first_seen_at": None if own.first_seen_at is None else own.first_seen_at.isoformat(),
            "last_seen_at": None if own.last_seen_at is None else own.last_seen_at.isoformat(),
            "standing": own.standing or None,
        }
        for own in certificates
    ]


def print_certificates(certificates: Sequence[KnownCertificate]) -> None:
    """As a table; nothing where there are none."""
    rows = [("CERTIFICATE", "STANDING", "FROM", "UNTIL", "FIRST SEEN", "LAST SEEN", "SUBJECT")]
    for own in certificates:
        until = f"{own.not_after:%Y-%m-%d}"
        seen = _shown(own.first_seen_at), _shown(own.last_seen_at)
        rows.append((own.x5t_s256, own.standing or "-", own.origin, until, *seen, own.subject))
    if certificates:
        print_table(rows)


def _shown(instant: datetime | None) -> str:
    return "never" if instant is None else f"{instant:%Y-%m-%d %H:%M}"


def _sightings(config: Config, client_id: str) -> tuple[Sighting, ...]:
    """None where there is no store yet, and none is made."""
    if not config.store.exists():
        return ()
    with opened_store(config) as store:
        return result_of(store.sightings(client_id))
