"""Whether what a certificate proves is the client that somebody says he is."""

from __future__ import annotations

from mtlsd import reasons
from mtlsd.clients.client import Client
from mtlsd.errors import Fact, Reason, Refusal
from mtlsd.judge.values import Identity
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.dn import DistinguishedName

# How many names of a certificate a message shows: one can have thousands.
_SHOWN = 8


def seen_names(certificate: Certificate) -> list[str]:
    """The certificate's names for people: the subject, then the first SANs."""
    sans = [f"{name.kind}:{name.value}" for name in certificate.subject_alt_names]
    more = [f"and {len(sans) - _SHOWN} more"] if len(sans) > _SHOWN else []
    return [certificate.subject.to_string(), *sans[:_SHOWN], *more]


def match_client(identity: Identity, client: Client) -> Refusal | None:
    """Whether the identity is this client's: None when it is, else why not (R2, R3)."""
    if client.disabled:
        return Refusal(reasons.CLIENT_DISABLED, {"disabled": client.client_id})
    if identity.clients.get(client.client_id) == client.token_endpoint_auth_method:
        return None
    if client.subject is None:
        return _mismatch(reasons.PIN_MISMATCH, "one of the registered certificates", identity)
    expected = f"{client.subject.member} {client.subject.text}"
    name = client.subject.name
    if isinstance(name, DistinguishedName) and name.is_reversed_of(identity.certificate.subject):
        expected += " (the certificate has it in reversed order)"
    if not set(client.trust_anchors) & set(identity.groups):
        expected += f", vouched for by {' or '.join(client.trust_anchors)}"
    return _mismatch(reasons.SUBJECT_MISMATCH, expected, identity)


def _mismatch(reason: Reason, expected: str, identity: Identity) -> Refusal:
    facts: dict[str, Fact] = {
        "expected": expected,
        "seen": seen_names(identity.certificate),
        "trust_anchors": identity.groups,
        "x5t#S256": identity.certificate.x5t_s256,
    }
    return Refusal(reason, facts)
