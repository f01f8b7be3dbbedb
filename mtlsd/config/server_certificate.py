"""The certificate that a listener shows to clients."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mtlsd.config.files import Files
from mtlsd.config.model import Credential, PrivateKey
from mtlsd.config.notes import Notes
from mtlsd.pki.certificate import Certificate

SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
ANY_EXTENDED_KEY_USAGE = "2.5.29.37.0"
SOON = timedelta(days=30)
_SMALLEST_KEY = {"RSA": 2048, "EC": 256, "Ed25519": 256}


def load_credential(
    certificate: str, key: str, directory: Path, now: datetime, notes: Notes
) -> Credential | None:
    """Read chain and key; None when they cannot serve, which is noted."""
    files = Files(directory, notes)
    chain = files.certificates("certificate", certificate)
    private_key = files.private_key("key", key)
    if chain:
        _check_times(chain, now, notes)
        _check_usable(chain[0], notes)
        _check_order(chain, notes)
    if not chain or private_key is None or not _fits(chain, private_key, notes):
        return None
    return Credential(chain, private_key)


def check_hosts(certificate: Certificate, hosts: Iterable[str], notes: Notes) -> None:
    """Warn of names under which clients come and that the certificate does not have (RFC 9525)."""
    names = [name for name in certificate.subject_alt_names if name.kind in ("dns", "ip")]
    if not names:
        remedy = "Have it issued with subjectAltName; clients no longer look at CN."
        notes.warn("certificate", "has no name of a server", remedy)
        return
    patterns = {name.value.lower() for name in names}
    for host in dict.fromkeys(hosts):
        if not _covers(patterns, host):
            remedy = "Have it issued for that name, or correct issuer or public_url."
            notes.warn("certificate", f"does not have the name {host}, under which clients come", remedy)


def _covers(patterns: set[str], host: str) -> bool:
    if host in patterns or "*." + host.partition(".")[2] in patterns:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(_address(pattern) == address for pattern in patterns)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _check_times(chain: Sequence[Certificate], now: datetime, notes: Notes) -> None:
    for position, certificate in enumerate(chain, 1):
        which = "the server certificate" if position == 1 else f"certificate {position} of the chain"
        until = f"{certificate.not_after:%Y-%m-%d}"
        if certificate.not_after < now:
            notes.add("certificate", f"{which} expired on {until}", "Renew it.")
        elif certificate.not_after < now + SOON:
            notes.warn(
                "certificate", f"{which} expires on {certificate.not_after:%Y-%m-%d}", "Renew it soon."
            )
        if certificate.not_before > now:
            # Time mends it, and on a machine whose clock is wrong at boot so does NTP
            since = f"{certificate.not_before:%Y-%m-%d %H:%M} UTC"
            notes.warn("certificate", f"{which} is valid from {since} on", "Check the clock, or wait.")


def _check_usable(leaf: Certificate, notes: Notes) -> None:
    usages = leaf.extended_key_usage
    if usages is not None and not usages & {SERVER_AUTH, ANY_EXTENDED_KEY_USAGE}:
        remedy = "Have it issued with extended key usage serverAuth."
        notes.add("certificate", "is not for servers: its extended key usage has no serverAuth", remedy)
    smallest = _SMALLEST_KEY.get(leaf.key_type)
    if smallest is None:
        remedy = "Have it issued for a key of kind EC P-256, RSA or Ed25519."
        notes.add("certificate", f"has a key of kind {leaf.key_type}", remedy)
    elif leaf.key_bits < smallest:
        remedy = f"Have it issued for an {leaf.key_type} key of at least {smallest} bits."
        notes.add("certificate", f"has an {leaf.key_type} key of {leaf.key_bits} bits", remedy)
    if leaf.signature_hash in ("md5", "sha1"):
        notes.add("certificate", f"is signed with {leaf.signature_hash}", "Have it issued with SHA-256.")


def _check_order(chain: Sequence[Certificate], notes: Notes) -> None:
    for position, (certificate, issuer) in enumerate(pairwise(chain), 2):
        if certificate.issuer.key != issuer.subject.key:
            message = f"certificate {position} of the chain did not issue the one before it"
            notes.warn("certificate", message, "Put the server certificate first and each issuer after it.")


def _fits(chain: Sequence[Certificate], key: PrivateKey, notes: Notes) -> bool:
    digest = Hash(SHA256())
    digest.update(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    owners = [certificate.key_sha256 for certificate in chain]
    key_sha256 = digest.finalize()
    if owners[0] == key_sha256:
        return True
    if key_sha256 in owners:
        remedy = "Put the server certificate first in the file of the chain."
        notes.add(
            "key", f"fits certificate {owners.index(key_sha256) + 1} of the chain, not the first", remedy
        )
    else:
        remedy = "Name the key that the certificate was issued for; after a renewal, replace both files."
        notes.add("key", "does not fit the certificate", remedy)
    return False
