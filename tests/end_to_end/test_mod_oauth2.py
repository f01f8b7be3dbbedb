"""A resource server that nobody wrote for mtlsd, libapache2-mod-oauth2, checks our bound tokens (R16)."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from secrets import token_urlsafe
from tempfile import TemporaryDirectory
from typing import Any

import jwt
import pytest
from cryptography import x509

from mtlsd.jose.signer import Signer
from mtlsd.keys.files import load
from tests.end_to_end.apache_resource_server import AUDIENCE, MODULES, Apache, apache, ledger_key
from tests.end_to_end.clients import Answer, Session
from tests.end_to_end.daemon import Daemon, running
from tests.end_to_end.setup import Setup
from tests.end_to_end.test_introspection import issued, post, presented, thumbprint
from tests.end_to_end.tools import needs
from tests.pki import Written
from tests.unit.jose.keys import signer

pytestmark = needs("apache2", MODULES / "mod_oauth2.so", "unshare", root=True)

PATHS = pytest.mark.parametrize("path", ["/invoices/", "/ledger/"])


def ready(directory: Path) -> Setup:
    """Clients with tokens of each format, and the resource server that introspects."""
    setup = Setup(directory)
    setup.listener("mtls")["serves"] = ["token", "revocation"]
    setup.add_listener("optional", "optional", serves=["introspection"])
    formats = {"jwt": "jwt", "opaque": "opaque", "other": "jwt"}
    for name, own in formats.items():
        setup.leaf(name, x509.DNSName(f"{name}.example"))
        known = {"tls_client_auth_san_dns": f"{name}.example", "access_token_format": own}
        setup.add_client(name, **known, resources=[AUDIENCE, "urn:example:elsewhere"])
    unbound = {"tls_client_auth_san_dns": "unbound.example", "resources": [AUDIENCE]}
    setup.leaf("unbound", x509.DNSName("unbound.example"))
    setup.add_client("unbound", **unbound, tls_client_certificate_bound_access_tokens=False)
    setup.add_client(
        "ledger",
        token_endpoint_auth_method="private_key_jwt",
        jwks={"keys": [ledger_key(private=False)]},
        grant_types=[],
        introspects=[AUDIENCE],
    )
    return setup


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    return ready(tmp_path_factory.mktemp("daemon"))


@pytest.fixture(scope="module")
def daemon(setup: Setup) -> Iterator[Daemon]:
    with running(setup) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def server(setup: Setup, daemon: Daemon) -> Iterator[Apache]:
    with apache(setup) as started:
        yield started


def ask(
    setup: Setup,
    server: Apache,
    path: str,
    token: str | None,
    over: str | None,
    headers: Mapping[str, str] = {},
) -> Answer:
    """A request with somebody's certificate, or with none."""
    certificate: Written | None = None if over is None else presented(setup, over)
    sent = {"Authorization": f"Bearer {token}"} if token is not None else {}
    with Session(server.url(path), setup.ca_file, certificate) as session:
        return session.request("GET", headers={"Content-Type": "", **headers, **sent})


def refused(answer: Answer) -> bool:
    """By the header of RFC 6750, R56."""
    challenge = answer.headers.get("www-authenticate", "")
    return answer.status == 401 and challenge.startswith("Bearer ") and 'error="invalid_token"' in challenge


@pytest.mark.parametrize(
    ("path", "client_id"), [("/invoices/", "jwt"), ("/ledger/", "jwt"), ("/ledger/", "opaque")]
)
def test_the_right_certificate_and_others(setup: Setup, server: Apache, path: str, client_id: str) -> None:
    token = issued(setup, client_id, resource=AUDIENCE)
    good = ask(setup, server, path, token, client_id)
    assert (good.status, good.headers["x-client-id"]) == (200, client_id)
    assert refused(ask(setup, server, path, token, "other"))
    assert refused(ask(setup, server, path, token, None))
    assert ask(setup, server, path, token, client_id).status == 200, "others have spoilt nothing"


@PATHS
def test_no_token(setup: Setup, server: Apache, path: str) -> None:
    answer = ask(setup, server, path, None, "jwt")
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer ")


@PATHS
def test_a_token_that_is_bound_to_nothing(setup: Setup, server: Apache, path: str) -> None:
    token = issued(setup, "unbound", resource=AUDIENCE)
    assert refused(ask(setup, server, path, token, "unbound"))


@PATHS
def test_another_audience(setup: Setup, server: Apache, path: str) -> None:
    token = issued(setup, "jwt", resource="urn:example:elsewhere")
    assert ask(setup, server, path, token, "jwt").status == 401


def test_another_scope(setup: Setup, server: Apache) -> None:
    token = issued(setup, "jwt", resource=AUDIENCE, scope="invoices:write")
    assert ask(setup, server, "/invoices/", token, "jwt").status == 401
    token = issued(setup, "jwt", resource=AUDIENCE, scope="invoices:read")
    assert ask(setup, server, "/invoices/", token, "jwt").status == 200


def test_forged_claims(setup: Setup, server: Apache) -> None:
    token = issued(setup, "jwt", resource=AUDIENCE)
    answer = ask(setup, server, "/invoices/", token, "jwt", {"OAUTH2_CLAIM_client_id": "root"})
    assert answer.headers["x-client-id"] == "jwt"


def signed(setup: Setup, by: Signer, **change: Any) -> str:
    """A token as the daemon would issue it, made by PyJWT. A claim of None is left out."""
    now = int(time.time())
    good = {
        "iss": setup.issuer,
        "sub": "jwt",
        "client_id": "jwt",
        "aud": AUDIENCE,
        "scope": "invoices:read",
        "cnf": {"x5t#S256": thumbprint(setup, "jwt")},
        "iat": now,
        "exp": now + 300,
        "jti": token_urlsafe(),
    }
    claims = {name: value for name, value in {**good, **change}.items() if value is not None}
    key: Any = by.private_key
    return jwt.encode(claims, key, by.alg, {"typ": "at+jwt", "kid": by.kid})


def own_signer(setup: Setup) -> Signer:
    return load(setup.directory / "keys").signer


PAST = 1_700_000_000
BAD: Mapping[str, Callable[[Setup], str]] = {
    "expired": lambda setup: signed(setup, own_signer(setup), iat=PAST, exp=PAST + 300),
    "no end": lambda setup: signed(setup, own_signer(setup), exp=None),
    "another key": lambda setup: signed(setup, signer("ES256", 5)),
    "another issuer": lambda setup: signed(setup, own_signer(setup), iss="https://other.example.com"),
    "no confirmation": lambda setup: signed(setup, own_signer(setup), cnf=None),
    "an empty confirmation": lambda setup: signed(setup, own_signer(setup), cnf={}),
    "changed": lambda setup: signed(setup, own_signer(setup))[:-4] + "AAAA",
}


@PATHS
@pytest.mark.parametrize("kind", BAD)
def test_bad_tokens(setup: Setup, server: Apache, path: str, kind: str) -> None:
    assert ask(setup, server, "/invoices/", signed(setup, own_signer(setup)), "jwt").status == 200
    assert ask(setup, server, path, BAD[kind](setup), "jwt").status == 401


def test_another_key_under_a_known_name(setup: Setup, server: Apache) -> None:
    key: Any = signer("ES256", 5).private_key
    claims = jwt.decode(signed(setup, own_signer(setup)), options={"verify_signature": False})
    forged = jwt.encode(claims, key, "ES256", {"typ": "at+jwt", "kid": own_signer(setup).kid})
    assert refused(ask(setup, server, "/invoices/", forged, "jwt"))


@pytest.mark.parametrize("client_id", ["jwt", "opaque"])
def test_a_token_that_was_revoked(setup: Setup, server: Apache, client_id: str) -> None:
    """At once where it is introspected; nobody else hears of it."""
    token = issued(setup, client_id, resource=AUDIENCE)
    assert ask(setup, server, "/ledger/", token, client_id).status == 200
    assert post(setup, "/revoke", client_id, token=token).status == 200
    assert refused(ask(setup, server, "/ledger/", token, client_id))
    if client_id == "jwt":
        assert ask(setup, server, "/invoices/", token, client_id).status == 200


def test_what_the_page_says_of_results_that_are_kept(setup: Setup, daemon: Daemon) -> None:
    """Without `expiry=0` a revoked token is still good, in every location."""
    with apache(setup, {"&expiry=0": ""}) as server:
        token = issued(setup, "jwt", resource=AUDIENCE)
        assert ask(setup, server, "/invoices/", token, "jwt").status == 200
        assert post(setup, "/revoke", "jwt", token=token).status == 200
        assert ask(setup, server, "/ledger/", token, "jwt").status == 200


def test_what_the_page_says_of_client_certificates(setup: Setup, daemon: Daemon) -> None:
    """mod_oauth2 sends no client_id with them."""
    with TemporaryDirectory() as directory:
        readable = Path(directory)  # by Apache's own user
        readable.chmod(0o755)
        written = presented(setup, "other")
        for file in (written.certificate, written.key):
            shutil.copy(file, readable / file.name)
            (readable / file.name).chmod(0o644)
        credentials = f"&cert={readable}/client.pem&key={readable}/client.key"
        with apache(setup, {"private_key_jwt": "client_cert", "&client_id=ledger": credentials}) as server:
            mark = daemon.mark()
            token = issued(setup, "opaque", resource=AUDIENCE)
            assert refused(ask(setup, server, "/ledger/", token, "opaque"))
    daemon.event("introspection.refused", mark, reason="client_id.absent", client_id=None)
