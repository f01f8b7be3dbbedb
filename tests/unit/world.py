"""A configured little world for unit tests: the test PKI as one anchor group, and its clients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mtlsd.clients.client import Client
from mtlsd.clients.index import ClientIndex, Registration
from mtlsd.judge import ListenerTrust, PresentedCertificate, Snapshot
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.path import AnchorGroup
from tests.pki import DNS, EMAIL, IP, NOW, SUBJECT, URI, Pki, Presented

LISTENER = "mtls"
PARTNERS = "partners"

SUBJECTS = {
    "by-dn": ("tls_client_auth_subject_dn", SUBJECT),
    "by-dns": ("tls_client_auth_san_dns", DNS),
    "by-uri": ("tls_client_auth_san_uri", URI),
    "by-ip": ("tls_client_auth_san_ip", IP),
    "by-email": ("tls_client_auth_san_email", EMAIL),
}


def client(client_id: str, certificates: Iterable[bytes] = (), **metadata: Any) -> Client:
    """A client of the group `partners`, or a pinned one where certificates are given."""
    pins = list(certificates)
    if pins:
        metadata.setdefault("token_endpoint_auth_method", "self_signed_tls_client_auth")
    else:
        metadata = {"token_endpoint_auth_method": "tls_client_auth", "trust_anchors": [PARTNERS], **metadata}
    return Client.from_metadata({"client_id": client_id, **metadata}, place="test", certificates=pins)


def honest_clients(pki: Pki) -> list[Client]:
    """One client for each kind of name, and one for each pin."""
    named = []
    for client_id, (member, text) in SUBJECTS.items():
        metadata: dict[str, Any] = {member: text}
        named.append(client(client_id, **metadata))
    return named + [client(f"pinned-{number}", [pin]) for number, pin in enumerate(pki.pins)]


def group(name: str, anchors: Iterable[bytes], intermediates: Iterable[bytes] = ()) -> AnchorGroup:
    return AnchorGroup(
        name, tuple(map(Certificate.from_der, anchors)), tuple(map(Certificate.from_der, intermediates))
    )


def snapshot(clients: Iterable[Client], *groups: AnchorGroup, strict: bool = True) -> Snapshot:
    """One listener that trusts all of the groups."""
    index = ClientIndex.build(
        [Registration(own, "test") for own in clients],
        {own.name: [anchor.key_sha256 for anchor in own.anchors] for own in groups},
    )
    return Snapshot(index, {LISTENER: ListenerTrust.from_groups(groups, strict)})


def honest_snapshot(pki: Pki) -> Snapshot:
    return snapshot(honest_clients(pki), group(PARTNERS, pki.anchors))


def offline(presented: Presented) -> PresentedCertificate:
    return PresentedCertificate(presented.leaf, presented.chain, LISTENER, "offline")


__all__ = ["NOW"]
