"""Clients that register themselves with curl at a daemon that runs: R59, R60, R61, R82."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from mtlsd.jose.jwk import jwk_of_certificate
from tests.end_to_end.clients import Answer, Session, get, python, request_token
from tests.end_to_end.daemon import Daemon, mtlsd, running
from tests.end_to_end.setup import Setup
from tests.end_to_end.tools import needs
from tests.pki import Written, dn, ec_key

pytestmark = needs("curl")

JSON = {"Content-Type": "application/json"}
METHODS = ["tls_client_auth", "self_signed_tls_client_auth"]


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    """Listeners: mtls (required), register (optional, trusts both groups), public."""
    setup = Setup(tmp_path_factory.mktemp("registration"))
    other = setup.pki.ca("Other Root", None)
    setup.add_anchors("others", other.der)
    setup.present("of-others", setup.pki.leaf(other, names=[x509.DNSName("x.example")], chain=()))
    setup.add_listener("register", "optional", serves=["registration", "token"])
    setup.listener("public")["serves"] = ["metadata", "jwks", "registration"]
    setup.add_client("in-a-file", tls_client_auth_san_dns="file.example")
    setup.add_client("disabled", tls_client_auth_san_dns="disabled.example", disabled=True)
    setup.document["registration"] = {
        "modes": ["certificate", "initial_access_token"],
        "trust_anchors": ["partners"],
        "scopes": ["invoices:read"],
        "token_endpoint_auth_methods": METHODS,
        "per_address_per_hour": 100_000,
    }
    return setup


@pytest.fixture(scope="module")
def daemon(setup: Setup) -> Iterator[Daemon]:
    with running(setup) as running_daemon:
        yield running_daemon


def presented(setup: Setup, name: str, **how: Any) -> Written:
    """A certificate for this name, with a key of its own."""
    return setup.leaf(name, x509.DNSName(f"{name}.example"), key=ec_key(name), **how)


def curl(
    setup: Setup, url: str, by: Written | None, method: str = "POST", body: Any = None, token: str = ""
) -> Answer:
    """What curl gets."""
    command = ["curl", "--silent", "--show-error", "--cacert", str(setup.ca_file), "--noproxy", "*"]
    command += ["-X", method, "-D", "-", "-w", "\n%{http_code}"]
    if body is not None:
        text = body if isinstance(body, str) else json.dumps(body)
        command += ["-H", "Content-Type: application/json", "-d", text]
    if token:
        command += ["-H", f"Authorization: Bearer {token}"]
    if by is not None:
        command += ["--cert", str(by.certificate), "--key", str(by.key)]
    done = subprocess.run([*command, url], capture_output=True, timeout=20, check=True)
    whole, _, status = done.stdout.rpartition(b"\n")
    head, _, content = whole.partition(b"\r\n\r\n")
    lines = (line.split(": ", 1) for line in head.decode().splitlines()[1:])
    return Answer(int(status), content, {name.lower(): value for name, value in lines})


def register(
    setup: Setup, by: Written | None, metadata: Any, token: str = "", listener: str = "register"
) -> Answer:
    return curl(setup, setup.url(listener, "/register"), by, "POST", metadata, token)


def token_of(setup: Setup, by: Written, client_id: str, listener: str = "register") -> Answer:
    return python(setup.url(listener), setup.ca_file, by, request_token(client_id))


def test_metadata(daemon: Daemon, setup: Setup) -> None:
    """The alias is where a certificate can be presented; the endpoint is where everybody gets."""
    metadata = get(setup.url("public", "/.well-known/oauth-authorization-server"), setup.ca_file).json
    assert metadata["registration_endpoint"] == setup.url("public", "/register")
    assert metadata["mtls_endpoint_aliases"]["registration_endpoint"] == setup.url("register", "/register")


def test_the_whole_life(daemon: Daemon, setup: Setup) -> None:
    """R59, R61: register, get a token at once, look, change, end."""
    own = presented(setup, "life")
    mark = daemon.mark()
    answer = register(setup, own, {"tls_client_auth_san_dns": "LIFE.example", "client_name": "Life"})
    assert (answer.status, answer.headers["cache-control"]) == (201, "no-store")
    told = answer.json
    client_id, token, uri = (
        told[name] for name in ("client_id", "registration_access_token", "registration_client_uri")
    )
    assert told["tls_client_auth_san_dns"] == "LIFE.example"
    assert told["tls_client_auth_san_dns_read_as"].lower() == "life.example"
    assert token_of(setup, own, client_id).status == 200
    assert token_of(setup, own, client_id, "mtls").status == 200
    assert curl(setup, uri, None, "GET", token=token).json == told
    change = {"client_id": client_id, "tls_client_auth_san_dns": "life.example"}
    changed = curl(setup, uri, own, "PUT", change, token)
    assert changed.status == 200
    assert "client_name" not in changed.json
    old = curl(setup, uri, own, "GET", token=token)
    assert (old.status, old.json["error"]) == (401, "invalid_token")
    assert old.headers["www-authenticate"].startswith("Bearer ")
    ended = curl(setup, uri, own, "DELETE", token=changed.json["registration_access_token"])
    assert (ended.status, ended.body) == (204, b"")
    assert "content-length" not in ended.headers
    assert token_of(setup, own, client_id).json["error"] == "invalid_client"
    events = [own["event"] for own in daemon.events(since=mark) if own.get("client_id") == client_id]
    assert events == [
        "client.registered", "token.issued", "token.issued", "client.read", "client.updated",
        "registration.refused", "client.deleted", "token.refused",
    ]  # fmt: skip
    written = daemon.out.read_text() + daemon.stderr
    assert token not in written
    assert changed.json["registration_access_token"] not in written


@pytest.mark.parametrize("text", ["CN=spelling", "2.5.4.3=#0c087370656c6c696e67"])
def test_both_spellings_of_a_dn(daemon: Daemon, setup: Setup, text: str) -> None:
    """R82"""
    own = presented(setup, "spelling")
    answer = register(setup, own, {"tls_client_auth_subject_dn": text})
    assert answer.status == 201, answer.body
    assert answer.json["tls_client_auth_subject_dn"] == text
    assert answer.json["tls_client_auth_subject_dn_read_as"] == "CN=spelling"
    assert token_of(setup, own, answer.json["client_id"]).status == 200
    token = answer.json["registration_access_token"]
    assert curl(setup, answer.json["registration_client_uri"], None, "DELETE", token=token).status == 204


def test_a_pinned_client_by_a_token(daemon: Daemon, setup: Setup) -> None:
    """R60: the operator's token is good for one client. The store knows no more than its hash."""
    pin = setup.pki.self_signed("registering pin")
    own = setup.present("registering-pin", pin)
    initial = mtlsd("client", "token", "-c", setup.config, "--label", "pinned").strip()
    metadata = {
        "token_endpoint_auth_method": METHODS[1],
        "jwks": {"keys": [jwk_of_certificate(pin.leaf)]},
    }
    assert register(setup, own, metadata).status == 401
    assert register(setup, None, metadata, initial).json["error"] == "invalid_client_metadata"
    answer = register(setup, own, metadata, initial)
    assert answer.status == 201, answer.body
    assert register(setup, own, metadata, initial).status == 401
    assert token_of(setup, own, answer.json["client_id"]).status == 200
    assert "used" in mtlsd("client", "token", "-c", setup.config, "--list")
    files = b"".join(path.read_bytes() for path in setup.directory.glob("mtlsd.db*"))
    assert initial.encode() not in files


@pytest.mark.parametrize(
    "name", ["of-others", "disabled", "nobody", "stranger"]
)  # fmt: skip
def test_who_may_not(daemon: Daemon, setup: Setup, name: str) -> None:
    """R60; R30: a group that may not vouch, a client that is disabled, no certificate, and nobody's."""
    setup.present("stranger", setup.pki.self_signed("stranger"))
    presented(setup, "disabled")
    path = setup.directory / "presented" / name
    own = None if name == "nobody" else Written(path / "client.pem", path / "client.key")
    mark = daemon.mark()
    answer = register(setup, own, {})
    assert (answer.status, answer.json["error"]) == (401, "invalid_token")
    assert answer.headers["www-authenticate"] == 'Bearer realm="registration"'
    assert daemon.event("registration.refused", mark)["reason"] == "registration.credentials"


def test_what_cannot_be_registered(daemon: Daemon, setup: Setup) -> None:
    """R59: the error says which member; who has it already stands in the audit log alone."""
    own = presented(setup, "file")
    taken = register(setup, own, {"tls_client_auth_san_dns": "file.example"})
    assert (taken.status, taken.json["error"]) == (400, "invalid_client_metadata")
    assert "in-a-file" not in taken.body.decode()
    assert daemon.event("registration.refused", reason="registration.taken")
    scope = register(setup, own, {"scope": "invoices:read admin"})
    assert "scope" in scope.json["error_description"]
    uri = register(setup, own, {"redirect_uris": ["https://evil.example/"]})
    assert uri.json["error"] == "invalid_redirect_uri"
    for private in (
        "https://127.0.0.1/jwks",
        "https://localhost/jwks",
        "https://10.0.0.1/jwks",
        "https://as/jwks",
    ):
        found = register(setup, own, {"token_endpoint_auth_method": METHODS[1], "jwks_uri": private})
        assert found.json["error"] == "invalid_client_metadata"
        assert "jwks_uri" in found.json["error_description"]
    for body in ('{"scope": "a", "scope": "b"}', "[" * 5000, "[]", "{", '{"a": NaN}'):
        assert register(setup, own, body).json["error"] == "invalid_client_metadata"


def test_wrong_methods_and_paths(daemon: Daemon, setup: Setup) -> None:
    url = setup.url("register", "/register")
    assert curl(setup, url, None, "GET").status == 405
    assert curl(setup, f"{url}/c_none", None, "POST").headers["allow"] == "GET, PUT, DELETE"
    assert curl(setup, f"{url}/c_none", None, "GET").status == 401
    assert curl(setup, f"{url}/c_none/x", None, "GET").status == 404
    assert curl(setup, setup.url("register", "/register/"), None, "GET", token="x").status == 401


def test_an_operator_approves(daemon: Daemon, setup: Setup) -> None:
    """With a stolen registration token nobody becomes the client; an operator can say that it is right."""
    own, other = presented(setup, "owner"), presented(setup, "other")
    told = register(setup, own, {}).json
    change = {"client_id": told["client_id"], "tls_client_auth_subject_dn": "CN=other"}
    uri, token = told["registration_client_uri"], told["registration_access_token"]
    answer = curl(setup, uri, other, "PUT", change, token)
    assert (answer.status, answer.json["error"]) == (403, "access_denied")
    assert token_of(setup, other, told["client_id"]).status == 401
    assert "CN=owner -> CN=other" in mtlsd("client", "approve", "-c", setup.config)
    mtlsd("client", "approve", "-c", setup.config, told["client_id"])
    assert "no change waits" in mtlsd("client", "approve", "-c", setup.config)
    daemon.event("reload.done", daemon.mark() - 1)
    read = curl(setup, uri, None, "GET", token=token)
    assert read.json["tls_client_auth_subject_dn"] == "CN=other"


def test_fifty_at_once(daemon: Daemon, setup: Setup) -> None:
    """One token registers one client, and one name belongs to one client: whoever is first."""
    initial = mtlsd("client", "token", "-c", setup.config).strip()
    by_name = presented(setup, "at-once")

    def attempt(number: int) -> int:
        url = setup.url("register", "/register")
        body = json.dumps({"tls_client_auth_san_dns": "at-once.example"})
        authorization = {"Authorization": f"Bearer {initial}"} if number % 2 else {}
        with Session(url, setup.ca_file, by_name) as session:
            return session.request("POST", body, {**JSON, **authorization}).status

    with ThreadPoolExecutor(50) as pool:
        statuses = list(pool.map(attempt, range(50)))
    assert statuses.count(201) == 1
    assert set(statuses) <= {201, 400, 401}


def test_a_revoked_certificate_registers_nothing(tmp_path: Path) -> None:
    """Nobody has registered its name yet; it is refused all the same."""
    directory = tmp_path / "dev"
    mtlsd("dev", "init", directory)
    config = directory / "mtlsd.toml"
    setup = Setup(tmp_path / "setup")
    port, public = (setup.ports[name] for name in ("mtls", "public"))
    text = config.read_text().replace("8443", str(port)).replace("8444", str(public))
    text = text.replace(
        'client_certificate = "required"', 'client_certificate = "required"\nrefuse_in = "response"'
    )
    text = text.replace('modes = ["initial_access_token"]', 'modes = ["certificate"]')
    text = text.split("[[client]]")[0]
    config.write_text(text)
    setup.write = lambda: config  # type: ignore[method-assign]  # the one that is there
    own = Written(directory / "billing.pem", directory / "billing.key")
    ca = directory / "ca.pem"

    def attempt() -> Answer:
        with Session(f"https://localhost:{port}/register", ca, own) as session:
            return session.request("POST", '{"tls_client_auth_subject_dn": "CN=billing"}', JSON)

    with running(setup) as daemon:
        mtlsd("dev", "revoke", directory, "billing")
        assert daemon.reload()["event"] == "reload.done"
        answer = attempt()
        assert (answer.status, answer.json["error"]) == (401, "invalid_client")
        assert daemon.event("registration.refused")["reason"] == "revocation.revoked"


def test_kill_9_after_the_answer(tmp_path: Path) -> None:
    """What was answered 201 is there afterwards, and its token is good."""
    setup = Setup(tmp_path)
    setup.add_listener("register", "optional", serves=["registration", "token"])
    setup.document["registration"] = {"modes": ["certificate"], "trust_anchors": ["partners"]}
    own = presented(setup, "durable")
    with running(setup, code=-9) as daemon:
        told = register(setup, own, {}).json
        daemon.process.kill()
        daemon.wait()
    daemon.out.unlink()  # where the next one says that it is ready
    with running(setup):
        assert token_of(setup, own, told["client_id"]).status == 200
        token = told["registration_access_token"]
        assert curl(setup, told["registration_client_uri"], None, "GET", token=token).json == told


def test_a_stranger_without_a_subject(daemon: Daemon, setup: Setup) -> None:
    """The first subjectAltName is its name then."""
    own = setup.leaf("no-subject", x509.DNSName("bare.example"), subject=dn(), key=ec_key("bare"))
    answer = register(setup, own, {})
    assert answer.status == 201, answer.body
    assert answer.json["tls_client_auth_san_dns"] == "bare.example"
