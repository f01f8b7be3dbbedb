"""Introspection and revocation with curl, by the processes that operators run: R18, R57, R58."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from mtlsd.jose import b64
from tests.end_to_end import clients
from tests.end_to_end.clients import TLS_1_3, Answer, get, request_token
from tests.end_to_end.daemon import Daemon, eventually, mtlsd, running
from tests.end_to_end.setup import Setup
from tests.end_to_end.tools import needs
from tests.pki import Written

pytestmark = needs("curl")

LEDGER = "urn:example:ledger"
NAMES = ("jwt", "opaque", "other", "api", "ledger")
SERVES = ["token", "introspection", "revocation"]
FORMATS = pytest.mark.parametrize("client_id", ["jwt", "opaque"])


def token_setup(directory: Path) -> Setup:
    """Clients with tokens of each format, two resource servers, and a revocation list that is a file."""
    setup = Setup(directory)
    setup.listener("mtls")["serves"] = SERVES
    setup.document["trust_anchors"][0]["revocation"] = {"crl": ["root.crl"]}
    for name in NAMES:
        setup.leaf(name, x509.DNSName(f"{name}.example"), issuer=setup.pki.root)
    setup.add_client("jwt", tls_client_auth_san_dns="jwt.example", resources=[LEDGER])
    setup.add_client("opaque", tls_client_auth_san_dns="opaque.example", access_token_format="opaque")
    setup.add_client("other", tls_client_auth_san_dns="other.example")
    for name, audience in (("api", setup.issuer), ("ledger", LEDGER)):
        introspects = {"tls_client_auth_san_dns": f"{name}.example", "introspects": [audience]}
        setup.add_client(name, **introspects, grant_types=[])
    revoke(setup, 1)
    return setup


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return token_setup(tmp_path / "daemon")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    return token_setup(tmp_path_factory.mktemp("tokens"))


@pytest.fixture(scope="module")
def daemon(shared: Setup) -> Iterator[Daemon]:
    with running(shared) as running_daemon:
        yield running_daemon


def presented(setup: Setup, name: str) -> Written:
    directory = setup.directory / "presented" / name
    return Written(*(directory / own for own in sorted(os.listdir(directory), reverse=True)))


def revoke(setup: Setup, number: int, *names: str) -> None:
    """Another list of the root's, put in place at once."""
    now = datetime.now(UTC)
    made = x509.CertificateRevocationListBuilder(
        issuer_name=x509.load_der_x509_certificate(setup.pki.root.der).subject,
        last_update=now - timedelta(minutes=10 - number),
        next_update=now + timedelta(days=1),
    ).add_extension(x509.CRLNumber(number), False)
    for name in names:
        revoked = x509.RevokedCertificateBuilder(certificate(setup, name).serial_number, now)
        made = made.add_revoked_certificate(revoked.build())
    signed: Any = made.sign(setup.pki.root.key, hashes.SHA256())
    fresh = setup.directory / "fresh.crl"
    fresh.write_bytes(signed.public_bytes(Encoding.PEM))
    fresh.rename(setup.directory / "root.crl")


def certificate(setup: Setup, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificates(presented(setup, name).certificate.read_bytes())[0]


def thumbprint(setup: Setup, name: str) -> str:
    der = certificate(setup, name).public_bytes(Encoding.DER)
    return b64.encode_text(hashlib.sha256(der).digest())


def post(setup: Setup, path: str, client_id: str, /, **form: str) -> Answer:
    whole = {"client_id": client_id, **form}
    own = presented(setup, client_id)
    return clients.curl(setup.url(path=path), setup.ca_file, own, whole, TLS_1_3)


def issued(setup: Setup, client_id: str, **form: str) -> str:
    return post(setup, "/token", client_id, **request_token(client_id, **form)).token


def introspected(setup: Setup, token: str, by: str = "api", **form: str) -> dict[str, Any]:
    answer = post(setup, "/introspect", by, token=token, **form)
    assert answer.status == 200, answer.body
    return answer.json


INACTIVE = {"active": False}


@FORMATS
def test_what_a_token_is(daemon: Daemon, shared: Setup, client_id: str) -> None:
    mark = daemon.mark()
    token = issued(shared, client_id, scope="invoices:read")
    assert (token.count(".") == 2) == (client_id == "jwt")
    said = introspected(shared, token)
    assert said["active"] is True
    assert said["cnf"] == {"x5t#S256": thumbprint(shared, client_id)}
    assert (said["iss"], said["aud"], said["sub"]) == (shared.issuer, shared.issuer, client_id)
    assert (said["scope"], said["token_type"]) == ("invoices:read", "Bearer")
    event = daemon.event("token.introspected", mark, client_id="api", issued_to=client_id)
    assert event["jti"] == said["jti"] == daemon.event("token.issued", mark)["jti"]
    assert token not in daemon.out.read_text()


@FORMATS
def test_the_comparison(daemon: Daemon, shared: Setup, client_id: str) -> None:
    token = issued(shared, client_id)
    same, another = (thumbprint(shared, name) for name in (client_id, "other"))
    assert introspected(shared, token, **{"x5t#S256": same})["cnf_matches"] is True
    assert introspected(shared, token, **{"x5t#S256": another}) == {**INACTIVE, "cnf_matches": False}


@FORMATS
def test_who_may_not_ask(daemon: Daemon, shared: Setup, client_id: str) -> None:
    """R58: neither the client itself, nor another one, nor a resource server that the token is not for."""
    token = issued(shared, client_id)
    assert introspected(shared, token, by="ledger") == INACTIVE
    for name in (client_id, "other"):
        refused = post(shared, "/introspect", name, token=token)
        assert (refused.status, refused.json["error"]) == (403, "unauthorized_client")
    borrowed = clients.curl(
        shared.url(path="/introspect"),
        shared.ca_file,
        presented(shared, "other"),
        {"client_id": "api", "token": token},
        TLS_1_3,
    )
    assert (borrowed.status, borrowed.json["error"]) == (401, "invalid_client")


def test_a_resource_of_the_client_s_choice(daemon: Daemon, shared: Setup) -> None:
    token = issued(shared, "jwt", resource=LEDGER)
    assert introspected(shared, token, by="ledger")["aud"] == LEDGER
    assert introspected(shared, token) == INACTIVE


def test_signed(daemon: Daemon, shared: Setup) -> None:
    """RFC 9701, read by a library that is not ours with the keys of the server."""
    token = issued(shared, "opaque")
    own = presented(shared, "api")
    command = ["curl", "--silent", "--cacert", shared.ca_file, "--noproxy", "*"]
    command += ["--cert", own.certificate, "--key", own.key, "--write-out", "\n%{content_type}"]
    command += ["-H", "Accept: application/token-introspection+jwt"]
    command += ["-d", f"client_id=api&token={token}", shared.url(path="/introspect")]
    done = subprocess.run(list(map(str, command)), text=True, capture_output=True, check=True, timeout=20)
    signed, content_type = done.stdout.split("\n")
    assert content_type == "application/token-introspection+jwt"
    keys = jwt.PyJWKSet.from_dict(get(shared.url("public", "/jwks"), shared.ca_file).json)
    header = jwt.get_unverified_header(signed)
    assert header["typ"] == "token-introspection+jwt"
    read = jwt.decode(
        signed, keys[header["kid"]].key, algorithms=["ES256"], audience="api", issuer=shared.issuer
    )
    assert read["token_introspection"] == introspected(shared, token)
    assert introspected(shared, signed) == INACTIVE


@FORMATS
def test_a_client_ends_its_token(daemon: Daemon, shared: Setup, client_id: str) -> None:
    """R57"""
    mark = daemon.mark()
    token, other = issued(shared, client_id), issued(shared, client_id)
    for thief in ("other", "api"):
        assert post(shared, "/revoke", thief, token=token).status == 200
        assert introspected(shared, token)["active"] is True
    assert daemon.event("token.foreign", mark, client_id="api")["issued_to"] == client_id
    for _ in range(2):
        answer = post(shared, "/revoke", client_id, token=token, token_type_hint="refresh_token")
        assert (answer.status, answer.body) == (200, b"{}")
    assert introspected(shared, token) == INACTIVE
    assert introspected(shared, other)["active"] is True
    assert daemon.event("token.revoked", mark)["issued_to"] == client_id


def test_unknown_tokens_and_bad_requests(daemon: Daemon, shared: Setup) -> None:
    mark = daemon.mark()
    for path, by in (("/introspect", "api"), ("/revoke", "jwt")):
        assert post(shared, path, by, token="nonsense").status == 200
        missing = post(shared, path, by)
        assert (missing.status, missing.json["error"]) == (400, "invalid_request")
        assert get(shared.url(path=path), shared.ca_file, presented(shared, by)).status == 405
    assert daemon.event("token.unknown", mark)["client_id"] == "jwt"
    assert daemon.event("introspection.refused", mark)["reason"] == "token.absent"
    assert daemon.event("revocation.refused", mark)["reason"] == "token.absent"


def test_metadata(daemon: Daemon, shared: Setup) -> None:
    path = "/.well-known/oauth-authorization-server"
    metadata = get(shared.url("public", path), shared.ca_file).json
    for name, where in (("introspection", "/introspect"), ("revocation", "/revoke")):
        url = shared.url(path=where)
        assert metadata[f"{name}_endpoint"] == metadata["mtls_endpoint_aliases"][f"{name}_endpoint"] == url
        assert "tls_client_auth" in metadata[f"{name}_endpoint_auth_methods_supported"]
    assert metadata["introspection_signing_alg_values_supported"] == ["ES256"]
    assert get(shared.url("public", "/introspect"), shared.ca_file).status == 404


def test_a_revoked_certificate_ends_its_tokens(setup: Setup) -> None:
    """It reaches the tokens, through a reload; the tokens of others live on."""
    with running(setup) as daemon:
        tokens = {name: issued(setup, name) for name in ("jwt", "opaque", "other")}
        mark = daemon.mark()
        revoke(setup, 2, "jwt", "opaque")
        assert daemon.reload()["event"] == "reload.done"
        for name in ("jwt", "opaque"):
            eventually(lambda name=name: introspected(setup, tokens[name]) == INACTIVE)  # type: ignore[misc]  # it is bound
        assert introspected(setup, tokens["other"])["active"] is True
        assert daemon.event("token.introspected", mark, inactive="certificate")


@pytest.mark.parametrize("ending", ["stop", "kill -9"])
def test_a_certificate_that_is_revoked_while_the_daemon_is_down(setup: Setup, ending: str) -> None:
    """Its client does not come again. What was answered in the last seconds before kill -9 is not covered."""
    with running(setup, code=0 if ending == "stop" else -9) as daemon:
        tokens = {name: issued(setup, name) for name in ("jwt", "opaque", "other")}
        if ending == "kill -9":
            assert eventually(lambda: kept_certificates(setup) == 3)
            daemon.process.kill()
            daemon.wait()
    assert kept_certificates(setup) == 3
    daemon.out.unlink()  # where the next one says that it is ready
    revoke(setup, 2, "jwt", "opaque")
    with running(setup):
        for name in ("jwt", "opaque"):
            eventually(lambda name=name: introspected(setup, tokens[name]) == INACTIVE)  # type: ignore[misc]  # it is bound
        assert introspected(setup, tokens["other"])["active"] is True


def kept_certificates(setup: Setup) -> int:
    with closing(sqlite3.connect(f"file:{setup.directory}/mtlsd.db?mode=ro", uri=True)) as store:
        found: int = store.execute("SELECT count(*) FROM artifact WHERE kind = 'certificate'").fetchone()[0]
    return found


@FORMATS
def test_a_client_that_is_disabled(setup: Setup, client_id: str) -> None:
    with running(setup) as daemon:
        token = issued(setup, client_id)
        next(own for own in setup.document["client"] if own["client_id"] == client_id)["disabled"] = True
        assert daemon.reload()["event"] == "reload.done"
        assert introspected(setup, token) == INACTIVE


def test_a_pin_that_is_removed(setup: Setup) -> None:
    """By a command, of a client in the store; the daemon sees it by itself."""
    pins = [setup.present(name, setup.pki.self_signed(name)) for name in ("pin", "another")]
    add = ("client", "add", "-c", setup.config, "--client-id", "pin", "--certificate")
    with running(setup):
        mtlsd(*add, pins[0].certificate)
        token = eventually(lambda: _token_or_none(setup))
        assert introspected(setup, token)["active"] is True
        mtlsd(*add, pins[1].certificate, "--replace")
        eventually(lambda: introspected(setup, token) == INACTIVE)


def _token_or_none(setup: Setup) -> str | None:
    try:
        answer = post(setup, "/token", "pin", **request_token("pin"))
    except clients.NoAnswer:
        return None
    return answer.token if answer.status == 200 else None


def test_opaque_tokens_and_ended_ones_outlive_the_daemon(setup: Setup) -> None:
    """What was answered is there after kill -9."""
    with running(setup, code=-9) as daemon:
        opaque, jwt_token = issued(setup, "opaque"), issued(setup, "jwt")
        ended = [issued(setup, name) for name in ("opaque", "jwt")]
        for name, token in zip(("opaque", "jwt"), ended, strict=True):
            assert post(setup, "/revoke", name, token=token).status == 200
        daemon.process.kill()
        daemon.process.wait()
    daemon.out.unlink()  # or the next one would seem to have started
    with running(setup):
        assert introspected(setup, opaque)["active"] is True
        assert introspected(setup, jwt_token)["active"] is True
        assert [introspected(setup, token) for token in ended] == [INACTIVE, INACTIVE]


def test_only_where_it_is_served(setup: Setup) -> None:
    setup.listener("mtls")["serves"] = ["token"]
    with running(setup):
        assert post(setup, "/introspect", "api", token="x").status == 404
        assert post(setup, "/revoke", "jwt", token="x").status == 404


def test_on_a_listener_that_asks_for_no_certificate(setup: Setup) -> None:
    setup.listener("public")["serves"] = ["introspection", "revocation"]
    said = mtlsd("check", "-c", setup.write())
    assert 'warning: mtlsd.toml: listener.public.serves: "introspection" needs certificates' in said
    assert '"revocation" needs certificates' in said
