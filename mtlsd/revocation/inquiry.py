"""What is asked of OCSP responders: about one certificate below one issuer, for one group of anchors."""

from __future__ import annotations

from datetime import datetime
from typing import Self

import attrs

from mtlsd.errors import Fact
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.ocsp import OcspPolicy
from mtlsd.pki.ocsp_request import CertId
from mtlsd.pki.path import AnchorGroup
from mtlsd.pki.revocation import RevocationPolicy


@attrs.frozen
class Key:
    """Which certificate is meant, below which key, for which group.

    The certificate itself and not its serial number: two CAs may share a key, and then number apart.
    """

    group: str
    certificate: bytes
    issuer_key: bytes

    @classmethod
    def of(cls, group: str, certificate: Certificate, issuer: Certificate) -> Self:
        return cls(group, certificate.sha256, issuer.key_sha256)


@attrs.frozen(eq=False)
class Inquiry:
    """One question, with all that is needed to ask it again later.

    :ivar urls: of the responders, the first asked first; none where nobody can be asked.
    :ivar by_operator: whether the operator wrote the URL, and not who made the certificate.
    :ivar issuers: from the certificate's issuer up to the anchor, as far as they are known.
    :ivar facts: the certificate's, for the audit log.
    """

    key: Key
    policy: RevocationPolicy
    cert_id: CertId
    urls: tuple[str, ...]
    by_operator: bool
    issuers: tuple[Certificate, ...]
    facts: dict[str, Fact]
    not_after: datetime

    @classmethod
    def of(cls, group: AnchorGroup, certificate: Certificate, issuers: tuple[Certificate, ...]) -> Self:
        """About a certificate of a path that was verified.

        :param group: with a revocation policy.
        """
        policy = group.revocation
        assert policy is not None
        return cls(
            key=Key.of(group.name, certificate, issuers[0]),
            policy=policy,
            cert_id=CertId.of(certificate, issuers[0]),
            urls=urls_of(policy, certificate),
            by_operator=policy.ocsp_url is not None,
            issuers=issuers,
            facts=certificate.facts(),
            not_after=certificate.not_after,
        )

    @property
    def ocsp_policy(self) -> OcspPolicy:
        return OcspPolicy(max_age=self.policy.max_age, require_nonce=self.policy.require_nonce)


def urls_of(policy: RevocationPolicy, certificate: Certificate) -> tuple[str, ...]:
    """The responders for a certificate: the operator's, or those that it names."""
    if "ocsp" not in policy.order:
        return ()
    return certificate.ocsp_urls if policy.ocsp_url is None else (policy.ocsp_url,)
