"""Why a registration is refused (RFC 7591, RFC 7592)."""

from __future__ import annotations

from mtlsd.reasons.making import registration

# -- registration of clients (RFC 7591, RFC 7592) ------------------------------------------------------------

REGISTRATION_JSON = registration(
    "registration.json",
    "The body is not the JSON object of client metadata.",
    "Send one object as application/json; the facts say what is wrong with it.",
)
REGISTRATION_METADATA = registration(
    "registration.metadata",
    "The client metadata cannot be registered.",
    "The facts name each member and what is wrong with it; [registration] says what clients may have.",
)
REGISTRATION_REDIRECT_URI = registration(
    "registration.redirect_uri",
    "A redirect URI cannot be registered.",
    "Name its host in redirect_hosts of [registration], if it should be.",
    "invalid_redirect_uri",
)
REGISTRATION_UNPROVEN = registration(
    "registration.unproven",
    "The connection does not prove the name or the certificate that is to be registered.",
    "Register over a connection with that certificate, or let unproven_names of [registration] allow it.",
)
REGISTRATION_TAKEN = registration(
    "registration.taken",
    "The name, certificate or jwks_uri cannot be registered.",
    "It belongs to a client already; the facts tell which.",
)
REGISTRATION_CREDENTIALS = registration(
    "registration.credentials",
    "The caller may not register clients: no certificate of an allowed group, no initial access token.",
    "Present such a certificate, or have the operator issue a token: mtlsd client token.",
    "invalid_token",
    401,
)
REGISTRATION_TOKEN = registration(
    "registration.token",
    "The access token is not one for this client, has been replaced, or was used up.",
    "Use the newest registration_access_token, or ask for another initial access token.",
    "invalid_token",
    401,
)
REGISTRATION_APPROVAL = registration(
    "registration.approval",
    "The change touches what the client is known by, so an operator has to approve it.",
    "Send it over a connection with the client's present certificate, or mtlsd client approve.",
    "access_denied",
    403,
)
REGISTRATION_THROTTLED = registration(
    "registration.throttled",
    "There were too many registrations, from this address or altogether.",
    "Wait as long as Retry-After says. Many of these from one address are an attack.",
    "temporarily_unavailable",
    429,
)
REGISTRATION_FULL = registration(
    "registration.full",
    "There are as many clients as most_clients allows.",
    "Raise it, or have unused clients removed with unused_days.",
    "temporarily_unavailable",
    503,
)
