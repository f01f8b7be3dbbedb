"""Whether a revocation list speaks about a certificate (RFC 5280 §6.3.3 steps a, b and d)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from mtlsd.pki.certificate import Certificate
from mtlsd.pki.crl import CertificateList
from mtlsd.pki.distribution_points import (
    ALL_REASONS,
    DistributionPoint,
    GeneralName,
    IssuingDistributionPoint,
    PointName,
)
from mtlsd.pki.path import Path

_DIRECTORY_NAME: Final = 0xA4
_NO_REASONS: Final[frozenset[int]] = frozenset()


def points_of(certificate: Certificate) -> tuple[DistributionPoint, ...]:
    """Where the certificate says that its lists are, and then the list that its issuer may always give."""
    name = GeneralName(_DIRECTORY_NAME, b"", certificate.issuer)
    return (*certificate.crl_distribution_points, DistributionPoint(name=PointName(full=(name,))))


def covered_reasons(
    described: CertificateList, certificate: Certificate, point: DistributionPoint
) -> frozenset[int]:
    """The reasons for a revocation that the list tells of; none where it is not about the certificate.

    :param point: one of :func:`points_of` that certificate.
    """
    scope = described.scope or IssuingDistributionPoint()
    if not _issuer_fits(described, certificate, point, scope):
        return _NO_REASONS
    ours = None if scope.name is None else scope.name.keys(described.issuer)
    if ours is not None and ours.isdisjoint(point_keys(certificate, point)):
        return _NO_REASONS
    if not _kind_fits(scope, certificate):
        return _NO_REASONS
    return point.reasons if scope.reasons is None else point.reasons & scope.reasons


def point_keys(certificate: Certificate, point: DistributionPoint) -> frozenset[Hashable]:
    """The names of a distribution point; a list that has a name itself must have one of them."""
    if point.name is None:
        return frozenset(name.key for name in point.crl_issuer if name.key is not None)
    # A relative name continues one name; with several it must not be used (RFC 5280 §4.2.1.13).
    issuers = point.crl_issuer or (certificate.issuer,)
    return point.name.keys(issuers[0] if len(issuers) == 1 else None)


def is_direct(described: CertificateList, certificate: Certificate) -> bool:
    """Whether the list's issuer is the certificate's."""
    return described.issuer.matches(certificate.issuer)


def is_vouched(signer: Certificate, issuer: Path) -> bool:
    """Whether the certificate's own path already vouches for the key that signed the list.

    :param issuer: the path of the certificate's issuer.
    """
    return any(
        own.key_sha256 == signer.key_sha256
        and own.crl_sign is not False
        and own.subject.matches(signer.subject)
        for own in issuer.certificates
    )


def is_related(signer: Path, issuer: Path) -> bool:
    """Whether the list's signer and the certificate's issuer, who share a name, are one authority.

    RFC 5280 asks for one name and one trust anchor, so that any CA below that anchor which can issue to
    another's name could also revoke for it. Here they must have one key, or one must have issued the other,
    or one key must have issued both: key rollover and separate keys for lists are that.
    """
    above = {own.key_sha256 for own in issuer.certificates[:2]}
    return any(own.key_sha256 in above for own in signer.certificates[:2])


def _issuer_fits(
    described: CertificateList,
    certificate: Certificate,
    point: DistributionPoint,
    scope: IssuingDistributionPoint,
) -> bool:
    if point.crl_issuer:
        return scope.indirect and any(name.matches(described.issuer) for name in point.crl_issuer)
    return is_direct(described, certificate)


def _kind_fits(scope: IssuingDistributionPoint, certificate: Certificate) -> bool:
    if scope.only_attribute:
        return False
    return not (scope.only_user if certificate.is_ca else scope.only_ca)


def is_complete(reasons: frozenset[int]) -> bool:
    return reasons >= ALL_REASONS
