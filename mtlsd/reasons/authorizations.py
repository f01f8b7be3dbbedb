"""Why an authorization is refused, and what comes of one: codes, tokens, users."""

from __future__ import annotations

from mtlsd.reasons.making import grant, request

# -- authorizations: requests for them, codes, and what comes of these ------------------------------------


BINDING_ABSENT = request(
    "binding.absent",
    "Tokens of the client are bound to its certificate, and it came without one.",
    "Present a certificate at a listener that asks for one; see mtls_endpoint_aliases in the metadata.",
)
REDIRECT_URI_UNKNOWN = request(
    "redirect_uri.unknown",
    "The redirect_uri is not one that the client registered.",
    "Send it exactly as registered, character by character; of a loopback address only the port is free.",
)
REDIRECT_URI_ABSENT = request(
    "redirect_uri.absent",
    "The request has no redirect_uri, and needs one.",
    "Send redirect_uri: the client registered several, or FAPI 2.0 wants it pushed.",
)
RESPONSE_TYPE_ABSENT = request(
    "response_type.absent", "The request has no response_type.", 'Send response_type, which is "code".'
)
RESPONSE_TYPE_UNSUPPORTED = request(
    "response_type.unsupported",
    "The server does not have this response_type.",
    'Use "code", the only one there is (RFC 9700 section 2.1.2).',
    error="unsupported_response_type",
)
RESPONSE_MODE_UNSUPPORTED = request(
    "response_mode.unsupported",
    "The server does not have this response_mode.",
    'Use "query", or leave it out.',
)
REQUEST_OBJECT_UNSUPPORTED = request(
    "request_object.unsupported",
    "The server takes no request objects (RFC 9101).",
    "Push the request instead (RFC 9126).",
    error="request_not_supported",
)
REQUEST_URI_INVALID = request(
    "request_uri.invalid",
    "The request_uri is unknown, or belongs to another client.",
    "Push the request again, and use the request_uri at once.",
    error="invalid_request_uri",
)
REQUEST_URI_EXPIRED = request(
    "request_uri.expired",
    "The request_uri has expired.",
    "Start again from the client. A client uses a request_uri at once; see request_uri_seconds.",
    error="invalid_request_uri",
)
REQUEST_URI_USED = request(
    "request_uri.used",
    "The request_uri was answered before.",
    "Start again from the client, which pushes a request for each authorization.",
    error="invalid_request_uri",
)
REQUEST_URI_PUSHED = request(
    "request_uri.pushed",
    "A pushed request has a request_uri in it.",
    "Push the parameters themselves (RFC 9126 section 2.1).",
)
PUSH_THROTTLED = request(
    "push.throttled",
    "There were too many pushed requests of public clients, from this address or of this client.",
    "Wait as long as Retry-After says. Many of these from one address are an attack.",
    error="temporarily_unavailable",
    status=429,
)
REQUEST_NOT_PUSHED = request(
    "request.not_pushed",
    "The authorization request was not pushed, and the server or the client demands it.",
    "Push it to pushed_authorization_request_endpoint (RFC 9126).",
)
REQUEST_PROMPT = request(
    "request.prompt", "The prompt or max_age cannot be read.", "Correct it, or leave it out."
)
PKCE_ABSENT = request("pkce.absent", "The request has no code_challenge.", "Use PKCE with S256 (RFC 7636).")
PKCE_METHOD = request(
    "pkce.method",
    "The code_challenge_method is not S256.",
    'Send code_challenge_method=S256; without it RFC 7636 means "plain", which is refused.',
)
PKCE_MALFORMED = request(
    "pkce.malformed",
    "The code_challenge or code_verifier is not written as RFC 7636 has it.",
    "A verifier has 43 to 128 unreserved characters, a challenge is its SHA-256 in 43 of base64url.",
)
PKCE_MISMATCH = grant(
    "pkce.mismatch",
    "The code_verifier is missing, or not that of the code_challenge.",
    "Send the verifier that the challenge was made of.",
)
PKCE_DOWNGRADE = grant(
    "pkce.downgrade",
    "There is a code_verifier, but the authorization request had no code_challenge.",
    "Send code_challenge in the authorization request; if the client did, somebody removed it.",
)
USER_DENIED = request(
    "user.denied", "The user did not grant it.", "Ask the user.", error="access_denied", status=403
)
USER_LOGIN_REQUIRED = request(
    "user.login_required",
    "The user would have to log in, and the request forbids to ask.",
    "Ask without prompt=none.",
    error="login_required",
)
USER_CONSENT_REQUIRED = request(
    "user.consent_required",
    "The user would have to consent, and the request forbids to ask.",
    "Ask without prompt=none.",
    error="consent_required",
)
USER_CONFUSABLE = request(
    "user.confusable",
    "The user has the name of a client, so a resource server could take one for the other.",
    "Rename one of them (RFC 9068 section 5).",
    error="access_denied",
    status=403,
)
USER_CREDENTIALS = request(
    "user.credentials",
    "The user name or the password is wrong.",
    "Try again, or mtlsd user passwd.",
    error="access_denied",
    status=403,
)
USER_THROTTLED = request(
    "user.throttled",
    "There were too many wrong passwords for this user, or from this address.",
    "Wait as long as the facts say. Many of these from one address are an attack.",
    error="access_denied",
    status=429,
)
USER_UNAVAILABLE = request(
    "user.unavailable",
    "Whoever checks passwords could not do it now.",
    "See the log of the daemon.",
    error="temporarily_unavailable",
    status=503,
)
INTERACTION_ORIGIN = request(
    "interaction.origin",
    "The form was not sent from the server's own page.",
    "Many of these are an attack by another site. A proxy must pass Origin on, and public_url must be right.",
    error="access_denied",
    status=403,
)
INTERACTION_COOKIE = request(
    "interaction.cookie",
    "The form was sent without the browser's cookie, or belongs to another browser or another request.",
    "Let the browser accept cookies, and start again from the client.",
    error="access_denied",
    status=403,
)
INTERACTION_EXPIRED = request(
    "interaction.expired",
    "The page was open for too long.",
    "Start again from the client.",
)
INTERACTION_REPLAYED = request(
    "interaction.replayed",
    "The form was answered before.",
    "Start again from the client.",
)
CODE_ABSENT = request("code.absent", "The request has no code.", "Send code.")
CODE_UNKNOWN = grant(
    "code.unknown",
    "The code is unknown, has expired, or belongs to another client.",
    "Exchange a code at once, by the client that it was issued to.",
)
CODE_USED = grant(
    "code.used",
    "The code was used before, so everything that came of it is removed.",
    "Exchange a code once. If the client did, somebody else has seen the code.",
)
CODE_REDIRECT_URI = grant(
    "code.redirect_uri",
    "The redirect_uri is not that of the authorization request.",
    "Send the one that the authorization request had (RFC 6749 section 4.1.3).",
)
REFRESH_TOKEN_ABSENT = request(
    "refresh_token.absent", "The request has no refresh_token.", "Send refresh_token."
)
REFRESH_TOKEN_UNKNOWN = grant(
    "refresh_token.unknown",
    "The refresh token is unknown, has expired, was revoked, or belongs to another client.",
    "Ask for authorization again.",
)
REFRESH_TOKEN_USED = grant(
    "refresh_token.used",
    "The refresh token was replaced before, so everything of its grant is removed.",
    "Use the newest refresh token. If the client did, somebody else has seen an older one.",
)
REFRESH_TOKEN_USER = grant(
    "refresh_token.user",
    "The user who granted it is gone or has another password, so everything of the grant is removed.",
    "None, if that was meant: ask the user again. See mtlsd user list.",
)
REFRESH_TOKEN_CERTIFICATE = grant(
    "refresh_token.certificate",
    "The refresh token of a public client is bound to another certificate.",
    "Present the certificate that the client came with when it got the token (RFC 8705 section 4).",
)
EXCHANGE_TOKEN_ABSENT = request(
    "exchange.token_absent",
    "The request lacks subject_token or subject_token_type.",
    "Send both (RFC 8693 section 2.1).",
)
EXCHANGE_TOKEN_TYPE = request(
    "exchange.token_type",
    "The server exchanges access tokens for access tokens alone, and takes no actor_token.",
    "Use urn:ietf:params:oauth:token-type:access_token; the actor is the client itself.",
)
EXCHANGE_TOKEN_INVALID = request(
    "exchange.token_invalid",
    "The subject_token is not a valid access token of this server.",
    "Send one that has not expired and was not revoked.",
)
EXCHANGE_NOT_ALLOWED = request(
    "exchange.not_allowed",
    "The subject_token is not meant for the client, or bound to another certificate than the one presented.",
    "Name the audience that the client is in its exchanges_for.",
)
EXCHANGE_TARGET = request(
    "exchange.target",
    "The request names no resource, or one that the client may not ask for.",
    "Name one of the client's registered resources (RFC 8693 section 2.1).",
    error="invalid_target",
)
EXCHANGE_DEPTH = request(
    "exchange.depth", "The token was exchanged too often already.", "Shorten the chain of services."
)
