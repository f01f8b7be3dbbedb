"""Why a certificate proves nothing."""

from __future__ import annotations

from mtlsd.reasons.making import (
    BAD,
    DECRYPT,
    EXPIRED,
    REVOKED,
    UNKNOWN,
    UNKNOWN_CA,
    UNSUPPORTED,
    certificate,
    client,
)

# -- the certificate itself ------------------------------------------------------------------------------

CERTIFICATE_ABSENT = certificate(
    "certificate.absent",
    0,
    "The client sent no certificate.",
    "Configure the client to present its certificate on this listener.",
)
CERTIFICATE_MALFORMED = certificate(
    "certificate.malformed",
    BAD,
    "The certificate cannot be read as RFC 5280 describes it.",
    "Have it issued again; the facts name the part that cannot be read.",
)
CERTIFICATE_EXPIRED = certificate(
    "certificate.expired",
    EXPIRED,
    "The certificate's notAfter lies in the past.",
    "Renew the certificate.",
)
CERTIFICATE_NOT_YET_VALID = certificate(
    "certificate.not_yet_valid",
    9,  # bad_certificate
    "The certificate's notBefore lies in the future.",
    "Check both clocks, or wait.",
)
CERTIFICATE_EKU = certificate(
    "certificate.eku",
    UNSUPPORTED,
    "The certificate's extended key usage does not have clientAuth.",
    "Have it issued with extended key usage clientAuth (1.3.6.1.5.5.7.3.2).",
)
CERTIFICATE_KU = certificate(
    "certificate.ku",
    UNSUPPORTED,
    "The certificate's key usage does not allow digitalSignature.",
    "Have it issued with key usage digitalSignature.",
)
CERTIFICATE_IS_CA = certificate(
    "certificate.is_ca",
    UNSUPPORTED,
    "A CA's certificate was presented as a client's.",
    "Issue a certificate for the client and keep the CA's key offline.",
)
CERTIFICATE_WEAK = certificate(
    "certificate.weak",
    BAD,
    "The certificate's key is too short.",
    "Use RSA of 2048 bits and more, an elliptic curve of 256 bits and more, or Ed25519.",
)


# -- the path to a trust anchor ----------------------------------------------------------------------------

CHAIN_UNTRUSTED = certificate(
    "chain.untrusted",
    UNKNOWN_CA,
    "No path leads from the certificate to a trust anchor of this listener.",
    "Send the intermediates with the certificate, hold them in the group's intermediates, or add the anchor.",
)
CHAIN_EXPIRED = certificate(
    "chain.expired",
    EXPIRED,
    "A CA certificate of the path has expired.",
    "Replace the CA certificate that the facts name.",
)
CHAIN_NOT_YET_VALID = certificate(
    "chain.not_yet_valid",
    9,
    "A CA certificate of the path is not valid yet.",
    "Check both clocks, or wait.",
)
CHAIN_SIGNATURE = certificate(
    "chain.signature",
    DECRYPT,
    "A certificate was signed by another key than that of the CA it names.",
    "Two CAs share a name: present a certificate of the one that is configured as trust anchor.",
)
CHAIN_NOT_CA = certificate(
    "chain.not_ca",
    UNKNOWN_CA,
    "A certificate of the path issued another one but is not a CA's.",
    "Check who issued the certificate; this is what a stolen leaf key would be used for.",
)
CHAIN_TOO_LONG = certificate(
    "chain.too_long",
    UNKNOWN_CA,
    "The path is longer than a CA in it, or OpenSSL, allows.",
    "Check the path length constraints of the CAs and send fewer certificates.",
)
CHAIN_NAME_CONSTRAINTS = certificate(
    "chain.name_constraints",
    BAD,
    "A CA of the path may not issue for a name that the certificate has.",
    "Have the certificate issued with names that the CA's name constraints permit.",
)
CHAIN_CRITICAL_EXTENSION = certificate(
    "chain.critical_extension",
    UNSUPPORTED,
    "A certificate of the path has a critical extension that nobody here understands.",
    "Have it issued without that extension, or with the extension not critical.",
)
CHAIN_PURPOSE = certificate(
    "chain.purpose",
    UNSUPPORTED,
    "A CA of the path may not issue certificates for client authentication.",
    "Check key usage and extended key usage of the CA that the facts name.",
)
CHAIN_POLICY = certificate(
    "chain.policy",
    BAD,
    "The certificate policies of the path contradict each other.",
    "Check policy mappings and policy constraints of the CAs.",
)
CHAIN_WEAK = certificate(
    "chain.weak",
    BAD,
    "A certificate of the path has a short key or is signed with MD5 or SHA-1.",
    "Have it issued again with a current algorithm.",
)
CHAIN_STRICT = certificate(
    "chain.strict",
    BAD,
    "A certificate of the path breaks a rule of RFC 5280 that strict checking demands.",
    "Have it issued again, or set x509_strict = false on the listener of an old PKI.",
)
CHAIN_INVALID = certificate(
    "chain.invalid",
    BAD,
    "OpenSSL refused the path for a rarer reason, which the facts name.",
    "Look up the verify error that the facts name.",
)


# -- whether it was revoked ------------------------------------------------------------------------------

REVOCATION_REVOKED = certificate(
    "revocation.revoked",
    REVOKED,
    "The certificate, or a CA's of its path, is revoked.",
    "Issue the client another certificate; the facts name the one that is revoked, and who says so.",
)
REVOCATION_UNKNOWN = certificate(
    "revocation.unknown",
    UNKNOWN,
    "No source could tell whether the certificate, or a CA's of its path, is revoked.",
    "See mtlsd revocation status, and what each source said in the facts.",
)


# -- which client the certificate belongs to ----------------------------------------------------------------

SUBJECT_UNKNOWN = certificate(
    "subject.unknown",
    UNKNOWN,
    "The certificate is good, but no client is registered with one of its names under its trust anchor.",
    "Register the client: mtlsd client add --client-id ID --certificate FILE.pem.",
)
PIN_UNKNOWN = certificate(
    "pin.unknown",
    UNKNOWN_CA,
    "The certificate is self-signed, and no client has registered exactly this certificate.",
    "Register the certificate itself: mtlsd client add --client-id ID --certificate FILE.pem. "
    "A client with jwks_uri publishes it there.",
)
SUBJECT_MISMATCH = client(
    "subject.mismatch",
    "The certificate is good, but it is not that of the client which the request names.",
    "Compare the registered subject with the one seen; both are in the facts.",
)
PIN_MISMATCH = client(
    "pin.mismatch",
    "The certificate is not one of those registered for the client which the request names.",
    "Register the new certificate for the client beside the old one.",
)
CLIENT_UNKNOWN = client(
    "client.unknown",
    "No client has this client_id.",
    "Check the client_id, or register the client.",
)
CLIENT_DISABLED = certificate(
    "client.disabled",
    UNKNOWN,
    "The client is disabled.",
    "Enable it again with mtlsd client enable, or in the file that registers it.",
)
CLIENT_METHOD = client(
    "client.method",
    "The request authenticates in another way than the client registered.",
    "Use the token_endpoint_auth_method that the client registered, and no other.",
)
CLIENT_SECRET = client(
    "client.secret",
    "The client secret is wrong, or cannot be read.",
    "Send the client's secret as it was registered, form-encoded (RFC 6749 section 2.3.1).",
)
CLIENT_ASSERTION = client(
    "client.assertion",
    "The client assertion is not what RFC 7523 asks for, or was not signed by a key of the client.",
    "The facts say what is wrong; the clocks of both sides are worth a look.",
)
CLIENT_KEY_UNKNOWN = client(
    "client.key_unknown",
    "No key of the client is the one that the client assertion names, or several could be.",
    "Register the key, or publish it at jwks_uri; give each key a kid, and name it in the assertion.",
)
CLIENT_ASSERTION_REPLAYED = client(
    "client.assertion_replayed",
    "The client assertion was used before.",
    "Make a new one, with a jti of its own, for each request. If the client did, somebody else has seen it.",
)
