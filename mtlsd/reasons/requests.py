"""Why a connection or a request is refused, whoever sends it."""

from __future__ import annotations

from mtlsd.reasons.making import INTERNAL, certificate, request

# -- the connection -----------------------------------------------------------------------------------------

TLS_POSSESSION = certificate(
    "tls.possession",
    0,
    "The client did not prove that it holds the certificate's key.",
    "Check that the client's key belongs to its certificate. Otherwise somebody else tried the certificate.",
)
TLS_FAILED = certificate(
    "tls.failed",
    0,
    "The handshake failed for another reason than the certificate.",
    "The facts have OpenSSL's reason: often a TLS version or cipher suite that is too old.",
)
TLS_TIMEOUT = certificate(
    "tls.timeout",
    0,
    "The handshake was not complete within its deadline.",
    "Check the network path; many of these from one address are an attack.",
)
TLS_INTERNAL = certificate(
    "tls.internal",
    INTERNAL,
    "mtlsd failed while it judged the certificate, so it refused.",
    "This is a fault of mtlsd: report it with the log.",
)


# -- the request --------------------------------------------------------------------------------------------

REQUEST_MALFORMED = request(
    "request.malformed", "The request is not HTTP/1.1 as RFC 9112 describes it.", "Correct the client."
)
REQUEST_NOT_FOUND = request(
    "request.not_found", "Nothing is served at this path on this listener.", "See the metadata.", status=404
)
REQUEST_METHOD = request(
    "request.method", "The endpoint does not take this HTTP method.", "Use the method in Allow.", status=405
)
REQUEST_TOO_LARGE = request(
    "request.too_large", "The body is larger than the limit.", "Send less.", status=413
)
REQUEST_HEADERS_TOO_LARGE = request(
    "request.headers_too_large", "The header section is larger than the limit.", "Send less.", status=431
)
REQUEST_TARGET_TOO_LONG = request(
    "request.target_too_long", "The request line is longer than the limit.", "Send a form body.", status=414
)
REQUEST_EXPECTATION = request(
    "request.expectation",
    "The request expects something other than 100-continue.",
    "Leave it out.",
    status=417,
)
REQUEST_TRANSFER_CODING = request(
    "request.transfer_coding",
    "The body has a transfer coding other than chunked.",
    "Send Content-Length, or Transfer-Encoding: chunked alone.",
    status=501,
)
REQUEST_VERSION = request(
    "request.version",
    "The request is of another version of HTTP than 1.0 and 1.1.",
    "Speak HTTP/1.1.",
    status=505,
)
REQUEST_TIMEOUT = request(
    "request.timeout", "The request was not complete within its deadline.", "Send it at once.", status=408
)
REQUEST_CONTENT_TYPE = request(
    "request.content_type",
    "The body is not application/x-www-form-urlencoded.",
    "Send Content-Type: application/x-www-form-urlencoded.",
)
REQUEST_FORM = request(
    "request.form", "The body cannot be read as a form in UTF-8.", "Percent-encode it as UTF-8."
)
REQUEST_REPEATED_PARAMETER = request(
    "request.repeated_parameter", "A parameter is there twice.", "Send it once (RFC 6749 section 3.2)."
)
REQUEST_MULTIPLE_METHODS = request(
    "request.multiple_methods",
    "The request authenticates the client in more than one way.",
    "Send the certificate and client_id alone (RFC 6749 section 2.3).",
)
CLIENT_ID_ABSENT = request(
    "client_id.absent",
    "The request has no client_id.",
    "Send client_id in the body (RFC 8705 section 2).",
)
GRANT_ABSENT = request("grant.absent", "The request has no grant_type.", "Send grant_type.")
GRANT_UNSUPPORTED = request(
    "grant.unsupported",
    "The server does not have this grant_type.",
    "Use one of grant_types_supported in the metadata.",
    error="unsupported_grant_type",
)
GRANT_UNAUTHORIZED = request(
    "grant.unauthorized",
    "The client may not use this grant_type.",
    "Add it to the client's grant_types.",
    error="unauthorized_client",
)
SCOPE_INVALID = request(
    "scope.invalid",
    "The scope is malformed, or has a value that the client may not ask for.",
    "Ask for a subset of the client's registered scope.",
    error="invalid_scope",
)
RESOURCE_INVALID = request(
    "resource.invalid",
    "The resource is not an absolute URI without fragment, or not one of the client's.",
    "Ask for one of the client's registered resources (RFC 8707).",
    error="invalid_target",
)
TOKEN_ABSENT = request("token.absent", "The request has no token.", "Send token.")
TOKEN_TYPE_UNSUPPORTED = request(
    "token.type_unsupported",
    "Tokens of this type cannot be revoked here.",
    "Revoke access tokens and refresh tokens (RFC 7009).",
    error="unsupported_token_type",
)
THUMBPRINT_MALFORMED = request(
    "thumbprint.malformed",
    "The x5t#S256 is no thumbprint.",
    "Send the SHA-256 of the certificate's DER, in base64url without padding (RFC 8705 section 3.1).",
)
INTROSPECTION_UNAUTHORIZED = request(
    "introspection.unauthorized",
    "The client may not introspect tokens.",
    "Name the audiences that it is in its introspects.",
    error="unauthorized_client",
    status=403,
)
STORE_UNAVAILABLE = request(
    "store.unavailable",
    "The store cannot be used now.",
    "See the log of the daemon: it names the file and what is wrong with it.",
    error="temporarily_unavailable",
    status=503,
)
SIGNER_UNAVAILABLE = request(
    "signer.unavailable",
    "No key could sign the token.",
    "See the log of the daemon, and mtlsd keys list.",
    error="temporarily_unavailable",
    status=503,
)
CLIENT_BUSY = request(
    "client.busy",
    "Too many client secrets are being compared at the moment.",
    "Try again later. If it stays so, somebody is guessing: see the audit log.",
    error="temporarily_unavailable",
    status=503,
)
SERVER_INTERNAL = request(
    "server.internal",
    "mtlsd failed while it answered.",
    "This is a fault of mtlsd: report it with the log.",
    error="server_error",
    status=500,
)
