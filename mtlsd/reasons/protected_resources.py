"""Why a resource server refuses a request. The caller learns the class alone (RFC 6750 section 3.1)."""

from __future__ import annotations

from mtlsd.errors import Reason
from mtlsd.reasons.making import request


def _token(code: str, meaning: str, remedy: str) -> Reason:
    return request(f"access_token.{code}", meaning, remedy, "invalid_token", 401)


ACCESS_TOKEN_ABSENT = request(
    "access_token.absent",
    "The request has no Bearer token in its Authorization header.",
    "Send Authorization: Bearer; a token in the query or in the body is never looked at.",
    error="",  # RFC 6750 section 3.1: who brought nothing is told no error
    status=401,
)
ACCESS_TOKEN_REQUEST = request(
    "access_token.request",
    "The Authorization header is there twice, or cannot be read.",
    "Send one Authorization: Bearer with one token. A proxy may have joined two.",
)
ACCESS_TOKEN_MALFORMED = _token(
    "malformed",
    "The access token is no JWT, or one of another kind.",
    "Send an access token by RFC 9068. An opaque one is for resource servers that introspect.",
)
ACCESS_TOKEN_ALGORITHM = _token(
    "algorithm",
    "The access token is signed with an algorithm that is not allowed, or not signed.",
    "See the issuer's keys. Who sends alg none, or HS256, forges tokens.",
)
ACCESS_TOKEN_KEY = _token(
    "key",
    "The issuer has published no key by the access token's kid.",
    "The facts have the kid. Many of these are an attack, or the keys cannot be fetched: see the log.",
)
ACCESS_TOKEN_SIGNATURE = _token(
    "signature",
    "The access token's signature is wrong.",
    "Somebody has changed the token, or made one.",
)
ACCESS_TOKEN_CLAIMS = _token(
    "claims",
    "The access token lacks a claim that RFC 9068 requires, or has one that cannot be read.",
    "The facts name the claim: see what the issuer writes into its tokens.",
)
ACCESS_TOKEN_ISSUER = _token(
    "issuer",
    "The access token is another issuer's.",
    "Compare the issuer configured with the one seen: every character counts.",
)
ACCESS_TOKEN_AUDIENCE = _token(
    "audience",
    "The access token is meant for another resource server.",
    "Have the client name this one as its resource (RFC 8707), or correct the audience configured here.",
)
ACCESS_TOKEN_EXPIRED = _token(
    "expired", "The access token has expired.", "Ask for a new one. If it is new, check both clocks."
)
ACCESS_TOKEN_NOT_YET_VALID = _token(
    "not_yet_valid", "The access token begins, or was issued, in the future.", "Check both clocks."
)
ACCESS_TOKEN_INACTIVE = _token(
    "inactive",
    "The introspection endpoint says that the access token is not active.",
    "It has expired, was revoked, or is for others: the authorization server's audit log says why.",
)
ACCESS_TOKEN_UNKNOWN = _token(
    "unknown",
    "The access token is none that this server has issued, or it ended long ago.",
    "Ask for a new one. mtlsd explain --token says what is wrong with a JWT.",
)
ACCESS_TOKEN_CLIENT = _token(
    "client",
    "The access token's client was removed or disabled, or the certificate is not pinned for it any more.",
    "See mtlsd client show.",
)
ACCESS_TOKEN_CERTIFICATE = _token(
    "certificate",
    "The certificate that the access token is bound to is revoked, or not trusted or its client's any more.",
    "See mtlsd explain with the certificate.",
)
ACCESS_TOKEN_REVOKED = _token(
    "revoked",
    "The access token was ended, or what it came from was.",
    "Ask for a new one, if nobody meant to lock the client out.",
)
ACCESS_TOKEN_UNBOUND = _token(
    "unbound",
    "The access token is bound to no certificate.",
    "Register the client with tls_client_certificate_bound_access_tokens = true.",
)
ACCESS_TOKEN_CONFIRMATION = _token(
    "confirmation",
    "The access token is bound to something else than a certificate, or its cnf cannot be read.",
    "This resource server can check x5t#S256 alone (RFC 8705 section 3.1).",
)
ACCESS_TOKEN_CERTIFICATE_ABSENT = _token(
    "certificate_absent",
    "The access token is bound to a certificate, and the connection has none.",
    "Present the certificate that the token was issued for, here too. The server has to ask for it.",
)
ACCESS_TOKEN_CERTIFICATE_MISMATCH = _token(
    "certificate_mismatch",
    "The access token is bound to another certificate than that of the connection.",
    "Use a token with the certificate that it was issued for. Otherwise somebody uses a stolen token.",
)
ACCESS_TOKEN_SCOPE = request(
    "access_token.scope",
    "The access token does not have the scope that is required here.",
    "Ask for a token with the scope in the facts, if the client may have it.",
    error="insufficient_scope",
    status=403,
)
FORWARD_AUTH_DEMANDS = request(
    "forward_auth.demands",
    "A proxy asks whether a request may pass, and does not say for which audience, or not clearly.",
    "Name the audience as docs/forward-auth.md shows: without one, a token for anybody would do.",
)
FORWARD_AUTH_FORGED = request(
    "forward_auth.forged",
    "A field that says what is demanded came where none is taken.",
    "Somebody tries to choose what is demanded of his own token: have the proxy remove the field.",
)
ISSUER_KEYS_UNAVAILABLE = request(
    "issuer.keys_unavailable",
    "The issuer's keys cannot be fetched, and those known are too old.",
    "The facts say what failed: see that this resource server reaches the issuer.",
    error="temporarily_unavailable",
    status=503,
)
ISSUER_INTROSPECTION_UNAVAILABLE = request(
    "issuer.introspection_unavailable",
    "The introspection endpoint cannot be asked, or its answer cannot be read.",
    "The facts say what failed: see that this resource server reaches it, and may introspect.",
    error="temporarily_unavailable",
    status=503,
)
