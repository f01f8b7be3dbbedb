"""OpenSSL's verify errors as reasons of ours, and the TLS alerts that they make OpenSSL send.

The numbers are those of ``openssl/x509_vfy.h`` in OpenSSL 4.0 (0 to 103). The alerts are those of
``ssl_x509err2alert`` in its ``ssl/statem/statem_lib.c``; RFC 8446 section 6.2 says what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from OpenSSL._util import ffi, lib

from mtlsd import reasons
from mtlsd.errors import Fact, Reason, Refusal
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.usage import check_client_usage

_INVALID_PURPOSE = 26
_INVALID_CA = 79


def _table(*rows: tuple[Reason, Reason, tuple[int, ...]]) -> Mapping[int, tuple[Reason, Reason]]:
    return MappingProxyType({number: (leaf, ca) for leaf, ca, numbers in rows for number in numbers})


def _everywhere(reason: Reason, *numbers: int) -> tuple[Reason, Reason, tuple[int, ...]]:
    return reason, reason, numbers


_REASONS: Mapping[int, tuple[Reason, Reason]] = _table(
    # what is said of the leaf (depth 0), what is said of a CA above it, the numbers of X509_V_ERR_*
    (reasons.CERTIFICATE_NOT_YET_VALID, reasons.CHAIN_NOT_YET_VALID, (9,)),
    (reasons.CERTIFICATE_EXPIRED, reasons.CHAIN_EXPIRED, (10,)),
    (reasons.CERTIFICATE_EKU, reasons.CHAIN_PURPOSE, (_INVALID_PURPOSE,)),
    (reasons.CERTIFICATE_KU, reasons.CHAIN_PURPOSE, (39,)),
    (reasons.CERTIFICATE_WEAK, reasons.CHAIN_WEAK, (66,)),
    _everywhere(reasons.CERTIFICATE_MALFORMED, 13, 14, 41, 94),
    # no issuer, only a wrong one, or only self-signed ones that nobody configured
    _everywhere(reasons.CHAIN_UNTRUSTED, 2, 18, 19, 20, 21, 27, 29, 30, 31, 65, 95),
    _everywhere(reasons.CHAIN_SIGNATURE, 7, 77),
    _everywhere(reasons.CHAIN_TOO_LONG, 22, 25, 38),
    _everywhere(reasons.CHAIN_NOT_CA, 37, 40, _INVALID_CA),
    _everywhere(reasons.CHAIN_PURPOSE, 32),
    _everywhere(reasons.CHAIN_CRITICAL_EXTENSION, 34),
    _everywhere(reasons.CHAIN_POLICY, 42, 43),
    _everywhere(reasons.CHAIN_NAME_CONSTRAINTS, 47, 48, 49, 51, 52, 53),
    _everywhere(reasons.CHAIN_WEAK, 56, 57, 58, 59, 60, 61, 67, 68),
    _everywhere(reasons.CHAIN_STRICT, 78, *range(80, 94), 102, 103),
)

_ALERTS: Mapping[int, str] = MappingProxyType(
    {
        number: alert
        for alert, numbers in (
            ("internal_error", (1, 17, 69, 70)),
            ("bad_certificate", (4, 5, 6, 9, 11, 13, 14, 15, 16, 27, 28, 62, 63, 64, 65, 66, 67, 68, 94)),
            ("unsupported_certificate", (_INVALID_PURPOSE,)),
            ("certificate_revoked", (23,)),
            ("certificate_expired", (10, 12)),
            ("unknown_ca", (2, 3, 18, 19, 20, 21, 22, 25, 33, _INVALID_CA)),
            ("decrypt_error", (7, 8)),
            ("handshake_failure", (50,)),
        )
        for number in numbers
    }
)


def alert_for(verify_error: int) -> str:
    """The TLS alert that OpenSSL sends for an X509_V_ERR number, by its name in RFC 8446 section 6."""
    return _ALERTS.get(verify_error, "certificate_unknown")


def verify_message(verify_error: int) -> str:
    """OpenSSL's own words for an X509_V_ERR number."""
    return str(ffi.string(lib.X509_verify_cert_error_string(verify_error)).decode("ascii", "replace"))


def forget_openssl_errors() -> None:
    """Empty OpenSSL's error queue of this thread.

    A refused path leaves its errors there, and the next SSL_read of *another* connection would take them
    for its own and end that connection.
    """
    lib.ERR_clear_error()


def refusal_for(verify_error: int, depth: int, certificate: Certificate | None) -> Refusal:
    """The refusal for what OpenSSL found wrong with a path.

    :param verify_error: an X509_V_ERR number; one that this table does not know gives ``chain.invalid``.
    :param depth: where in the path: 0 is the leaf, 1 the CA that issued it.
    :param certificate: the certificate at that depth, where it is known and can be read.
    """
    at_leaf, above = _REASONS.get(verify_error, (reasons.CHAIN_INVALID, reasons.CHAIN_INVALID))
    reason = at_leaf if depth == 0 else above
    said = verify_message(verify_error)
    facts: dict[str, Fact] = {"verify_error": verify_error, "verify_message": said, "depth": depth}
    facts |= {"expected": "a path to a trust anchor", "seen": said}
    if certificate is None:
        return Refusal(reason, facts)
    facts |= certificate.facts()
    if verify_error == _INVALID_PURPOSE and depth == 0:
        try:
            check_client_usage(certificate)
        except Refusal as refusal:
            return Refusal(refusal.reason, {**facts, **refusal.facts})
    if verify_error == _INVALID_CA and certificate.is_ca:
        reason = reasons.CHAIN_PURPOSE  # CA:TRUE, but its key usage lacks keyCertSign
    return Refusal(reason, facts | _seen_times(reason, certificate))


def _seen_times(reason: Reason, certificate: Certificate) -> dict[str, Fact]:
    if reason in (reasons.CERTIFICATE_EXPIRED, reasons.CHAIN_EXPIRED):
        return {"expected": "a notAfter in the future", "seen": certificate.not_after.isoformat()}
    if reason in (reasons.CERTIFICATE_NOT_YET_VALID, reasons.CHAIN_NOT_YET_VALID):
        return {"expected": "a notBefore in the past", "seen": certificate.not_before.isoformat()}
    return {}
