"""Tokens bound to certificates of clients that are known by other means, and how they end: R20, R38."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from tests.end_to_end.actors import assertion, with_assertion
from tests.end_to_end.clients import Answer, python, request_token
from tests.end_to_end.daemon import Daemon, eventually, running
from tests.end_to_end.setup import Setup
from tests.pki import Written
from tests.pki.maker import Authority
from tests.unit.oauth.signing import jwk

SERVES = ["token", "introspection"]


@attrs.frozen
class World:
    """A CA with an intermediate, both with a revocation list; and a client that signs assertions.

    :ivar stranger: under the intermediate; no client has its name.
    """

    setup: Setup
    stranger: Written
    api: Written

    @classmethod
    def make(cls, directory: Path) -> World:
        setup = Setup(directory)
        setup.add_listener("optional", "optional", serves=SERVES)
        group = setup.document["trust_anchors"][0]
        group["revocation"] = {"crl": ["root.crl", "intermediate.crl"]}
        keys = {"keys": [jwk("P-256", 0)]}
        setup.add_client("signing", token_endpoint_auth_method="private_key_jwt", jwks=keys)
        named = {"tls_client_auth_san_dns": "api.example", "introspects": [setup.issuer]}
        setup.add_client("api", **named)
        stranger = setup.leaf("stranger", x509.DNSName("stranger.example"))
        world = cls(setup, stranger, setup.leaf("api", x509.DNSName("api.example")))
        world.revoke(1)
        return world

    def revoke(self, number: int, *revoked: Written) -> None:
        for name, authority in (("root", self.setup.pki.root), ("intermediate", self.setup.pki.intermediate)):
            listed = [own for own in revoked if name == "intermediate"]
            (self.setup.directory / f"{name}.crl").write_bytes(_list(authority, number, listed))

    def ask(self, certificate: Written) -> Answer:
        form = {
            **request_token("signing"), **with_assertion(assertion("signing", self.setup.issuer)),
        }  # fmt: skip
        return python(self.setup.url("optional"), self.setup.ca_file, certificate, form)

    def is_active(self, token: str) -> bool:
        form = {"client_id": "api", "token": token}
        answer = python(self.setup.url("optional", "/introspect"), self.setup.ca_file, self.api, form)
        active: bool = answer.json["active"]
        return active

    @property
    def bare(self) -> Written:
        """The stranger's certificate without its intermediate."""
        first = ssl.PEM_cert_to_DER_cert(self.stranger.certificate.read_text().split("-----END")[0] + _END)
        bare = self.setup.directory / "bare.pem"
        bare.write_text(ssl.DER_cert_to_PEM_cert(first))
        return Written(bare, self.stranger.key)


_END = "-----END CERTIFICATE-----\n"


def _list(authority: Authority, number: int, revoked: list[Written]) -> bytes:
    now = datetime.now(UTC)
    issuer = x509.load_der_x509_certificate(authority.der).subject
    made = x509.CertificateRevocationListBuilder(
        issuer_name=issuer,
        last_update=now - timedelta(minutes=10 - number),
        next_update=now + timedelta(days=1),
    ).add_extension(x509.CRLNumber(number), False)
    for own in revoked:
        leaf = x509.load_pem_x509_certificates(own.certificate.read_bytes())[0]
        made = made.add_revoked_certificate(x509.RevokedCertificateBuilder(leaf.serial_number, now).build())
    signed: Any = made.sign(authority.key, hashes.SHA256())
    encoded: bytes = signed.public_bytes(Encoding.PEM)
    return encoded


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.make(tmp_path / "daemon")


@pytest.fixture
def daemon(world: World) -> Iterator[Daemon]:
    with running(world.setup) as running_daemon:
        yield running_daemon


def check_refused(daemon: Daemon, answer: Answer) -> None:
    """The token would have to be bound, and there is nothing to bind it to."""
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")
    refused = daemon.events("token.refused")[-1]
    assert (refused["reason"], refused["certificate_refused"]) == ("binding.absent", "revocation.revoked")


def test_a_token_goes_with_the_certificate_of_a_stranger(world: World, daemon: Daemon) -> None:
    """And none is bound to it any more, though it comes without its intermediate: that came before."""
    token = world.ask(world.stranger).token
    assert world.is_active(token)
    also = world.ask(world.bare).token
    world.revoke(2, world.stranger)
    assert daemon.reload()["event"] == "reload.done"
    assert eventually(lambda: not world.is_active(token))
    assert not world.is_active(also)
    check_refused(daemon, world.ask(world.stranger))
    check_refused(daemon, world.ask(world.bare))


def test_a_certificate_that_is_revoked_already(world: World) -> None:
    world.revoke(2, world.stranger)
    with running(world.setup) as daemon:
        check_refused(daemon, world.ask(world.stranger))
        assert world.ask(world.bare).status == 200, "nobody has seen its intermediate"
        assert python(world.setup.url("optional"), world.setup.ca_file, world.api, request_token("api")).token
        check_refused(daemon, world.ask(world.bare))
