"""Listeners that cannot work, or not for long."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.pki.maker import Presented, ec_key, rsa_key
from tests.unit.config.example import HOST, Example, pem, pki, server


@pytest.fixture
def example(tmp_path: Path) -> Example:
    return Example.make(tmp_path)


AS_PEM = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
NOTHING = "means nothing on a listener that asks for no certificate"
MTLS = "mtlsd.toml: listener.mtls"
PUBLIC = "mtlsd.toml: listener.public"


@pytest.mark.parametrize(
    ("table", "key", "value", "told"),
    [
        ("mtls", "serves", [], ".serves: is empty"),
        ("mtls", "client_certificate", "asked", '.client_certificate: "asked" is unknown here'),
        ("mtls", "trust_anchors", ["partner"], '.trust_anchors[0]: "partner" is no trust anchor group'),
        ("mtls", "public_url", "http://x", '.public_url: "http://x" does not start with https://'),
        ("mtls", "limits", {"connections": 0}, ".limits.connections: 0 is out of bounds"),
        ("mtls", "certificate", "", '.certificate: "" is not a regular file'),
        ("mtls", "certificate", "\0", '.certificate: "\\u0000" is no file name'),
        (
            "mtls",
            "certificate",
            "x" * 5000,
            f'.certificate: "{"x" * 79}..." cannot be read: File name too long',
        ),
        ("mtls", "endpoint", "unix:/x", ".public_url: is missing, and the endpoint does not tell the port"),
        ("public", "endpoint", "tcp:8443:interface=127.0.0.1", ".endpoint: listener mtls listens there too"),
        ("public", "refuse_in", "handshake", f".refuse_in: {NOTHING}"),
        ("public", "trust_anchors", [], f".trust_anchors: {NOTHING}"),
        ("public", "x509_strict", True, f".x509_strict: {NOTHING}"),
    ],
)
def test_listener(example: Example, table: str, key: str, value: object, told: str) -> None:
    getattr(example, table)[key] = value
    assert example.told() == [f"mtlsd.toml: listener.{table}{told}"]


@pytest.mark.parametrize(
    ("table", "value", "told"),
    [
        ("listener", [], "listener: there is no listener"),
        ("listener", {"name": "mtls"}, "listener: is no list of tables"),
        ("listener", [1], "listener: is no list of tables"),
        ("tokens", 1, "tokens: is no table"),
        ("tokens", {"signing_keys": "root.pem"}, 'tokens.signing_keys: "root.pem" is no directory'),
        ("tokens", {"signing_keys": "a/b"}, 'tokens.signing_keys: "a/b" stands in no directory'),
        ("tokens", {"audience": " "}, "tokens.audience: is empty"),
        ("tokens", {"signing_algorithm": "none"}, 'tokens.signing_algorithm: "none" is unknown here'),
        ("store", {"url": "postgresql://x/y"}, "store.url: this release has no PostgreSQL store"),
        ("store", {"url": "mtlsd.db"}, 'store.url: "mtlsd.db" is no store'),
        ("store", {"url": "sqlite:"}, 'store.url: "sqlite:" is no store'),
        ("store", {"url": "sqlite:no/x.db"}, 'store.url: "no/x.db" stands in no directory'),
        ("store", {"url": "sqlite:."}, 'store.url: "." is a directory'),
        ("audit", {"file": ""}, 'audit.file: "" is a directory'),
        ("drain_seconds", 0, "drain_seconds: 0 is out of bounds"),
        ("issuer", "https://x/", 'issuer: "https://x/" ends with a slash'),
    ],
)
def test_other_tables(example: Example, table: str, value: object, told: str) -> None:
    example.document[table] = value
    assert f"mtlsd.toml: {told}" in example.told()
    assert sum(not note.startswith("?") for note in example.told()) == 1


def test_old_pki(example: Example) -> None:
    example.mtls["x509_strict"] = False
    assert example.told() == [
        f"?{MTLS}.x509_strict: is false: certificates that break rules of RFC 5280 are accepted"
    ]
    assert not example.load().config.listeners[0].x509_strict


def test_names_of_listeners(example: Example) -> None:
    example.public["name"] = "mtls"
    assert example.told() == [f'{MTLS}.name: "mtls" is there twice']
    example.mtls["name"] = "a b"
    assert example.told() == ['mtlsd.toml: listener."a b".name: "a b" cannot be used']


def test_issuer_is_missing(example: Example) -> None:
    """Nothing is told that only follows from that."""
    del example.document["issuer"]
    assert example.told() == ["mtlsd.toml: issuer: is missing"]


@pytest.mark.parametrize(
    ("serves", "told"),
    [
        (["metadata"], ["?mtlsd.toml: listener: no listener serves jwks"]),
        (["jwks"], ["?mtlsd.toml: listener: no listener serves metadata"]),
    ],
)
def test_what_resource_servers_need(example: Example, serves: list[str], told: list[str]) -> None:
    example.public["serves"] = serves
    assert example.told() == told


def test_no_token_endpoint(example: Example) -> None:
    example.mtls["serves"] = ["jwks"]
    assert "mtlsd.toml: listener: no listener serves the token endpoint" in example.told()


def test_metadata_is_not_at_the_issuer(example: Example) -> None:
    """RFC 8414 section 3: metadata is found by the issuer's host and port (R62)."""
    example.document["issuer"] = f"https://{HOST}"
    assert example.told() == [
        "?mtlsd.toml: issuer: no listener that serves metadata is reached there (RFC 8414 section 3)"
    ]
    example.public["public_url"] = f"https://{HOST}/"
    assert example.told() == []


def test_client_that_no_listener_can_serve(example: Example) -> None:
    others = {"name": "others", "certificates": ["sub.pem"], "revocation": {"ocsp": "from-certificate"}}
    example.document["trust_anchors"].append(others)
    example.client(0)["trust_anchors"] = ["others"]
    assert example.told() == [
        "?mtlsd.toml: trust_anchors.others: no listener trusts this group",
        "mtlsd.toml: client.billing.trust_anchors: no listener with a token endpoint trusts any of them",
    ]


def test_nobody_can_ask_what_tokens_are(example: Example) -> None:
    example.client(0)["access_token_format"] = "opaque"
    example.client(1)["introspects"] = ["urn:ledger"]
    nobody = "no resource server can find out what the tokens are"
    assert example.told() == [
        f"?mtlsd.toml: client.billing.access_token_format: {nobody}",
        "?mtlsd.toml: client.pinned.introspects: no listener serves introspection",
    ]
    example.mtls["serves"] = ["token", "introspection"]
    assert example.told() == []


def test_nobody_to_accept(example: Example) -> None:
    del example.document["client"], example.document["trust_anchors"], example.mtls["trust_anchors"]
    assert example.told() == [f"?{MTLS}.client_certificate: no certificate can be accepted here"]


# -- the server's certificate ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("presented", "told"),
    [
        (
            lambda: server(valid=pki().valid(-9, -1)),
            "certificate: the server certificate expired on 2026-11-20",
        ),
        (
            lambda: server(valid=pki().valid(-9, 29)),
            "?certificate: the server certificate expires on 2026-12-20",
        ),
        (
            lambda: server(valid=pki().valid(1, 90)),
            "?certificate: the server certificate is valid from 2026-11-22 12:00 UTC on",
        ),
        (
            lambda: server(purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,)),
            "certificate: is not for servers: its extended key usage has no serverAuth",
        ),
        (lambda: server(names=None), "?certificate: has no name of a server"),
        (
            lambda: server(names=[x509.DNSName("other.example.com")]),
            f"?certificate: does not have the name {HOST}, under which clients come",
        ),
        (lambda: server(key=rsa_key("weak", 1024)), "certificate: has an RSA key of 1024 bits"),
    ],
)
def test_server_certificate(example: Example, presented: Callable[[], Presented], told: str) -> None:
    example.serve(presented())
    mark = "?" if told.startswith("?") else ""
    told = told.removeprefix("?")
    assert example.told() == [f"{mark}{MTLS}.{told}", f"{mark}{PUBLIC}.{told}"]


@pytest.mark.parametrize("names", [["*.example.com"], ["AS.EXAMPLE.COM"], [HOST, "x.test"]])
def test_names_that_cover(example: Example, names: list[str]) -> None:
    example.serve(server(names=[x509.DNSName(name) for name in names]))
    assert example.told() == []


def test_address_that_is_covered(example: Example) -> None:
    example.mtls["public_url"] = "https://192.0.2.1:8443"
    assert example.told() == []
    example.mtls["public_url"] = "https://[2001:db8::1]:8443"
    assert example.told() == [
        f"?{MTLS}.certificate: does not have the name 2001:db8::1, under which clients come"
    ]


def test_no_usages_at_all(example: Example) -> None:
    example.serve(server(purposes=None))
    assert example.told() == []


def test_chain_in_disorder(example: Example) -> None:
    presented = server()
    example.put("server.pem", pem(presented.leaf) + pem(pki().intermediate.der))
    assert (
        example.told()[0]
        == f"?{MTLS}.certificate: certificate 2 of the chain did not issue the one before it"
    )


# -- the server's key -----------------------------------------------------------------------------------


def _key(encryption: NoEncryption | BestAvailableEncryption) -> bytes:
    return ec_key("leaf").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (_key(BestAvailableEncryption(b"x")), '"server.key" is encrypted'),
        (b"", '"server.key" has no private key that can be read'),
        (
            dsa.generate_private_key(1024).private_bytes(*AS_PEM),
            '"server.key" has a key of a kind that is not for TLS servers',
        ),
        (
            x25519.X25519PrivateKey.generate().private_bytes(*AS_PEM),
            '"server.key" has a key of a kind that is not for TLS servers',
        ),
        (
            ec_key("other").private_bytes(*AS_PEM),
            "does not fit the certificate",
        ),
    ],
)
def test_bad_key(example: Example, content: bytes, told: str) -> None:
    example.put("server.key", content)
    assert example.told() == [f"{MTLS}.key: {told}", f"{PUBLIC}.key: {told}"]


def test_traditional_key(example: Example) -> None:
    key = ec_key("leaf").private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    example.put("server.key", key)
    assert example.told() == []


def test_key_of_another_certificate_in_the_chain(example: Example) -> None:
    presented = server()
    other = server(key=ec_key("first"))
    example.put("server.pem", pem(other.leaf) + pem(presented.leaf))
    assert f"{MTLS}.key: fits certificate 2 of the chain, not the first" in example.told()


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602, 0o601, 0o620])
def test_key_open_to_others(example: Example, mode: int) -> None:
    example.put("server.key", _key(NoEncryption()), mode)
    told = '"server.key" is open to other users'
    assert example.told() == [f"{MTLS}.key: {told}", f"{PUBLIC}.key: {told}"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", '"server.pem" has no certificate'),
        (b"\x30\x82", '"server.pem" has no certificate, it is DER'),
        (
            b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
            '"server.pem" certificate 1 cannot be read: ValueError: error parsing asn1 value: ParseError',
        ),
    ],
)
def test_bad_certificate_file(example: Example, content: bytes, told: str) -> None:
    example.put("server.pem", content)
    assert example.told()[0].startswith(f"{MTLS}.certificate: {told}")


# -- metrics ----------------------------------------------------------------------------------------------


def _metrics(example: Example, **how: object) -> list[str]:
    listener = {**example.public, "name": "metrics", "endpoint": "tcp:9443:interface=127.0.0.1"}
    example.document["listener"].append({**listener, "serves": ["metrics"], **how})
    example.document["listener"][-1] = {
        key: value for key, value in example.document["listener"][-1].items() if value is not None
    }
    return [note.partition("listener.metrics.")[2] for note in example.told()]


@pytest.mark.parametrize(
    "endpoint",
    ["tcp:9443:interface=127.0.0.1", "tcp:9443:interface=127.0.0.9", "tcp6:9443:interface=\\:\\:1"],
)
def test_metrics_on_loopback(example: Example, endpoint: str) -> None:
    assert _metrics(example, endpoint=endpoint) == []


def test_metrics_on_a_unix_socket(example: Example) -> None:
    assert _metrics(example, endpoint="unix:/run/x", public_url=f"https://{HOST}") == []


@pytest.mark.parametrize(
    "how",
    [
        {"endpoint": "tcp:9443"},
        {"endpoint": "tcp:9443:interface=192.0.2.1"},
        {"endpoint": "systemd:domain=INET:name=metrics", "public_url": f"https://{HOST}"},
        {"endpoint": "tcp:9443", "client_certificate": "required"},
        {"endpoint": "tcp:9443", "client_certificate": "optional", "trust_anchors": ["partners"]},
    ],
)
def test_metrics_are_not_for_whoever_comes(example: Example, how: dict[str, object]) -> None:
    assert _metrics(example, **how) == ['serves: "metrics" would be shown to whoever reaches the listener']


def test_metrics_for_clients_of_a_group_that_is_named(example: Example) -> None:
    how = {"endpoint": "tcp:9443", "client_certificate": "required", "trust_anchors": ["partners"]}
    assert _metrics(example, **how) == []


def test_metrics_stand_alone(example: Example) -> None:
    assert _metrics(example, serves=["jwks", "metrics"]) == ['serves: "metrics" cannot stand beside others']
