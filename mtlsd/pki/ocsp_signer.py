"""Who may sign an OCSP response for a certificate, and who did (RFC 6960 section 4.2.2.2; R42).

One of three: the CA's own key; a delegate, whose certificate comes with the response and was issued by that
same key for this purpose; or a responder that the operator configured. Everything here fails closed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final, Literal

import attrs
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from mtlsd.errors import Refusal
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.der import names_of
from mtlsd.pki.der_values import public_key_bits
from mtlsd.pki.dn import DistinguishedName
from mtlsd.pki.extensions import extensions_of
from mtlsd.pki.ocsp_message import BasicResponse
from mtlsd.pki.ocsp_refused import OcspRefused
from mtlsd.pki.signature import is_signed_by
from mtlsd.pki.usage import check_strength

OCSP_SIGNING: Final = "1.3.6.1.5.5.7.3.9"
NOCHECK: Final = "1.3.6.1.5.5.7.48.1.5"

_STRONG_HASHES: Final = frozenset({"sha256", "sha384", "sha512", None})  # EdDSA names no hash
_UNDERSTOOD: Final = frozenset(
    # key usage, subject alternative name, basic constraints, extended key usage: read, or naming nobody here
    {"2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.37", NOCHECK}
)

IsRevoked = Callable[[Certificate], bool | None]
"""Whether a delegate is revoked, by another source such as a CRL; None where nobody knows."""


@attrs.frozen
class Signer:
    """Who signed: one of the three kinds, and with which certificate."""

    kind: Literal["issuer", "configured", "delegate"]
    certificate: Certificate


@attrs.frozen
class SigningRules:
    """Who may sign for the certificates of one issuer.

    :ivar issuer: the next certificate of the path that was verified.
    :ivar configured: the operator's responders, each trusted for this issuer by its key.
    :ivar is_revoked: asked about each delegate; what it says is revoked signs nothing.
    :ivar allow_unchecked: whether a delegate without id-pkix-ocsp-nocheck counts though `is_revoked` does not
        know it. RFC 6960 section 4.2.2.2.1 leaves it to the client's policy; asking the same responder about
        itself would prove nothing.
    """

    issuer: Certificate
    configured: tuple[Certificate, ...] = ()
    is_revoked: IsRevoked = attrs.field(default=lambda _: None, eq=False)
    allow_unchecked: bool = False

    def signer_of(self, response: BasicResponse, now: datetime) -> Signer:
        """Who signed the response, and may.

        :raises OcspRefused: ocsp.responder where nobody known is the one whom the response names;
            ocsp.algorithm, ocsp.signature; ocsp.signer.* for a delegate that may not sign
        """
        refused: OcspRefused | None = None
        for candidate in self._named(response):
            try:
                self._check(candidate, now)
                _check_signature(response, candidate.certificate)
            except OcspRefused as error:
                # A signature that is wrong says less than why somebody else may not sign.
                if refused is None or refused.why == "ocsp.signature":
                    refused = error
            else:
                return candidate
        raise refused or OcspRefused("ocsp.responder", "nobody who may sign is the one that it names")

    def _named(self, response: BasicResponse) -> Iterator[Signer]:
        """Those who bear the name or key that the response gives as its responder's."""
        known = [Signer("issuer", self.issuer)]
        known += [Signer("configured", own) for own in self.configured]
        own_keys = {signer.certificate.der for signer in known}
        known += [Signer("delegate", own) for own in _read(response.certificates) if own.der not in own_keys]
        return (signer for signer in known if _is_named(signer.certificate, response))

    def _check(self, signer: Signer, now: datetime) -> None:
        certificate = signer.certificate
        try:
            check_strength(certificate)
        except Refusal:
            raise OcspRefused("ocsp.signer.weak", "its key is too short") from None
        if signer.kind == "issuer":
            return  # its path was verified, and an anchor's time is the path's business
        if not certificate.not_before <= now <= certificate.not_after:
            raise OcspRefused("ocsp.signer.expired", "its certificate is not valid now")
        if signer.kind == "delegate":
            _check_delegate(certificate, self.issuer)
            self._check_status(certificate)

    def _check_status(self, delegate: Certificate) -> None:
        revoked = self.is_revoked(delegate)
        if revoked:
            raise OcspRefused("ocsp.signer.revoked", "the delegate is revoked")
        if revoked is None and not self.allow_unchecked and NOCHECK not in extensions_of(delegate.der):
            raise OcspRefused(
                "ocsp.signer.unchecked", "whether the delegate is revoked is unknown, and it has no nocheck"
            )


def _check_delegate(delegate: Certificate, issuer: Certificate) -> None:
    """Refuse a delegate that this issuer did not appoint (RFC 6960 section 4.2.2.2).

    A CA's certificate is refused too: whoever gave its subordinate CA id-kp-OCSPSigning hardly meant that it
    may answer for its siblings.
    """
    if OCSP_SIGNING not in (delegate.extended_key_usage or ()):
        raise OcspRefused("ocsp.signer.eku", "the delegate lacks extended key usage OCSPSigning")
    if delegate.digital_signature is False:
        raise OcspRefused("ocsp.signer.ku", "the delegate's key usage lacks digitalSignature")
    if delegate.is_ca:
        raise OcspRefused("ocsp.signer.is_ca", "the delegate is a CA")
    unknown = [own.oid for own in extensions_of(delegate.der).values() if own.critical]
    if not _UNDERSTOOD.issuperset(unknown):
        raise OcspRefused("ocsp.signer.extension", "the delegate has an unknown critical extension")
    if delegate.signature_hash not in _STRONG_HASHES:
        raise OcspRefused("ocsp.signer.weak", "the delegate is signed with MD5 or SHA-1")
    if not _is_issued_by(delegate, issuer):
        raise OcspRefused("ocsp.signer.issuer", "another key issued the delegate")


def _is_issued_by(delegate: Certificate, issuer: Certificate) -> bool:
    try:
        issuing = x509.load_der_x509_certificate(issuer.der)
        x509.load_der_x509_certificate(delegate.der).verify_directly_issued_by(issuing)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _check_signature(response: BasicResponse, signer: Certificate) -> None:
    try:
        right = is_signed_by(signer, response.algorithm, response.signature, response.signed)
    except ValueError as error:
        raise OcspRefused("ocsp.algorithm", str(error)) from None
    if not right:
        raise OcspRefused("ocsp.signature", "the signature is wrong")


def _read(certificates: Sequence[bytes]) -> Iterator[Certificate]:
    """Those of the certificates sent that can be read; the others sign nothing."""
    for der in certificates:
        try:
            certificate = Certificate.from_der(der)
            extensions_of(der)
        except (Refusal, ValueError):
            continue
        yield certificate


def _is_named(certificate: Certificate, response: BasicResponse) -> bool:
    name = response.responder_name
    try:
        if name is None:
            bits = public_key_bits(certificate.der)
            return hashlib.sha1(bits, usedforsecurity=False).digest() == response.responder_key_hash
        return name == names_of(certificate.der)[1] or DistinguishedName.from_der(name).matches(
            certificate.subject
        )
    except ValueError:
        return False
