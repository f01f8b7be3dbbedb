"""From `[[client]]` to a registration."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from mtlsd.clients.client import Client
from mtlsd.clients.index import Registration
from mtlsd.clients.methods import SELF_SIGNED
from mtlsd.config.files import Files
from mtlsd.config.notes import Notes
from mtlsd.config.read import ClientEntry
from mtlsd.config.server_certificate import SOON
from mtlsd.config.text import shown
from mtlsd.errors import ConfigError, Mistake, Refusal
from mtlsd.pki.certificate import Certificate


def load_registration(entry: ClientEntry, now: datetime) -> Registration | None:
    """One client; None when it has mistakes, which are noted."""
    names = [
        *([entry.keys.certificate] if entry.keys.certificate is not None else []),
        *entry.keys.certificates,
    ]
    key = "certificates" if entry.keys.certificates else "certificate"
    if names and entry.metadata.get("token_endpoint_auth_method", SELF_SIGNED) != SELF_SIGNED:
        remedy = f"Remove it, or register the client with {SELF_SIGNED}."
        entry.notes.add(key, f"is only for {SELF_SIGNED}: other clients are known by a name", remedy)
        names = []
    pins = [pin for name in names for pin in _pins(key, name, entry)]
    try:
        client = Client.from_metadata(entry.metadata, place=entry.notes.place(), certificates=pins)
    except ConfigError as error:
        entry.notes.found.extend(_told(error.mistakes, entry.notes, follows=len(pins) < len(names)))
        return None
    _check_times(client, now, entry.notes)
    return Registration(client, entry.notes.file)


def _pins(key: str, name: str, entry: ClientEntry) -> list[bytes]:
    found = Files(entry.directory, entry.notes).certificates(key, name)
    if len(found) > 1:
        # A chain would pin the CA's certificate as if it were a client's
        remedy = "Give the client's own certificate alone, each one in a file of its own."
        entry.notes.add(key, f"{shown(name)} has {len(found)} certificates", remedy)
        return []
    return [certificate.der for certificate in found]


def _told(mistakes: Iterable[Mistake], notes: Notes, *, follows: bool) -> Iterable[Mistake]:
    """Leave out that no certificate is registered when that follows from a file that cannot be read."""
    return (mistake for mistake in mistakes if not (follows and mistake.place == notes.place("jwks")))


def _check_times(client: Client, now: datetime, notes: Notes) -> None:
    for pin in client.pins:
        try:
            certificate = Certificate.from_der(pin)
        except Refusal as refusal:
            detail = refusal.facts.get("detail", "")
            notes.add("jwks", f"a certificate cannot be read: {detail}", "Register another one.")
            continue
        check_end("jwks", certificate, now, notes)


def check_end(key: str, certificate: Certificate, now: datetime, notes: Notes) -> None:
    """Warn of a pinned certificate that has expired, or soon will."""
    until = f"{certificate.not_after:%Y-%m-%d}"
    if certificate.not_after < now:
        notes.warn(key, f"a certificate expired on {until}", "Remove it, and register its successor.")
    elif certificate.not_after < now + SOON:
        notes.warn(key, f"a certificate expires on {until}", "Register its successor beside it.")
