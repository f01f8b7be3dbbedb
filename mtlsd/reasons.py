"""Every reason for which mtlsd refuses, in one table.

``docs/refusals.md`` is this table for people, and a test holds the two together. The alert named in a comment
is the one that OpenSSL sends for that X509_V_ERR number (``ssl_x509err2alert``).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mtlsd.errors import Reason

_UNKNOWN_CA = 19  # X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN -> unknown_ca
_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED -> certificate_expired
_BAD = 28  # X509_V_ERR_CERT_REJECTED -> bad_certificate
_UNSUPPORTED = 26  # X509_V_ERR_INVALID_PURPOSE -> unsupported_certificate
_UNKNOWN = 75  # X509_V_ERR_OCSP_CERT_UNKNOWN -> certificate_unknown
_REVOKED = 23  # X509_V_ERR_CERT_REVOKED -> certificate_revoked
_DECRYPT = 7  # X509_V_ERR_CERT_SIGNATURE_FAILURE -> decrypt_error
_INTERNAL = 1  # X509_V_ERR_UNSPECIFIED -> internal_error


def _certificate(code: str, verify_error: int, meaning: str, remedy: str) -> Reason:
    return Reason(code, "invalid_client", 401, verify_error, meaning, remedy)


def _client(code: str, meaning: str, remedy: str) -> Reason:
    return Reason(code, "invalid_client", 401, 0, meaning, remedy)


def _request(
    code: str, meaning: str, remedy: str, error: str = "invalid_request", status: int = 400
) -> Reason:
    return Reason(code, error, status, 0, meaning, remedy)


def _registration(
    code: str, meaning: str, remedy: str, error: str = "invalid_client_metadata", status: int = 400
) -> Reason:
    return _request(code, meaning, remedy, error, status)


# -- the certificate itself ------------------------------------------------------------------------------

CERTIFICATE_ABSENT = _certificate(
    "certificate.absent",
    0,
    "The client sent no certificate.",
    "Configure the client to present its certificate on this listener.",
)
CERTIFICATE_MALFORMED = _certificate(
    "certificate.malformed",
    _BAD,
    "The certificate cannot be read as RFC 5280 describes it.",
    "Have it issued again; the facts name the part that cannot be read.",
)
CERTIFICATE_EXPIRED = _certificate(
    "certificate.expired",
    _EXPIRED,
    "The certificate's notAfter lies in the past.",
    "Renew the certificate.",
)
CERTIFICATE_NOT_YET_VALID = _certificate(
    "certificate.not_yet_valid",
    9,  # bad_certificate
    "The certificate's notBefore lies in the future.",
    "Check both clocks, or wait.",
)
CERTIFICATE_EKU = _certificate(
    "certificate.eku",
    _UNSUPPORTED,
    "The certificate's extended key usage does not have clientAuth.",
    "Have it issued with extended key usage clientAuth (1.3.6.1.5.5.7.3.2).",
)
CERTIFICATE_KU = _certificate(
    "certificate.ku",
    _UNSUPPORTED,
    "The certificate's key usage does not allow digitalSignature.",
    "Have it issued with key usage digitalSignature.",
)
CERTIFICATE_IS_CA = _certificate(
    "certificate.is_ca",
    _UNSUPPORTED,
    "A CA's certificate was presented as a client's.",
    "Issue a certificate for the client and keep the CA's key offline.",
)
CERTIFICATE_WEAK = _certificate(
    "certificate.weak",
    _BAD,
    "The certificate's key is too short.",
    "Use RSA of 2048 bits and more, an elliptic curve of 256 bits and more, or Ed25519.",
)

# -- the path to a trust anchor ----------------------------------------------------------------------------

CHAIN_UNTRUSTED = _certificate(
    "chain.untrusted",
    _UNKNOWN_CA,
    "No path leads from the certificate to a trust anchor of this listener.",
    "Send the intermediates with the certificate, hold them in the group's intermediates, or add the anchor.",
)
CHAIN_EXPIRED = _certificate(
    "chain.expired",
    _EXPIRED,
    "A CA certificate of the path has expired.",
    "Replace the CA certificate that the facts name.",
)
CHAIN_NOT_YET_VALID = _certificate(
    "chain.not_yet_valid",
    9,
    "A CA certificate of the path is not valid yet.",
    "Check both clocks, or wait.",
)
CHAIN_SIGNATURE = _certificate(
    "chain.signature",
    _DECRYPT,
    "A certificate was signed by another key than that of the CA it names.",
    "Two CAs share a name: present a certificate of the one that is configured as trust anchor.",
)
CHAIN_NOT_CA = _certificate(
    "chain.not_ca",
    _UNKNOWN_CA,
    "A certificate of the path issued another one but is not a CA's.",
    "Check who issued the certificate; this is what a stolen leaf key would be used for.",
)
CHAIN_TOO_LONG = _certificate(
    "chain.too_long",
    _UNKNOWN_CA,
    "The path is longer than a CA in it, or OpenSSL, allows.",
    "Check the path length constraints of the CAs and send fewer certificates.",
)
CHAIN_NAME_CONSTRAINTS = _certificate(
    "chain.name_constraints",
    _BAD,
    "A CA of the path may not issue for a name that the certificate has.",
    "Have the certificate issued with names that the CA's name constraints permit.",
)
CHAIN_CRITICAL_EXTENSION = _certificate(
    "chain.critical_extension",
    _UNSUPPORTED,
    "A certificate of the path has a critical extension that nobody here understands.",
    "Have it issued without that extension, or with the extension not critical.",
)
CHAIN_PURPOSE = _certificate(
    "chain.purpose",
    _UNSUPPORTED,
    "A CA of the path may not issue certificates for client authentication.",
    "Check key usage and extended key usage of the CA that the facts name.",
)
CHAIN_POLICY = _certificate(
    "chain.policy",
    _BAD,
    "The certificate policies of the path contradict each other.",
    "Check policy mappings and policy constraints of the CAs.",
)
CHAIN_WEAK = _certificate(
    "chain.weak",
    _BAD,
    "A certificate of the path has a short key or is signed with MD5 or SHA-1.",
    "Have it issued again with a current algorithm.",
)
CHAIN_STRICT = _certificate(
    "chain.strict",
    _BAD,
    "A certificate of the path breaks a rule of RFC 5280 that strict checking demands.",
    "Have it issued again, or set x509_strict = false on the listener of an old PKI.",
)
CHAIN_INVALID = _certificate(
    "chain.invalid",
    _BAD,
    "OpenSSL refused the path for a rarer reason, which the facts name.",
    "Look up the verify error that the facts name.",
)

# -- whether it was revoked ------------------------------------------------------------------------------

REVOCATION_REVOKED = _certificate(
    "revocation.revoked",
    _REVOKED,
    "The certificate, or a CA's of its path, is revoked.",
    "Issue the client another certificate; the facts name the one that is revoked, and who says so.",
)
REVOCATION_UNKNOWN = _certificate(
    "revocation.unknown",
    _UNKNOWN,
    "No source could tell whether the certificate, or a CA's of its path, is revoked.",
    "See mtlsd revocation status, and what each source said in the facts.",
)

# -- which client the certificate belongs to ----------------------------------------------------------------

SUBJECT_UNKNOWN = _certificate(
    "subject.unknown",
    _UNKNOWN,
    "The certificate is good, but no client is registered with one of its names under its trust anchor.",
    "Register the client: mtlsd client add --client-id ID --certificate FILE.pem.",
)
PIN_UNKNOWN = _certificate(
    "pin.unknown",
    _UNKNOWN_CA,
    "The certificate is self-signed, and no client has registered exactly this certificate.",
    "Register the certificate itself: mtlsd client add --client-id ID --certificate FILE.pem. "
    "A client with jwks_uri publishes it there.",
)
SUBJECT_MISMATCH = _client(
    "subject.mismatch",
    "The certificate is good, but it is not that of the client which the request names.",
    "Compare the registered subject with the one seen; both are in the facts.",
)
PIN_MISMATCH = _client(
    "pin.mismatch",
    "The certificate is not one of those registered for the client which the request names.",
    "Register the new certificate for the client beside the old one.",
)
CLIENT_UNKNOWN = _client(
    "client.unknown",
    "No client has this client_id.",
    "Check the client_id, or register the client.",
)
CLIENT_DISABLED = _certificate(
    "client.disabled",
    _UNKNOWN,
    "The client is disabled.",
    "Enable it again with mtlsd client enable, or in the file that registers it.",
)
CLIENT_METHOD = _client(
    "client.method",
    "The request authenticates in another way than the client registered.",
    "Use the token_endpoint_auth_method that the client registered, and no other.",
)
CLIENT_SECRET = _client(
    "client.secret",
    "The client secret is wrong, or cannot be read.",
    "Send the client's secret as it was registered, form-encoded (RFC 6749 section 2.3.1).",
)
CLIENT_ASSERTION = _client(
    "client.assertion",
    "The client assertion is not what RFC 7523 asks for, or was not signed by a key of the client.",
    "The facts say what is wrong; the clocks of both sides are worth a look.",
)
CLIENT_KEY_UNKNOWN = _client(
    "client.key_unknown",
    "No key of the client is the one that the client assertion names, or several could be.",
    "Register the key, or publish it at jwks_uri; give each key a kid, and name it in the assertion.",
)
CLIENT_ASSERTION_REPLAYED = _client(
    "client.assertion_replayed",
    "The client assertion was used before.",
    "Make a new one, with a jti of its own, for each request. If the client did, somebody else has seen it.",
)

# -- the connection -----------------------------------------------------------------------------------------

TLS_POSSESSION = _certificate(
    "tls.possession",
    0,
    "The client did not prove that it holds the certificate's key.",
    "Check that the client's key belongs to its certificate. Otherwise somebody else tried the certificate.",
)
TLS_FAILED = _certificate(
    "tls.failed",
    0,
    "The handshake failed for another reason than the certificate.",
    "The facts have OpenSSL's reason: often a TLS version or cipher suite that is too old.",
)
TLS_TIMEOUT = _certificate(
    "tls.timeout",
    0,
    "The handshake was not complete within its deadline.",
    "Check the network path; many of these from one address are an attack.",
)
TLS_INTERNAL = _certificate(
    "tls.internal",
    _INTERNAL,
    "mtlsd failed while it judged the certificate, so it refused.",
    "This is a fault of mtlsd: report it with the log.",
)

# -- the request --------------------------------------------------------------------------------------------

REQUEST_MALFORMED = _request(
    "request.malformed", "The request is not HTTP/1.1 as RFC 9112 describes it.", "Correct the client."
)
REQUEST_NOT_FOUND = _request(
    "request.not_found", "Nothing is served at this path on this listener.", "See the metadata.", status=404
)
REQUEST_METHOD = _request(
    "request.method", "The endpoint does not take this HTTP method.", "Use the method in Allow.", status=405
)
REQUEST_TOO_LARGE = _request(
    "request.too_large", "The body is larger than the limit.", "Send less.", status=413
)
REQUEST_HEADERS_TOO_LARGE = _request(
    "request.headers_too_large", "The header section is larger than the limit.", "Send less.", status=431
)
REQUEST_TARGET_TOO_LONG = _request(
    "request.target_too_long", "The request line is longer than the limit.", "Send a form body.", status=414
)
REQUEST_EXPECTATION = _request(
    "request.expectation",
    "The request expects something other than 100-continue.",
    "Leave it out.",
    status=417,
)
REQUEST_TRANSFER_CODING = _request(
    "request.transfer_coding",
    "The body has a transfer coding other than chunked.",
    "Send Content-Length, or Transfer-Encoding: chunked alone.",
    status=501,
)
REQUEST_VERSION = _request(
    "request.version",
    "The request is of another version of HTTP than 1.0 and 1.1.",
    "Speak HTTP/1.1.",
    status=505,
)
REQUEST_TIMEOUT = _request(
    "request.timeout", "The request was not complete within its deadline.", "Send it at once.", status=408
)
REQUEST_CONTENT_TYPE = _request(
    "request.content_type",
    "The body is not application/x-www-form-urlencoded.",
    "Send Content-Type: application/x-www-form-urlencoded.",
)
REQUEST_FORM = _request(
    "request.form", "The body cannot be read as a form in UTF-8.", "Percent-encode it as UTF-8."
)
REQUEST_REPEATED_PARAMETER = _request(
    "request.repeated_parameter", "A parameter is there twice.", "Send it once (RFC 6749 section 3.2)."
)
REQUEST_MULTIPLE_METHODS = _request(
    "request.multiple_methods",
    "The request authenticates the client in more than one way.",
    "Send the certificate and client_id alone (RFC 6749 section 2.3).",
)
CLIENT_ID_ABSENT = _request(
    "client_id.absent",
    "The request has no client_id.",
    "Send client_id in the body (RFC 8705 section 2).",
)
GRANT_ABSENT = _request("grant.absent", "The request has no grant_type.", "Send grant_type.")
GRANT_UNSUPPORTED = _request(
    "grant.unsupported",
    "The server does not have this grant_type.",
    "Use one of grant_types_supported in the metadata.",
    error="unsupported_grant_type",
)
GRANT_UNAUTHORIZED = _request(
    "grant.unauthorized",
    "The client may not use this grant_type.",
    "Add it to the client's grant_types.",
    error="unauthorized_client",
)
SCOPE_INVALID = _request(
    "scope.invalid",
    "The scope is malformed, or has a value that the client may not ask for.",
    "Ask for a subset of the client's registered scope.",
    error="invalid_scope",
)
RESOURCE_INVALID = _request(
    "resource.invalid",
    "The resource is not an absolute URI without fragment, or not one of the client's.",
    "Ask for one of the client's registered resources (RFC 8707).",
    error="invalid_target",
)
TOKEN_ABSENT = _request("token.absent", "The request has no token.", "Send token.")
TOKEN_TYPE_UNSUPPORTED = _request(
    "token.type_unsupported",
    "Tokens of this type cannot be revoked here.",
    "Revoke access tokens and refresh tokens (RFC 7009).",
    error="unsupported_token_type",
)
THUMBPRINT_MALFORMED = _request(
    "thumbprint.malformed",
    "The x5t#S256 is no thumbprint.",
    "Send the SHA-256 of the certificate's DER, in base64url without padding (RFC 8705 section 3.1).",
)
INTROSPECTION_UNAUTHORIZED = _request(
    "introspection.unauthorized",
    "The client may not introspect tokens.",
    "Name the audiences that it is in its introspects.",
    error="unauthorized_client",
    status=403,
)
STORE_UNAVAILABLE = _request(
    "store.unavailable",
    "The store cannot be used now.",
    "See the log of the daemon: it names the file and what is wrong with it.",
    error="temporarily_unavailable",
    status=503,
)
SIGNER_UNAVAILABLE = _request(
    "signer.unavailable",
    "No key could sign the token.",
    "See the log of the daemon, and mtlsd keys list.",
    error="temporarily_unavailable",
    status=503,
)
CLIENT_BUSY = _request(
    "client.busy",
    "Too many client secrets are being compared at the moment.",
    "Try again later. If it stays so, somebody is guessing: see the audit log.",
    error="temporarily_unavailable",
    status=503,
)
SERVER_INTERNAL = _request(
    "server.internal",
    "mtlsd failed while it answered.",
    "This is a fault of mtlsd: report it with the log.",
    error="server_error",
    status=500,
)

# -- authorizations: requests for them, codes, and what comes of these ------------------------------------


def _grant(code: str, meaning: str, remedy: str) -> Reason:
    return _request(code, meaning, remedy, error="invalid_grant")


BINDING_ABSENT = _request(
    "binding.absent",
    "Tokens of the client are bound to its certificate, and it came without one.",
    "Present a certificate at a listener that asks for one; see mtls_endpoint_aliases in the metadata.",
)
REDIRECT_URI_UNKNOWN = _request(
    "redirect_uri.unknown",
    "The redirect_uri is not one that the client registered.",
    "Send it exactly as registered, character by character; of a loopback address only the port is free.",
)
REDIRECT_URI_ABSENT = _request(
    "redirect_uri.absent",
    "The request has no redirect_uri, and needs one.",
    "Send redirect_uri: the client registered several, or FAPI 2.0 wants it pushed.",
)
RESPONSE_TYPE_ABSENT = _request(
    "response_type.absent", "The request has no response_type.", 'Send response_type, which is "code".'
)
RESPONSE_TYPE_UNSUPPORTED = _request(
    "response_type.unsupported",
    "The server does not have this response_type.",
    'Use "code", the only one there is (RFC 9700 section 2.1.2).',
    error="unsupported_response_type",
)
RESPONSE_MODE_UNSUPPORTED = _request(
    "response_mode.unsupported",
    "The server does not have this response_mode.",
    'Use "query", or leave it out.',
)
REQUEST_OBJECT_UNSUPPORTED = _request(
    "request_object.unsupported",
    "The server takes no request objects (RFC 9101).",
    "Push the request instead (RFC 9126).",
    error="request_not_supported",
)
REQUEST_URI_INVALID = _request(
    "request_uri.invalid",
    "The request_uri is unknown, has expired, or belongs to another client.",
    "Push the request again, and use the request_uri at once.",
    error="invalid_request_uri",
)
REQUEST_URI_USED = _request(
    "request_uri.used",
    "The request_uri was used before.",
    "Push a request for each authorization.",
    error="invalid_request_uri",
)
REQUEST_URI_PUSHED = _request(
    "request_uri.pushed",
    "A pushed request has a request_uri in it.",
    "Push the parameters themselves (RFC 9126 section 2.1).",
)
REQUEST_NOT_PUSHED = _request(
    "request.not_pushed",
    "The authorization request was not pushed, and the server or the client demands it.",
    "Push it to pushed_authorization_request_endpoint (RFC 9126).",
)
REQUEST_PROMPT = _request(
    "request.prompt", "The prompt or max_age cannot be read.", "Correct it, or leave it out."
)
PKCE_ABSENT = _request("pkce.absent", "The request has no code_challenge.", "Use PKCE with S256 (RFC 7636).")
PKCE_METHOD = _request(
    "pkce.method",
    "The code_challenge_method is not S256.",
    'Send code_challenge_method=S256; without it RFC 7636 means "plain", which is refused.',
)
PKCE_MALFORMED = _request(
    "pkce.malformed",
    "The code_challenge or code_verifier is not written as RFC 7636 has it.",
    "A verifier has 43 to 128 unreserved characters, a challenge is its SHA-256 in 43 of base64url.",
)
PKCE_MISMATCH = _grant(
    "pkce.mismatch",
    "The code_verifier is missing, or not that of the code_challenge.",
    "Send the verifier that the challenge was made of.",
)
PKCE_DOWNGRADE = _grant(
    "pkce.downgrade",
    "There is a code_verifier, but the authorization request had no code_challenge.",
    "Send code_challenge in the authorization request; if the client did, somebody removed it.",
)
USER_DENIED = _request(
    "user.denied", "The user did not grant it.", "Ask the user.", error="access_denied", status=403
)
USER_LOGIN_REQUIRED = _request(
    "user.login_required",
    "The user would have to log in, and the request forbids to ask.",
    "Ask without prompt=none.",
    error="login_required",
)
USER_CONSENT_REQUIRED = _request(
    "user.consent_required",
    "The user would have to consent, and the request forbids to ask.",
    "Ask without prompt=none.",
    error="consent_required",
)
USER_CONFUSABLE = _request(
    "user.confusable",
    "The user has the name of a client, so a resource server could take one for the other.",
    "Rename one of them (RFC 9068 section 5).",
    error="access_denied",
    status=403,
)
USER_CREDENTIALS = _request(
    "user.credentials",
    "The user name or the password is wrong.",
    "Try again, or mtlsd user passwd.",
    error="access_denied",
    status=403,
)
USER_THROTTLED = _request(
    "user.throttled",
    "There were too many wrong passwords for this user, or from this address.",
    "Wait as long as the facts say. Many of these from one address are an attack.",
    error="access_denied",
    status=429,
)
USER_UNAVAILABLE = _request(
    "user.unavailable",
    "Whoever checks passwords could not do it now.",
    "See the log of the daemon.",
    error="temporarily_unavailable",
    status=503,
)
INTERACTION_ORIGIN = _request(
    "interaction.origin",
    "The form was not sent from the server's own page.",
    "Many of these are an attack by another site. A proxy must pass Origin on, and public_url must be right.",
    error="access_denied",
    status=403,
)
INTERACTION_COOKIE = _request(
    "interaction.cookie",
    "The form was sent without the browser's cookie, or belongs to another browser or another request.",
    "Let the browser accept cookies, and start again from the client.",
    error="access_denied",
    status=403,
)
INTERACTION_EXPIRED = _request(
    "interaction.expired",
    "The page was open for too long.",
    "Start again from the client.",
)
INTERACTION_REPLAYED = _request(
    "interaction.replayed",
    "The form was answered before.",
    "Start again from the client.",
)
CODE_ABSENT = _request("code.absent", "The request has no code.", "Send code.")
CODE_UNKNOWN = _grant(
    "code.unknown",
    "The code is unknown, has expired, or belongs to another client.",
    "Exchange a code at once, by the client that it was issued to.",
)
CODE_USED = _grant(
    "code.used",
    "The code was used before, so everything that came of it is removed.",
    "Exchange a code once. If the client did, somebody else has seen the code.",
)
CODE_REDIRECT_URI = _grant(
    "code.redirect_uri",
    "The redirect_uri is not that of the authorization request.",
    "Send the one that the authorization request had (RFC 6749 section 4.1.3).",
)
REFRESH_TOKEN_ABSENT = _request(
    "refresh_token.absent", "The request has no refresh_token.", "Send refresh_token."
)
REFRESH_TOKEN_UNKNOWN = _grant(
    "refresh_token.unknown",
    "The refresh token is unknown, has expired, was revoked, or belongs to another client.",
    "Ask for authorization again.",
)
REFRESH_TOKEN_USED = _grant(
    "refresh_token.used",
    "The refresh token was replaced before, so everything of its grant is removed.",
    "Use the newest refresh token. If the client did, somebody else has seen an older one.",
)
REFRESH_TOKEN_USER = _grant(
    "refresh_token.user",
    "The user who granted it is no user any more, so everything of the grant is removed.",
    "None, if that was meant: see mtlsd user list.",
)
REFRESH_TOKEN_CERTIFICATE = _grant(
    "refresh_token.certificate",
    "The refresh token of a public client is bound to another certificate.",
    "Present the certificate that the client came with when it got the token (RFC 8705 section 4).",
)
EXCHANGE_TOKEN_ABSENT = _request(
    "exchange.token_absent",
    "The request lacks subject_token or subject_token_type.",
    "Send both (RFC 8693 section 2.1).",
)
EXCHANGE_TOKEN_TYPE = _request(
    "exchange.token_type",
    "The server exchanges access tokens for access tokens alone, and takes no actor_token.",
    "Use urn:ietf:params:oauth:token-type:access_token; the actor is the client itself.",
)
EXCHANGE_TOKEN_INVALID = _request(
    "exchange.token_invalid",
    "The subject_token is not a valid access token of this server.",
    "Send one that has not expired and was not revoked.",
)
EXCHANGE_NOT_ALLOWED = _request(
    "exchange.not_allowed",
    "The subject_token is not meant for the client, or bound to another certificate than the one presented.",
    "Name the audience that the client is in its exchanges_for.",
)
EXCHANGE_TARGET = _request(
    "exchange.target",
    "The request names no resource, or one that the client may not ask for.",
    "Name one of the client's registered resources (RFC 8693 section 2.1).",
    error="invalid_target",
)
EXCHANGE_DEPTH = _request(
    "exchange.depth", "The token was exchanged too often already.", "Shorten the chain of services."
)

# -- registration of clients (RFC 7591, RFC 7592) ------------------------------------------------------------

REGISTRATION_JSON = _registration(
    "registration.json",
    "The body is not the JSON object of client metadata.",
    "Send one object as application/json; the facts say what is wrong with it.",
)
REGISTRATION_METADATA = _registration(
    "registration.metadata",
    "The client metadata cannot be registered.",
    "The facts name each member and what is wrong with it; [registration] says what clients may have.",
)
REGISTRATION_REDIRECT_URI = _registration(
    "registration.redirect_uri",
    "A redirect URI cannot be registered.",
    "Name its host in redirect_hosts of [registration], if it should be.",
    "invalid_redirect_uri",
)
REGISTRATION_UNPROVEN = _registration(
    "registration.unproven",
    "The connection does not prove the name or the certificate that is to be registered.",
    "Register over a connection with that certificate, or let unproven_names of [registration] allow it.",
)
REGISTRATION_TAKEN = _registration(
    "registration.taken",
    "The name, certificate or jwks_uri cannot be registered.",
    "It belongs to a client already; the facts tell which.",
)
REGISTRATION_CREDENTIALS = _registration(
    "registration.credentials",
    "The caller may not register clients: no certificate of an allowed group, no initial access token.",
    "Present such a certificate, or have the operator issue a token: mtlsd client token.",
    "invalid_token",
    401,
)
REGISTRATION_TOKEN = _registration(
    "registration.token",
    "The access token is not one for this client, has been replaced, or was used up.",
    "Use the newest registration_access_token, or ask for another initial access token.",
    "invalid_token",
    401,
)
REGISTRATION_APPROVAL = _registration(
    "registration.approval",
    "The change touches what the client is known by, so an operator has to approve it.",
    "Send it over a connection with the client's present certificate, or mtlsd client approve.",
    "access_denied",
    403,
)
REGISTRATION_THROTTLED = _registration(
    "registration.throttled",
    "There were too many registrations, from this address or altogether.",
    "Wait as long as Retry-After says. Many of these from one address are an attack.",
    "temporarily_unavailable",
    429,
)
REGISTRATION_FULL = _registration(
    "registration.full",
    "There are as many clients as most_clients allows.",
    "Raise it, or have unused clients removed with unused_days.",
    "temporarily_unavailable",
    503,
)

REASONS: Mapping[str, Reason] = MappingProxyType(
    {reason.code: reason for reason in list(globals().values()) if isinstance(reason, Reason)}
)
