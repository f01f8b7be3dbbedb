"""How clients authenticate: the values of `token_endpoint_auth_method` (RFC 8705, RFC 7591, RFC 7523)."""

from __future__ import annotations

from typing import Final, Literal, get_args

AuthMethod = Literal[
    "tls_client_auth",
    "self_signed_tls_client_auth",
    "private_key_jwt",
    "client_secret_basic",
    "client_secret_post",
    "none",
]

PKI: Final = "tls_client_auth"
SELF_SIGNED: Final = "self_signed_tls_client_auth"
PRIVATE_KEY_JWT: Final = "private_key_jwt"
SECRET_BASIC: Final = "client_secret_basic"  # noqa: S105  # a name that stands in metadata
SECRET_POST: Final = "client_secret_post"  # noqa: S105  # a name that stands in metadata
NONE: Final = "none"

METHODS: tuple[AuthMethod, ...] = get_args(AuthMethod)
CERTIFICATE_METHODS: tuple[AuthMethod, ...] = (PKI, SELF_SIGNED)
"""The methods by which the certificate of the connection proves who the client is."""
SECRET_METHODS: tuple[AuthMethod, ...] = (SECRET_BASIC, SECRET_POST)
"""The methods that an operator has to allow for each client: a secret can be copied."""
