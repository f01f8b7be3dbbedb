"""A client that publishes its certificates rotates them, and loses nothing: R12, R14, P14, P38."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.clients import PROGRAMS, TLS_1_2, TLS_1_3, VERSIONS, NoAnswer, Session, python
from tests.end_to_end.clients import request_token as form
from tests.end_to_end.daemon import Daemon, eventually, mtlsd, running
from tests.end_to_end.jwks_server import JwksServer, publishing
from tests.end_to_end.setup import HOST, Setup
from tests.pki import Written

IN_HASTE = (sys.executable, str(PROGRAMS / "mtlsd_in_haste.py"), "run", "-c")


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    setup = Setup(tmp_path / "daemon")
    setup.document["fetch"] = {"allow": [HOST], "trusted_certificates": ["ca.pem"]}
    setup.add_listener("answers", "required", refuse_in="response")
    return setup


@pytest.fixture
def server(setup: Setup) -> Iterator[JwksServer]:
    with publishing(setup.directory / "server.pem", setup.directory / "server.key") as server:
        add_rotating(setup, server.uri)
        yield server


def add_rotating(setup: Setup, uri: str, client_id: str = "rotating") -> None:
    setup.add_client(client_id, token_endpoint_auth_method="self_signed_tls_client_auth", jwks_uri=uri)


def status(setup: Setup, presented: Written, listener: str = "mtls", version: str = TLS_1_3) -> int:
    """Of a request for a token; 0 where the handshake was refused."""
    try:
        return python(setup.url(listener), setup.ca_file, presented, form("rotating"), version).status
    except NoAnswer:
        return 0


def shown(setup: Setup) -> dict[str, Any]:
    """What `mtlsd client show` says."""
    said: dict[str, Any] = json.loads(mtlsd("client", "show", "rotating", "-c", setup.config, "--json"))
    return said


@pytest.mark.parametrize("listener", ["mtls", "answers"])
def test_rotation_without_loss(setup: Setup, server: JwksServer, listener: str) -> None:
    """Old; old and new; new. Nobody tells mtlsd anything."""
    old_key, new_key, stranger_key = (setup.pki.self_signed(name) for name in ("old", "new", "stranger"))
    old, new, stranger = (
        setup.present(name, own)
        for name, own in (("old", old_key), ("new", new_key), ("stranger", stranger_key))
    )
    server.publish(old_key)
    with running(setup, IN_HASTE) as daemon:
        daemon.event("jwks_uri.updated")
        assert eventually(lambda: status(setup, old, listener) == 200)

        server.publish(old_key, new_key)
        mark = daemon.mark()
        assert status(setup, new, listener) in (0, 401), "the first try"
        daemon.event("jwks_uri.updated", mark)
        daemon.event("reload.done", mark)
        assert status(setup, new, listener) == 200, "the next one"
        assert status(setup, old, listener) == 200

        with Session(setup.url(listener), setup.ca_file, old) as session:
            assert session.post(form("rotating")).status == 200
            kept = session.socket
            server.publish(new_key)
            mark = daemon.mark()
            assert status(setup, stranger, listener) in (0, 401)
            daemon.event("jwks_uri.updated", mark)
            daemon.event("reload.done", mark)
            refused = session.post(form("rotating"))
            assert session.socket is kept, "it is the same connection"
            assert (refused.status, refused.json["error"]) == (401, "invalid_client")
        assert status(setup, old, listener) in (0, 401)
        assert status(setup, new, listener) == 200

        asked = len(server.answers)
        status(setup, stranger, listener)
        eventually(lambda: len(server.answers) > asked)
        assert server.answers[-1] == 304, "what has not changed is not sent again"
    certificates = shown(setup)["certificates"]
    assert [(own["standing"], own["origin"]) for own in certificates] == [
        ("current", "published"),
        (None, "seen"),
    ]
    assert all(own["first_seen_at"] <= own["last_seen_at"] for own in certificates)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_last_copy_outlives_both_servers(setup: Setup, server: JwksServer, version: str) -> None:
    """mtlsd starts again while the client's server is down, and was killed before (kill -9)."""
    key = setup.pki.self_signed("old")
    old = setup.present("old", key)
    server.publish(key)
    with running(setup, code=-9) as daemon:
        daemon.event("jwks_uri.updated")
        cache = setup.directory / "cache" / "jwks_uri"
        eventually(lambda: list(cache.glob("*.json")) if cache.exists() else [])
        daemon.process.kill()
    daemon.out.unlink()
    server.close()
    with running(setup, IN_HASTE) as daemon:
        assert status(setup, old, version=version) == 200
        assert status(setup, setup.present("stranger", setup.pki.self_signed("stranger"))) == 0
        failed = daemon.event("source.failed")
        assert failed["source"] == server.uri
        assert failed["clients"] == ["rotating"]
        assert status(setup, old, version=version) == 200
    assert cache.stat().st_mode & 0o777 == 0o700


def test_a_bad_key_is_skipped(setup: Setup, server: JwksServer) -> None:
    key = setup.pki.self_signed("old")
    server.publish(key, more=[{"kty": "oct", "k": "c2VjcmV0", "kid": "bad\n"}])
    with running(setup) as daemon:
        skipped = daemon.event("jwks_uri.key_skipped")
        assert "symmetric" in skipped["seen"][0]
        assert "c2VjcmV0" not in json.dumps(skipped)
        daemon.event("reload.done")
        assert status(setup, setup.present("old", key)) == 200


def test_nobody_takes_the_certificate_of_another(setup: Setup, server: JwksServer) -> None:
    """It is told, and hinders nobody, though the thief is the first to publish it and is disabled later."""
    key = setup.pki.self_signed("old")
    old = setup.present("old", key)
    server.publish(key)
    with publishing(setup.directory / "server.pem", setup.directory / "server.key") as thief:
        thief.publish(setup.pki.self_signed("own"))
        add_rotating(setup, thief.uri, "thief")
        with running(setup, IN_HASTE) as daemon:
            eventually(lambda: len(daemon.events("jwks_uri.updated")) == 2)
            assert eventually(lambda: status(setup, old) == 200)
            following = setup.pki.self_signed("following")
            thief.publish(following)
            stranger = setup.present("stranger", setup.pki.self_signed("stranger"))
            mark = daemon.mark()
            status(setup, stranger)
            daemon.event("jwks_uri.updated", mark)
            server.publish(following)
            mark = daemon.mark()
            status(setup, stranger)
            shared = daemon.event("jwks_uri.key_shared", mark, clients=["rotating"])
            assert "belongs to client 'thief', too" in shared["seen"][0]
            new = setup.present("following", following)
            assert eventually(lambda: status(setup, new) == 200)
            assert status(setup, old) == 0
            assert python(setup.url(), setup.ca_file, new, form("thief"), TLS_1_2).status == 200
            setup.document["client"][-1]["disabled"] = True
            daemon.reload()
            assert status(setup, new) == 200


@pytest.mark.parametrize("host", [HOST, "localhost", "[::1]", "[::ffff:127.0.0.1]"])
def test_nothing_is_fetched_from_here(setup: Setup, server: JwksServer, host: str) -> None:
    """SSRF: the operator has allowed nothing."""
    setup.document["fetch"] = {"trusted_certificates": ["ca.pem"]}
    setup.document["client"].clear()
    add_rotating(setup, f"https://{host}:{server.port}/jwks.json")
    with running(setup) as daemon:
        failed = refused_at(daemon)
        assert failed.startswith("fetch.address"), failed
    assert server.connections == 0


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.1", "[fe80::1]", "[fd00::1]"])
def test_nothing_is_fetched_from_inside(setup: Setup, host: str) -> None:
    del setup.document["fetch"]
    add_rotating(setup, f"https://{host}/jwks.json")
    with running(setup) as daemon:
        assert refused_at(daemon).startswith("fetch.address")


def refused_at(daemon: Daemon) -> str:
    error: str = daemon.event("source.failed")["error"]
    return error
