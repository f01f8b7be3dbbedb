"""Programs that were not written for mtlsd get tokens, with certificates of every kind."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.end_to_end import clients
from tests.end_to_end.clients import VERSIONS, Answer, NoAnswer, Program, get, python, request_token
from tests.end_to_end.conftest import BY_NAME, IP_V6, RESOURCES, many_clients
from tests.end_to_end.daemon import Daemon, running
from tests.end_to_end.setup import SCOPE, Setup
from tests.end_to_end.tools import needs
from tests.pki import DNS, EMAIL, IP, URI, Written, dn, ec_key
from tests.pki.maker import ed25519_key, rsa_key, victim

ALGORITHMS = ["ES256", "RS256", "PS256", "EdDSA"]
PROGRAMS = [
    pytest.param(clients.curl, id="curl", marks=needs("curl")),
    pytest.param(clients.openssl, id="openssl", marks=needs("openssl")),
    pytest.param(clients.python, id="python"),
    pytest.param(clients.treq, id="treq"),
    pytest.param(clients.node, id="node", marks=needs("node")),
]
KEYS: dict[str, Callable[[], Any]] = {
    "EC": lambda: ec_key("leaf"),
    "RSA": lambda: rsa_key("leaf"),
    "Ed25519": lambda: ed25519_key("leaf"),
}


def thumbprint(certificate: Path) -> str:
    """What openssl says of the leaf (RFC 8705 section 3.1)."""
    pipe = (
        'openssl x509 -in "$1" -outform DER | openssl dgst -sha256 -binary'
        " | openssl base64 | tr '+/' '-_' | tr -d '='"
    )
    done = subprocess.run(["sh", "-c", pipe, "sh", certificate], text=True, capture_output=True, check=True)
    return done.stdout.strip()


def checked(setup: Setup, token: str, audience: str | None = None) -> dict[str, Any]:
    """The claims, after PyJWT has checked the token with the JWK Set that is served."""
    keys = get(setup.url("public", "/jwks"), setup.ca_file).json["keys"]
    header = jwt.get_unverified_header(token)
    key = jwt.PyJWK(next(own for own in keys if own["kid"] == header["kid"]))
    assert header["typ"] == "at+jwt"
    assert key.algorithm_name == header["alg"]
    claims: dict[str, Any] = jwt.decode(
        token,
        key,
        [header["alg"]],
        audience=audience or setup.issuer,
        issuer=setup.issuer,
        options={"require": ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"]},
    )
    return claims


def ask(setup: Setup, presented: Written, client_id: str, listener: str = "mtls", **more: str) -> Answer:
    return python(setup.url(listener), setup.ca_file, presented, request_token(client_id, **more))


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_gets_a_bound_token(
    daemon: Daemon, setup: Setup, program: Program, version: str, kind: str
) -> None:
    """R17, R66: bound to the leaf as openssl computes it, with the claims of RFC 9068."""
    presented = setup.leaf(kind, x509.DNSName(DNS), key=KEYS[kind]())
    mark = daemon.mark()
    answer = program(setup.url(), setup.ca_file, presented, request_token("by-dns"), version)
    claims = checked(setup, answer.token)
    assert claims["cnf"] == {"x5t#S256": thumbprint(presented.certificate)}
    assert claims["sub"] == claims["client_id"] == "by-dns"
    assert claims["exp"] - claims["iat"] == answer.json["expires_in"] == 300
    assert claims["scope"] == answer.json["scope"] == SCOPE
    assert answer.json["token_type"] == "Bearer"
    event = daemon.event("token.issued", mark, jti=claims["jti"])
    assert event["client_id"] == "by-dns"
    assert event["x5t#S256"] == event["bound_to"] == claims["cnf"]["x5t#S256"]


RIGHT: dict[str, list[x509.GeneralName]] = {
    "by-dns": [x509.DNSName(DNS), x509.DNSName(DNS.upper())],
    "by-uri": [x509.UniformResourceIdentifier(URI)],
    "by-ip": [x509.IPAddress(ip_address(IP))],
    "by-ip6": [x509.IPAddress(ip_address(IP_V6))],
    "by-email": [x509.RFC822Name(EMAIL), x509.RFC822Name(EMAIL.replace("partner", "PARTNER"))],
}
NEAR: dict[str, list[x509.GeneralName]] = {
    "by-dns": [
        x509.DNSName("*.partner.example"),
        x509.DNSName(f"a.{DNS}"),
        x509.DNSName(f"{DNS}."),
        x509.DNSName("partner.example"),
        x509.UniformResourceIdentifier(f"https://{DNS}"),
        x509.RFC822Name(f"a@{DNS}"),
    ],
    "by-uri": [
        x509.UniformResourceIdentifier(f"{URI}/"),
        x509.UniformResourceIdentifier(URI.replace("billing", "Billing")),
        x509.UniformResourceIdentifier(f"{URI}?"),
        x509.DNSName("partner.example"),
    ],
    "by-ip": [
        x509.IPAddress(ip_address("192.0.2.8")),
        x509.IPAddress(ip_address(f"::ffff:{IP}")),
        x509.DNSName(IP),
    ],
    "by-ip6": [x509.IPAddress(ip_address("2001:db8::8")), x509.DNSName(IP_V6)],
    "by-email": [x509.RFC822Name(EMAIL.capitalize()), x509.RFC822Name(f"a{EMAIL}")],
}


@pytest.mark.parametrize(("client_id", "name"), [(own, name) for own in RIGHT for name in RIGHT[own]])
def test_a_subject_alternative_name(
    daemon: Daemon, setup: Setup, client_id: str, name: x509.GeneralName
) -> None:
    """R10, R37: each kind in a certificate that has no other name of the client."""
    claims = checked(setup, ask(setup, setup.leaf("name", name), client_id).token)
    assert claims["client_id"] == client_id


@pytest.mark.parametrize(("client_id", "name"), [(own, name) for own in NEAR for name in NEAR[own]])
def test_a_near_miss_is_nobody(daemon: Daemon, setup: Setup, client_id: str, name: x509.GeneralName) -> None:
    """R37: neither wildcards, nor other kinds, nor another case where case counts."""
    presented, mark = setup.leaf("near", name), daemon.mark()
    answer = ask(setup, presented, client_id, "answers")
    assert (answer.status, answer.json["error"]) == (401, "invalid_client")
    event = daemon.event("token.refused", mark, reason="subject.unknown")
    assert event["correlation_id"] == answer.json["correlation_id"]


def test_a_subject(daemon: Daemon, setup: Setup) -> None:
    """R7, R34."""
    presented = setup.leaf("subject", subject=victim())
    assert checked(setup, ask(setup, presented, "by-dn").token)["sub"] == "by-dn"


@pytest.mark.parametrize(
    ("subject", "reversed_order"),
    [
        (dn(CN="billing", O="Partner", C="DE"), True),
        (dn(C="DE", O="Partner", OU="x", CN="billing"), False),
        (dn(C="DE", O="Partner"), False),
        (dn(C="DE", O="Partner", CN="billing2"), False),
    ],
)
def test_a_subject_that_is_nearly_right(
    daemon: Daemon, setup: Setup, subject: x509.Name, reversed_order: bool
) -> None:
    """R34: the same attributes in another order are another name, and the audit log says so."""
    mark = daemon.mark()
    assert ask(setup, setup.leaf("near", subject=subject), "by-dn", "answers").status == 401
    event = daemon.event("token.refused", mark, reason="subject.unknown")
    assert ("reversed order" in event.get("expected", "")) is reversed_order


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("client_id", "pin"),
    [("pinned-pem", "pin-0"), ("pinned-pem", "pin-1"), ("pinned-jwks", "pin-2"), ("pinned-jwks", "pin-3")],
)
def test_each_pinned_certificate_of_a_client(
    daemon: Daemon, setup: Setup, client_id: str, pin: str, version: str
) -> None:
    """R12: registered as PEM files and as JWKs with x5c, several at once."""
    directory = setup.directory / "presented" / pin
    presented = Written(directory / "client.pem", directory / "client.key")
    answer = python(setup.url(), setup.ca_file, presented, request_token(client_id), version)
    assert checked(setup, answer.token)["cnf"] == {"x5t#S256": thumbprint(presented.certificate)}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_new_certificate_with_a_pinned_key_is_another_one(
    daemon: Daemon, setup: Setup, version: str
) -> None:
    """P19: the certificate is pinned, not its key."""
    presented = setup.present("again", setup.pki.self_signed("pin 0"))
    mark = daemon.mark()
    with pytest.raises(NoAnswer):
        python(setup.url(), setup.ca_file, presented, request_token("pinned-pem"), version)
    daemon.event("handshake.refused", mark, reason="pin.unknown")


def test_intermediates_that_the_client_sends(daemon: Daemon, setup: Setup) -> None:
    """Two of them, in the wrong order."""
    made = setup.pki.leaf(setup.pki.ca("Second", setup.pki.intermediate), names=[x509.DNSName(DNS)])
    assert len(made.chain) == 2
    assert ask(setup, setup.present("long", made), "by-dns").status == 200
    alone = setup.present("alone", setup.pki.leaf(names=[x509.DNSName(DNS)], chain=()))
    mark = daemon.mark()
    assert ask(setup, alone, "by-dns", "answers").status == 401
    daemon.event("token.refused", mark, reason="chain.untrusted")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_intermediates_that_the_group_holds(
    daemon: Daemon, setup: Setup, program: Program, version: str
) -> None:
    """P27: a client that sends its leaf alone."""
    directory = setup.directory / "presented" / "held"
    presented = Written(directory / "client.pem", directory / "client.key")
    answer = program(setup.url("held"), setup.ca_file, presented, request_token("held"), version)
    assert checked(setup, answer.token)["sub"] == "held"


def test_a_certificate_counts_where_its_anchors_are_trusted(daemon: Daemon, setup: Setup) -> None:
    """R30: the same certificate is nobody's on a listener that does not trust its CA."""
    directory = setup.directory / "presented" / "held"
    presented = Written(directory / "client.pem", directory / "client.key")
    assert ask(setup, presented, "held", "answers").status == 401


def test_optional_certificates(daemon: Daemon, setup: Setup) -> None:
    presented = setup.leaf("optional", x509.DNSName(DNS))
    assert ask(setup, presented, "by-dns", "optional").status == 200
    answer = python(setup.url("optional"), setup.ca_file, None, request_token("by-dns"))
    assert (answer.status, answer.json["error"]) == (401, "invalid_client")


def test_metadata_without_a_certificate(daemon: Daemon, setup: Setup) -> None:
    """R21, R62: what is said is what is served."""
    answer = get(setup.url("public", "/.well-known/oauth-authorization-server"), setup.ca_file)
    assert answer.headers["content-type"] == "application/json"
    metadata = answer.json
    assert metadata["issuer"] == setup.issuer
    assert metadata["mtls_endpoint_aliases"] == {"token_endpoint": setup.url()}
    assert metadata["token_endpoint_auth_methods_supported"] == [
        "tls_client_auth",
        "self_signed_tls_client_auth",
        "private_key_jwt",
    ]
    assert metadata["tls_client_certificate_bound_access_tokens"] is True
    assert not [name for name, value in metadata.items() if value in ([], {}, None)]
    presented = setup.leaf("metadata", x509.DNSName(DNS))
    url = metadata["mtls_endpoint_aliases"]["token_endpoint"]
    assert python(url, setup.ca_file, presented, request_token("by-dns")).status == 200
    keys = get(metadata["jwks_uri"], setup.ca_file).json["keys"]
    assert {key["use"] for key in keys} == {"sig"}
    assert not [key for key in keys if "d" in key]


def test_what_a_listener_does_not_serve_is_not_there(daemon: Daemon, setup: Setup) -> None:
    presented = setup.leaf("paths", x509.DNSName(DNS))
    assert get(setup.url("mtls", "/jwks"), setup.ca_file, presented).status == 404
    assert get(setup.url("public", "/token"), setup.ca_file).status == 404


def test_resources_become_the_audience(daemon: Daemon, setup: Setup) -> None:
    """R66, R67."""
    presented = setup.leaf("resources", x509.DNSName(DNS))
    token = ask(setup, presented, "by-dns", resource=RESOURCES[0], scope="invoices:read").token
    claims = checked(setup, token, RESOURCES[0])
    assert (claims["aud"], claims["scope"]) == (RESOURCES[0], "invoices:read")
    both = "grant_type=client_credentials&client_id=by-dns" + "".join(f"&resource={own}" for own in RESOURCES)
    token = python(setup.url(), setup.ca_file, presented, both).token
    assert checked(setup, token, RESOURCES[1])["aud"] == RESOURCES


def test_a_token_does_not_outlive_its_certificate(daemon: Daemon, setup: Setup) -> None:
    presented = setup.leaf("brief", x509.DNSName(DNS), valid=setup.pki.valid(-1, 100 / 86_400))
    answer = ask(setup, presented, "by-dns")
    claims = checked(setup, answer.token)
    end = x509.load_pem_x509_certificate(presented.certificate.read_bytes()).not_valid_after_utc
    assert claims["exp"] == int(end.timestamp())
    assert answer.json["expires_in"] == claims["exp"] - claims["iat"] <= 100


def test_each_kind_of_name_is_tested() -> None:
    assert {*BY_NAME} == {"by-dn", *RIGHT}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_algorithm_that_is_configured(tmp_path: Path, algorithm: str) -> None:
    setup = many_clients(Setup(tmp_path))
    setup.document["tokens"] = {"signing_algorithm": algorithm, "audience": "https://rs.example.com"}
    presented = setup.leaf("client", x509.DNSName(DNS), key=ec.generate_private_key(ec.SECP384R1()))
    with running(setup):
        token = ask(setup, presented, "by-dns").token
        assert jwt.get_unverified_header(token)["alg"] == algorithm
        assert checked(setup, token, "https://rs.example.com")["sub"] == "by-dns"
