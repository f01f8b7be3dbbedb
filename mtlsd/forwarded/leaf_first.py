"""A leaf and its chain in one field, and nothing but their order to tell which is which."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from mtlsd.errors import Refusal
from mtlsd.forwarded.forwarded import ForwardedCertificate
from mtlsd.pki.certificate import Certificate


def leaf_first(certificates: Sequence[bytes]) -> ForwardedCertificate:
    """The first is the client's, and the others stand above it, in any order.

    Where somebody on the way joins two fields of one name, what a client has made up and what the proxy then
    says of it look like one client's leaf and chain, and the made up leaf comes first. So each of the others
    must have signed the leaf, or one that has: names and CA flags anybody can have.

    :param certificates: DER, at least one.
    :raises ValueError: where one of them has not.
    """
    leaf, *chain = certificates
    above = [leaf]
    left = [other for other in chain if other != leaf]
    for own in above:  # which grows
        issuers = [other for other in left if _is_issued_by(own, other)]
        left = [other for other in left if other not in issuers]
        above += issuers
    if left:
        raise ValueError("has certificates that are not above the first: two fields may have been joined")
    return ForwardedCertificate(leaf, tuple(chain))


def _is_issued_by(der: bytes, issuer: bytes) -> bool:
    try:
        for each in (der, issuer):
            Certificate.from_der(each)  # `cryptography` has many ways to fail, and at any time
        x509.load_der_x509_certificate(der).verify_directly_issued_by(x509.load_der_x509_certificate(issuer))
    except (Refusal, InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True
