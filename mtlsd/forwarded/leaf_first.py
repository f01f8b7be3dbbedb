"""A leaf and its chain in one field, and nothing but their order to tell which is which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from mtlsd.errors import Refusal
from mtlsd.forwarded.forwarded import ForwardedCertificate
from mtlsd.pki.certificate import Certificate

_MOST_VERIFIED: Final = 12
"""Signatures of one chain: enough for four certificates in any order, and for ten in theirs. Whoever makes up
certificates chooses what each of them costs."""


def leaf_first(certificates: Sequence[bytes]) -> ForwardedCertificate:
    """The first is the client's, and the others stand above it, in any order.

    Where somebody on the way joins two fields of one name, what a client has made up and what the proxy then
    says of it look like one client's leaf and chain, and the made up leaf comes first. So each of the others
    must have signed the leaf, or one that has: names and CA flags anybody can have.

    :param certificates: DER, at least one.
    :raises ValueError: where one of them has not.
    """
    leaf, *chain = certificates
    if len(chain) == chain.count(leaf):
        return ForwardedCertificate(leaf, tuple(chain))
    above = list(filter(None, [_read(leaf)]))
    left = [_read(other) for other in dict.fromkeys(chain) if other != leaf]
    verified = 0
    for own in above:  # which grows
        for other in tuple(left):
            if other is None or not _has_its_name(other, own):
                continue
            verified += 1
            if verified > _MOST_VERIFIED:
                raise ValueError("has certificates in an order in which no client sends them")
            if _has_signed(other, own):
                left.remove(other)
                above.append(other)
    if left:
        raise ValueError("has certificates that are not above the first: two fields may have been joined")
    return ForwardedCertificate(leaf, tuple(chain))


def _read(der: bytes) -> x509.Certificate | None:
    """None where it cannot be read."""
    try:
        Certificate.from_der(der)  # `cryptography` has many ways to fail, and at any time
        return x509.load_der_x509_certificate(der)
    except (Refusal, UnsupportedAlgorithm, ValueError, TypeError):
        return None


def _has_its_name(issuer: x509.Certificate, own: x509.Certificate) -> bool:
    try:
        return issuer.subject == own.issuer
    except ValueError:
        return False


def _has_signed(issuer: x509.Certificate, own: x509.Certificate) -> bool:
    try:
        own.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True
