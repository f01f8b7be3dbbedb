"""Clients that are known by no certificate, with curl, as they would come: R19, R20, R22."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end import clients
from tests.end_to_end.actors import METHODS, SECRET, World, assertion, with_assertion, world_in
from tests.end_to_end.clients import TLS_1_3, Answer, NoAnswer, get, request_token
from tests.end_to_end.daemon import Daemon, mtlsd, running
from tests.end_to_end.test_crossing import code_form, error, thumbprint
from tests.end_to_end.test_grants import AT_ONCE, asking, at_once, claims_of, issue_code
from tests.end_to_end.tools import needs
from tests.unit.oauth.signing import jwk

pytestmark = needs("curl")

INDEX = {name: index for index, name in enumerate(METHODS)}
UNBOUND = "unbound"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    made = world_in(tmp_path_factory.mktemp("methods"))
    made.setup.add_client(
        UNBOUND,
        token_endpoint_auth_method="private_key_jwt",
        jwks={"keys": [jwk("P-256", INDEX["jwt-one"])]},
        tls_client_certificate_bound_access_tokens=False,
    )
    return made


@pytest.fixture(scope="module")
def daemon(world: World) -> Iterator[Daemon]:
    with running(world.setup) as running_daemon:
        yield running_daemon


def curl(world: World, form: dict[str, str], certificate: str | None, listener: str = "optional") -> Answer:
    presented = None if certificate is None else world.actors[certificate].certificate
    return clients.curl(world.setup.url(listener), world.setup.ca_file, presented, form, TLS_1_3)


def signed(world: World, client_id: str, key: str = "jwt-one", **change: Any) -> dict[str, str]:
    return with_assertion(assertion(client_id, world.setup.issuer, INDEX[key], **change))


def test_private_key_jwt(daemon: Daemon, world: World) -> None:
    """The token is bound to the certificate of the connection, which identifies nobody."""
    mark = daemon.mark()
    form = {"grant_type": "client_credentials", **signed(world, "jwt-one")}
    claims = claims_of(curl(world, form, "jwt-one").token)
    assert claims["client_id"] == claims["sub"] == "jwt-one"
    assert claims["cnf"] == {"x5t#S256": thumbprint(world.actors["jwt-one"].certificate)}
    daemon.event("token.issued", mark, client_id="jwt-one")
    replayed = curl(world, form, "jwt-one")
    assert error(replayed) == (401, "invalid_client")
    daemon.event("token.refused", mark, reason="client.assertion_replayed")
    assert form["client_assertion"] not in daemon.out.read_text()


def test_of_many_with_one_assertion_one_wins(daemon: Daemon, world: World) -> None:
    """All connections are open before the first one asks."""
    mark = daemon.mark()
    form = {"grant_type": "client_credentials", **signed(world, "jwt-one")}
    answers = at_once(world.setup, world.actors["jwt-one"].certificate, form)
    assert sorted(answer.status for answer in answers) == [200] + [401] * (AT_ONCE - 1)
    assert {error(answer) for answer in answers if answer.status != 200} == {(401, "invalid_client")}
    (winner,) = (answer.token for answer in answers if answer.status == 200)
    assert [event["jti"] for event in daemon.events("token.issued", mark)] == [claims_of(winner)["jti"]]


@pytest.mark.parametrize("audience", ["issuer", "plain", "optional"])
def test_what_the_assertion_is_for(daemon: Daemon, world: World, audience: str) -> None:
    """The issuer, or the URL of the token endpoint at any listener."""
    setup = world.setup
    aud = setup.issuer if audience == "issuer" else setup.url("public" if audience == "plain" else audience)
    form = {"grant_type": "client_credentials", **signed(world, "jwt-one", aud=aud)}
    assert curl(world, form, "jwt-one").status == 200


def test_unbound_without_any_certificate(daemon: Daemon, world: World) -> None:
    """R22: at a listener that asks for none; and there only who is allowed to have unbound tokens."""
    form = {"grant_type": "client_credentials", **signed(world, UNBOUND)}
    answer = curl(world, form, None, "public")
    assert "cnf" not in claims_of(answer.token)
    bound = {"grant_type": "client_credentials", **signed(world, "jwt-one")}
    assert error(curl(world, bound, None, "public")) == (400, "invalid_request")
    assert error(curl(world, request_token("one"), "one", "public")) == (401, "invalid_client")


def test_a_listener_that_refuses_in_the_handshake(daemon: Daemon, world: World) -> None:
    """Nobody gets there with a certificate that nobody vouches for, whatever else it has."""
    with pytest.raises(NoAnswer):
        curl(world, {"grant_type": "client_credentials", **signed(world, "jwt-one")}, "jwt-one", "mtls")


def test_a_secret(daemon: Daemon, world: World) -> None:
    form = request_token("post", client_secret=SECRET)
    assert claims_of(curl(world, form, "post").token)["client_id"] == "post"
    assert SECRET not in daemon.out.read_text() + daemon.stderr
    assert error(curl(world, {**form, "client_secret": "wrong"}, "post")) == (401, "invalid_client")


def test_a_public_client(daemon: Daemon, world: World) -> None:
    """R20: with PKCE and any certificate; its refresh token changes, and is bound to that certificate."""
    own = {"client_id": "native"}
    form = {**code_form(issue_code(world.setup.config, asking("native")), "native"), **own}
    assert error(curl(world, {**form, "code_verifier": "x" * 43}, "native")) == (400, "invalid_grant")
    first = curl(world, form, "native")
    assert claims_of(first.token)["cnf"] == {"x5t#S256": thumbprint(world.actors["native"].certificate)}
    refresh = {"grant_type": "refresh_token", "refresh_token": first.json["refresh_token"], **own}
    assert error(curl(world, refresh, "pinned")) == (400, "invalid_grant")
    assert error(curl(world, refresh, None)) == (400, "invalid_request")
    second = curl(world, refresh, "native")
    assert second.json["refresh_token"] != first.json["refresh_token"]
    assert claims_of(second.token)["cnf"] == claims_of(first.token)["cnf"]
    assert error(curl(world, refresh, "native")) == (400, "invalid_grant")
    again = {**refresh, "refresh_token": second.json["refresh_token"]}
    assert error(curl(world, again, "native")) == (400, "invalid_grant")


def test_a_public_client_gets_nothing_for_itself(daemon: Daemon, world: World) -> None:
    assert error(curl(world, request_token("native"), "native")) == (401, "invalid_client")


def test_the_metadata_tells_both_places(daemon: Daemon, world: World) -> None:
    """RFC 8705 section 5: the plain one, and the alias with certificates."""
    setup = world.setup
    metadata = get(setup.url("public", "/.well-known/oauth-authorization-server"), setup.ca_file).json
    assert metadata["token_endpoint"] == setup.url("public")
    assert metadata["mtls_endpoint_aliases"]["token_endpoint"] == setup.url("mtls")
    assert set(metadata["token_endpoint_auth_methods_supported"]) == set(METHODS.values())
    assert "none" not in metadata["introspection_endpoint_auth_methods_supported"]
    assert metadata["token_endpoint_auth_signing_alg_values_supported"] == [
        "PS256",
        "ES256",
        "EdDSA",
        "RS256",
    ]


@pytest.fixture
def fapi2(tmp_path: Path) -> World:
    """The same with the profile, and with those clients alone that it allows."""
    made = world_in(tmp_path / "fapi2")
    made.setup.document["profile"] = "fapi2"
    allowed = ("tls_client_auth", "self_signed_tls_client_auth", "private_key_jwt")
    document = made.setup.document
    document["client"] = [own for own in document["client"] if own["token_endpoint_auth_method"] in allowed]
    return made


def test_fapi2(fapi2: World) -> None:
    """R81: what the profile turns on, in a daemon."""
    setup = fapi2.setup
    assert "good" in mtlsd("check", "-c", setup.write())
    with running(setup):
        metadata = get(setup.url("public", "/.well-known/oauth-authorization-server"), setup.ca_file).json
        assert metadata["require_pushed_authorization_requests"] is True
        assert metadata["token_endpoint_auth_signing_alg_values_supported"] == ["PS256", "ES256", "EdDSA"]
        usual = {"grant_type": "client_credentials"}
        assert curl(fapi2, {**usual, **signed(fapi2, "jwt-one")}, "jwt-one").status == 200
        for aud in (setup.url("public"), [setup.issuer]):
            other = {**usual, **signed(fapi2, "jwt-one", aud=aud)}
            assert error(curl(fapi2, other, "jwt-one")) == (401, "invalid_client")
        own = fapi2.actors["one"].certificate
        url, form = setup.url("mtls"), request_token("one")
        for cipher, good in (("ECDHE+AESGCM", True), ("ECDHE+CHACHA20", False)):
            command: list[str | Path] = [
                "curl", "--silent", "--cacert", setup.ca_file, "--noproxy", "*", "--tls-max", "1.2",
                "--ciphers", cipher, "--cert", own.certificate, "--key", own.key,
                "-d", "&".join(f"{name}={value}" for name, value in form.items()), url,
            ]  # fmt: skip
            assert (subprocess.run(command, capture_output=True).returncode == 0) is good, cipher


def test_what_contradicts_fapi2(fapi2: World) -> None:
    """The daemon does not start, and the command tells all of it; one of the store is told as well."""
    setup = fapi2.setup
    setup.document["tokens"] = {"signing_algorithm": "RS256"}
    setup.add_client("native", token_endpoint_auth_method="none", redirect_uris=["com.example:/cb"])
    said = mtlsd("check", "-c", setup.write(), code=78)
    assert "tokens.signing_algorithm" in said
    assert "client.native.token_endpoint_auth_method" in said
    setup.document["client"].pop()
    del setup.document["tokens"]
    metadata = setup.directory / "client.json"
    metadata.write_text('{"token_endpoint_auth_method": "client_secret_post", "allow_client_secret": true}')
    add = ("client", "add", "-c", setup.write(), "--client-id", "old", "--metadata", metadata, "--new-secret")
    assert "FAPI 2.0 allows no client_secret_post" in mtlsd(*add, code=78)


def test_pushing_for_a_public_client(tmp_path: Path) -> None:
    """Anybody can: but not as often as he likes, with whichever certificate, and a reload forgets nothing."""
    world = world_in(tmp_path)
    world.setup.document["authorization"] = {"public_per_address_per_hour": 3}
    with running(world.setup) as daemon:
        for certificate in ("native", "pinned", None):
            assert push(world, "native", certificate).status == 201
        refused = push(world, "native", "native")
        assert (refused.status, refused.json["error"]) == (429, "temporarily_unavailable")
        assert 0 < int(refused.headers["retry-after"]) <= 1200
        daemon.event("push.refused", reason="push.throttled", client_id="native")
        assert daemon.reload()["event"] == "reload.done"
        assert push(world, "native", "native").status == 429
        assert push(world, "one", "one").status == 201


def push(world: World, client_id: str, certificate: str | None) -> Answer:
    presented = None if certificate is None else world.actors[certificate].certificate
    url = world.setup.url("optional", "/par")
    return clients.python(url, world.setup.ca_file, presented, asking(client_id))
