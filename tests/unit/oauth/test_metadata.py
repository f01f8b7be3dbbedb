"""Metadata: R21, R35, R62."""

from __future__ import annotations

from mtlsd.clients.grant_types import GRANT_TYPES, TOKEN_EXCHANGE
from mtlsd.clients.methods import METHODS
from mtlsd.oauth.metadata import Policy, ServedListener, authorization_server_metadata, well_known_path

ISSUER = "https://as.example.com"
MTLS = ServedListener("https://as.example.com:8443", frozenset({"token", "jwks", "metadata"}), True, True)
PUBLIC = ServedListener("https://as.example.com", frozenset({"jwks", "metadata"}), False, False)


def test_one_listener() -> None:
    metadata = authorization_server_metadata(ISSUER, [MTLS], "ES256")
    assert metadata == {
        "issuer": ISSUER,
        "token_endpoint": "https://as.example.com:8443/token",
        "token_endpoint_auth_methods_supported": [
            "tls_client_auth",
            "self_signed_tls_client_auth",
            "private_key_jwt",
        ],
        "token_endpoint_auth_signing_alg_values_supported": ["PS256", "ES256", "EdDSA", "RS256"],
        "grant_types_supported": ["client_credentials", TOKEN_EXCHANGE],
        "jwks_uri": "https://as.example.com:8443/jwks",
        "tls_client_certificate_bound_access_tokens": True,
    }


def test_aliases_when_a_listener_asks_for_no_certificate() -> None:
    """RFC 8705 section 5; R35: never the authorization endpoint."""
    metadata = authorization_server_metadata(ISSUER, [PUBLIC, MTLS], "ES256")
    assert metadata["mtls_endpoint_aliases"] == {"token_endpoint": "https://as.example.com:8443/token"}
    assert metadata["jwks_uri"] == "https://as.example.com/jwks"


def test_endpoints_for_tokens() -> None:
    """RFC 7662, RFC 7009, RFC 9701 section 7, RFC 8705 section 5"""
    serves = frozenset({"token", "introspection", "revocation"})
    metadata = authorization_server_metadata(
        ISSUER, [PUBLIC, ServedListener("https://mtls.example", serves, True, False)], "PS256"
    )
    assert metadata["mtls_endpoint_aliases"] == {
        "token_endpoint": "https://mtls.example/token",
        "introspection_endpoint": "https://mtls.example/introspect",
        "revocation_endpoint": "https://mtls.example/revoke",
    }
    assert metadata["introspection_endpoint"] == "https://mtls.example/introspect"
    assert metadata["revocation_endpoint"] == "https://mtls.example/revoke"
    for name in ("token", "introspection", "revocation"):
        methods = metadata[f"{name}_endpoint_auth_methods_supported"]
        assert methods == ["self_signed_tls_client_auth", "private_key_jwt"]
    assert metadata["introspection_signing_alg_values_supported"] == ["PS256"]


def test_authorization() -> None:
    """R63, R64, R65: what clients that act for users have to know; R35: browsers need no alias."""
    browsers = ServedListener("https://as.example.com", frozenset({"authorization"}), False, False)
    clients = ServedListener("https://mtls.example", frozenset({"token", "par"}), True, True)
    metadata = authorization_server_metadata(
        ISSUER, [browsers, clients], "ES256", Policy(require_pushed=True)
    )
    assert metadata["authorization_endpoint"] == "https://as.example.com/authorize"
    assert metadata["pushed_authorization_request_endpoint"] == "https://mtls.example/par"
    assert metadata["require_pushed_authorization_requests"] is True
    assert metadata["response_types_supported"] == ["code"]
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["authorization_response_iss_parameter_supported"] is True
    assert metadata["grant_types_supported"] == list(GRANT_TYPES)
    assert metadata["mtls_endpoint_aliases"].keys() == {
        "token_endpoint",
        "pushed_authorization_request_endpoint",
    }
    assert "pushed_authorization_request_endpoint_auth_methods_supported" not in metadata


def test_pki_method_only_with_anchors() -> None:
    pinned = ServedListener("https://as.example.com", frozenset({"token"}), True, False)
    metadata = authorization_server_metadata(ISSUER, [pinned], "ES256")
    methods = metadata["token_endpoint_auth_methods_supported"]
    assert methods == ["self_signed_tls_client_auth", "private_key_jwt"]
    assert "jwks_uri" not in metadata


def test_a_plain_token_endpoint_beside_one_with_certificates() -> None:
    """RFC 8705 section 5: who authenticates otherwise goes to the one, and who has a certificate to the
    other.
    """
    serves = frozenset({"token", "par", "registration"})
    plain = ServedListener("https://as.example.com", serves, False, False)
    mtls = ServedListener("https://mtls.example", serves | {"introspection"}, True, True)
    metadata = authorization_server_metadata(ISSUER, [mtls, plain], "ES256")
    aliases = metadata["mtls_endpoint_aliases"]
    names = ("token_endpoint", "pushed_authorization_request_endpoint", "registration_endpoint")
    for name in names:
        assert metadata[name].startswith("https://as.example.com/")
        assert aliases[name] == metadata[name].replace("as.example.com", "mtls.example")
    assert metadata["introspection_endpoint"] == aliases["introspection_endpoint"]
    assert metadata["token_endpoint_auth_methods_supported"][0] == "tls_client_auth"


def test_no_certificate_is_asked_for() -> None:
    """Then no method is told of that needs one."""
    plain = ServedListener("https://as.example.com", frozenset({"token"}), False, False)
    metadata = authorization_server_metadata(ISSUER, [plain], "ES256")
    assert metadata["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
    assert "mtls_endpoint_aliases" not in metadata


def test_methods_that_some_client_has() -> None:
    """A secret is told of only where somebody has one; what a token is, no public client may ask."""
    every = ServedListener(
        "https://as.example.com", frozenset({"token", "introspection", "revocation"}), True, True
    )
    policy = Policy(methods=METHODS, assertion_algs=("ES256",))
    metadata = authorization_server_metadata(ISSUER, [every], "ES256", policy)
    for name in ("token", "introspection", "revocation"):
        methods = metadata[f"{name}_endpoint_auth_methods_supported"]
        assert set(methods) == set(METHODS) - ({"none"} if name == "introspection" else set())
        assert metadata[f"{name}_endpoint_auth_signing_alg_values_supported"] == ["ES256"]


def test_no_member_is_empty() -> None:
    """R62: RFC 8414 section 3.2"""
    for listeners in ([], [MTLS], [PUBLIC], [PUBLIC, MTLS]):
        assert all(authorization_server_metadata(ISSUER, listeners, "ES256").values())


def test_no_response_types_without_an_authorization_endpoint() -> None:
    """R62: RFC 8414 section 3.2 goes before section 2, since it names the case of an empty array."""
    assert "response_types_supported" not in authorization_server_metadata(ISSUER, [MTLS], "ES256")


def test_well_known_goes_between_host_and_path() -> None:
    """R62: RFC 8414 section 3.1"""
    assert well_known_path("https://as.example.com") == "/.well-known/oauth-authorization-server"
    assert well_known_path("https://as.example.com/a/b") == "/.well-known/oauth-authorization-server/a/b"


def test_registration_for_everybody_and_with_a_certificate() -> None:
    """RFC 7591 section 3, RFC 8705 section 5: the alias is where a certificate can be presented."""
    served = frozenset({"registration"})
    plain = ServedListener("https://as.example.com", served, False, False)
    mtls = ServedListener("https://mtls.example", served, True, True)
    metadata = authorization_server_metadata(ISSUER, [mtls, plain], "ES256")
    assert metadata["registration_endpoint"] == "https://as.example.com/register"
    assert metadata["mtls_endpoint_aliases"] == {"registration_endpoint": "https://mtls.example/register"}
    alone = authorization_server_metadata(ISSUER, [mtls], "ES256")
    assert alone["registration_endpoint"] == "https://mtls.example/register"
    assert "registration_endpoint_auth_methods_supported" not in metadata
    assert "mtls_endpoint_aliases" not in authorization_server_metadata(ISSUER, [plain], "ES256")
