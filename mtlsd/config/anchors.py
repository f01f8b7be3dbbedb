"""Trust anchor groups: reading them, and what is often wrong with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509

from mtlsd.config.document import TrustAnchorsTable
from mtlsd.config.files import Files
from mtlsd.config.notes import Notes
from mtlsd.config.read import Entry
from mtlsd.config.text import check_names
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.path import AnchorGroup


def load_groups(
    entries: Sequence[Entry[TrustAnchorsTable]], directory: Path, now: datetime
) -> dict[str, AnchorGroup]:
    """The groups by name. A group with mistakes is there too, so that its name counts as known."""
    check_names((entry.table.name, entry.notes) for entry in entries)
    groups: dict[str, AnchorGroup] = {}
    homes: dict[bytes, str] = {}
    for entry in entries:
        group = _load_group(entry, directory, now)
        _note_twice(group, homes, entry.notes)
        groups.setdefault(group.name, group)
    return groups


def _load_group(entry: Entry[TrustAnchorsTable], directory: Path, now: datetime) -> AnchorGroup:
    table, notes = entry.table, entry.notes
    if not table.certificates:
        notes.add("certificates", "is empty", "Name the PEM file of at least one trust anchor.")
    files = Files(directory, notes)
    anchors = _read(files, "certificates", table.certificates, now)
    intermediates = _read(files, "intermediates", table.intermediates, now)
    return AnchorGroup(table.name, anchors, intermediates)


def _read(files: Files, key: str, names: Iterable[str], now: datetime) -> tuple[Certificate, ...]:
    found: dict[Certificate, None] = {}
    for name in names:
        for certificate in files.certificates(key, name):
            _check_ca(key, certificate, now, files.notes)
            if certificate in found:
                remedy = "Remove one of them."
                files.notes.warn(key, f"the certificate of {_name(certificate)} is there twice", remedy)
            found[certificate] = None
    return tuple(found)


def _check_ca(key: str, certificate: Certificate, now: datetime, notes: Notes) -> None:
    name = _name(certificate)
    if certificate.version == 1 and certificate.self_signed:
        # A root older than basic constraints. OpenSSL takes it, where it is not told to be strict.
        notes.warn(
            key, f"{name} is a root of X.509 version 1", "Listeners that trust it want x509_strict = false."
        )
    elif not certificate.is_ca:
        remedy = "Name the CA that issued it, or register it with self_signed_tls_client_auth."
        notes.add(key, f"{name} is not a CA's certificate", remedy)
    if certificate.not_after < now:
        remedy = "Replace it: every certificate under it is refused."
        notes.warn(key, f"{name} expired on {certificate.not_after:%Y-%m-%d}", remedy)


def _note_twice(group: AnchorGroup, homes: dict[bytes, str], notes: Notes) -> None:
    """One anchor in two groups makes two names for one trust."""
    for anchor in group.anchors:
        other = homes.setdefault(anchor.key_sha256, group.name)
        if other != group.name:
            remedy = "It vouches for clients of both. Keep it in one of them if that is not meant."
            notes.warn("certificates", f"{_name(anchor)} is an anchor of {other} too", remedy)


def note_namesakes(groups: Sequence[AnchorGroup], notes: Notes) -> None:
    """Say where OpenSSL's answer depends on the order of the anchors of one listener."""
    by_name: Mapping[object, dict[bytes, Certificate]] = defaultdict(dict)
    for group in groups:
        for anchor in group.anchors:
            if anchor.subject.key is not None:
                by_name[anchor.subject.key][anchor.key_sha256] = anchor
    for anchors in by_name.values():
        if len(anchors) > 1 and not all(map(_has_key_identifier, anchors.values())):
            name = _name(next(iter(anchors.values())))
            remedy = "Put the groups on different listeners, or have the anchors made with key identifiers."
            notes.warn("trust_anchors", f"nothing tells two anchors called {name} apart", remedy)


def _has_key_identifier(certificate: Certificate) -> bool:
    extensions = x509.load_der_x509_certificate(certificate.der).extensions
    return any(isinstance(extension.value, x509.SubjectKeyIdentifier) for extension in extensions)


def _name(certificate: Certificate) -> str:
    return certificate.subject.to_string() or f"serial number {certificate.serial_number:x}"
