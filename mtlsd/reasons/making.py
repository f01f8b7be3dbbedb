"""What reasons have in common. The alert named in a comment is the one that OpenSSL sends for that X509_V_ERR
number (``ssl_x509err2alert``).
"""

from __future__ import annotations

from mtlsd.errors import Reason

UNKNOWN_CA = 19  # X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN -> unknown_ca
EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED -> certificate_expired
BAD = 28  # X509_V_ERR_CERT_REJECTED -> bad_certificate
UNSUPPORTED = 26  # X509_V_ERR_INVALID_PURPOSE -> unsupported_certificate
UNKNOWN = 75  # X509_V_ERR_OCSP_CERT_UNKNOWN -> certificate_unknown
REVOKED = 23  # X509_V_ERR_CERT_REVOKED -> certificate_revoked
DECRYPT = 7  # X509_V_ERR_CERT_SIGNATURE_FAILURE -> decrypt_error
INTERNAL = 1  # X509_V_ERR_UNSPECIFIED -> internal_error


def certificate(code: str, verify_error: int, meaning: str, remedy: str) -> Reason:
    return Reason(code, "invalid_client", 401, verify_error, meaning, remedy)


def client(code: str, meaning: str, remedy: str) -> Reason:
    return Reason(code, "invalid_client", 401, 0, meaning, remedy)


def request(
    code: str, meaning: str, remedy: str, error: str = "invalid_request", status: int = 400
) -> Reason:
    return Reason(code, error, status, 0, meaning, remedy)


def registration(
    code: str, meaning: str, remedy: str, error: str = "invalid_client_metadata", status: int = 400
) -> Reason:
    return request(code, meaning, remedy, error, status)


def grant(code: str, meaning: str, remedy: str) -> Reason:
    return request(code, meaning, remedy, error="invalid_grant")
