"""`mtlsd explain --token`: every check of a resource server, and nothing of the token itself."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from mtlsd.cli import main
from mtlsd.cli.common import load_config, opened_store, result_of
from mtlsd.cli.exits import NO_PERMISSION, OK, UNAVAILABLE, USAGE
from mtlsd.config.model import Config
from mtlsd.config.pem import certificates_in
from mtlsd.jose.jwt import AT_JWT, sign_jwt
from mtlsd.jose.keyring import Keyring
from mtlsd.keys.files import load_or_create
from mtlsd.oauth.artifacts import Artifact
from mtlsd.ops.audit import utc_now
from tests.unit.cli.conftest import Ran
from tests.unit.jose.keys import signer

Mtlsd = Callable[..., Ran]


@attrs.frozen
class World:
    """A place where a daemon has run."""

    directory: Path
    config: Config
    keyring: Keyring

    def claims(self, **change: Any) -> dict[str, Any]:
        now = int(utc_now().timestamp())
        (billing, *_) = certificates_in(self.directory / "billing.pem")
        good = {
            "iss": self.config.issuer,
            "sub": "billing",
            "client_id": "billing",
            "aud": "https://api.example.com/",
            "scope": "invoices:read",
            "cnf": {"x5t#S256": billing.x5t_s256},
            "iat": now,
            "exp": now + 300,
            "jti": "id-1",
        }
        return {name: value for name, value in {**good, **change}.items() if value is not None}

    def write(self, token: str) -> Path:
        file = self.directory / "token"
        file.write_text(token + "\n")
        return file

    def jwt(self, **change: Any) -> Path:
        return self.write(sign_jwt(self.claims(**change), self.keyring.signer, AT_JWT))

    def save(self, *artifacts: Artifact) -> None:
        with opened_store(self.config) as store:
            result_of(store.artifacts.save(*artifacts, now=utc_now()))


@pytest.fixture
def world(directory: Path) -> World:
    config = load_config(directory / "mtlsd.toml")
    keyring = load_or_create(config.tokens.signing_keys, "ES256", utc_now())
    world = World(directory, config, keyring)
    world.save()
    return world


@pytest.fixture
def explain(world: World, mtlsd: Mtlsd) -> Callable[..., Ran]:
    """With the certificate of `billing`, unless another one is named; None for no certificate."""

    def run(token: object, *more: object, certificate: str | None = "billing") -> Ran:
        shown = () if certificate is None else ("--certificate", world.directory / f"{certificate}.pem")
        ran = mtlsd("explain", "--token", token, *shown, *more)
        secret = Path(str(token)).read_text().strip() if isinstance(token, Path) else ""
        for part in (secret, secret.rpartition(".")[2]):
            assert len(part) < 10 or part not in ran.out + ran.err
        return ran

    return run


Explain = Callable[..., Ran]


def test_a_good_one(world: World, explain: Explain) -> None:
    ran = explain(world.jwt(), "--audience", "https://api.example.com/", "--scope", "invoices:read")
    assert ran.code == OK, ran.out
    for line in (
        f"ok  kid: {world.keyring.signer.kid}, our active key",
        "ok  signature: a good signature",
        "ok  client: registered and enabled",
        "ok  revocation: not ended by anybody",
        f"ok  iss: {world.config.issuer}",
        "ok  aud: https://api.example.com/",
        "ok  exp: ",
        "ok  certificate: ",
        "ok  scope: invoices:read",
        "accepted  billing, until ",
    ):
        assert line in ran.out, ran.out


def test_without_an_audience_it_is_told(world: World, explain: Explain) -> None:
    ran = explain(world.jwt())
    assert ran.code == OK
    assert "note  aud: https://api.example.com/" in ran.out


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"iat": 1_700_000_000, "exp": 1_700_000_300}, "access_token.expired"),
    "another issuer": ({"iss": "https://other.example.com"}, "access_token.issuer"),
    "bound to nothing": ({"cnf": None}, "access_token.unbound"),
    "another binding": ({"cnf": {"jkt": "x"}}, "access_token.confirmation"),
    "no such client": ({"client_id": "nobody"}, "access_token.client"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_ones(world: World, explain: Explain, kind: str) -> None:
    change, reason = BAD[kind]
    ran = explain(world.jwt(**change), "--json")
    assert (ran.code, ran.json["refusal"]["reason"]) == (NO_PERMISSION, reason)
    assert ran.json["trace"][-1]["outcome"] == "failed"


def test_another_audience_scope_and_certificate(world: World, explain: Explain) -> None:
    for more, certificate, reason in (
        (("--audience", "urn:x"), "billing", "audience"),
        (("--scope", "invoices:read more"), "billing", "scope"),
        ((), "invoices", "certificate_mismatch"),
        ((), None, "certificate_absent"),
    ):
        ran = explain(world.jwt(), *more, certificate=certificate)
        assert (ran.code, f"access_token.{reason}" in ran.out) == (NO_PERMISSION, True), ran.out


def test_signed_by_another_key(world: World, explain: Explain) -> None:
    stranger = signer("ES256", 9)
    ran = explain(world.write(sign_jwt(world.claims(), stranger, AT_JWT)))
    assert (ran.code, "access_token.key" in ran.out) == (NO_PERMISSION, True)
    changed = world.jwt().read_text().strip()
    ran = explain(world.write(changed[:-6] + "AAAAAA"))
    assert (ran.code, "access_token.signature" in ran.out) == (NO_PERMISSION, True)
    ran = explain(world.write(sign_jwt(world.claims(), world.keyring.signer, "JWT")))
    assert (ran.code, "access_token.malformed" in ran.out) == (NO_PERMISSION, True)


def test_revoked(world: World, explain: Explain) -> None:
    token = world.jwt()
    until = datetime.now(UTC) + timedelta(hours=1)
    world.save(Artifact("revoked", Artifact.key_of("id-1"), "billing", None, {}, until))
    ran = explain(token)
    assert (ran.code, "access_token.revoked" in ran.out) == (NO_PERMISSION, True)


def test_a_certificate_that_was_revoked(world: World, explain: Explain) -> None:
    assert main(["dev", "revoke", str(world.directory), "billing"]) == OK
    ran = explain(world.jwt())
    assert (ran.code, "access_token.certificate" in ran.out) == (NO_PERMISSION, True)


def test_opaque_ones(world: World, explain: Explain) -> None:
    until = datetime.now(UTC) + timedelta(minutes=5)
    world.save(Artifact("access_token", Artifact.key_of("opaque"), "billing", None, world.claims(), until))
    ran = explain(world.write("opaque"))
    assert (ran.code, "accepted  billing" in ran.out) == (OK, True)
    ran = explain(world.write("another"))
    assert (ran.code, "access_token.unknown" in ran.out) == (NO_PERMISSION, True)


def test_without_a_store(world: World, explain: Explain) -> None:
    """Somewhere else than where the daemon runs."""
    world.config.store.unlink()
    ran = explain(world.jwt())
    assert (ran.code, "there is no store here" in ran.out) == (OK, True)
    ran = explain(world.write("opaque"))
    assert (ran.code, "store.unavailable" in ran.err) == (UNAVAILABLE, True)
    assert not world.config.store.exists()


def test_from_the_standard_input(world: World, explain: Explain, monkeypatch: pytest.MonkeyPatch) -> None:
    data = world.jwt().read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert explain("-").code == OK


@pytest.mark.parametrize("name", ["eyJh.eyJ.c2ln", "no such file", "x" * 5000, "a\0b"])
def test_a_token_on_the_command_line_is_not_repeated(explain: Explain, name: str) -> None:
    ran = explain(name)
    assert ran.code == USAGE
    assert name not in ran.out + ran.err


def test_usage(world: World, explain: Explain, mtlsd: Mtlsd) -> None:
    token = world.jwt()
    assert mtlsd("explain").code == USAGE
    assert mtlsd("explain", "--scope", "a", "--certificate", world.directory / "billing.pem").code == USAGE
    for more in (("--client-id", "billing"), ("--scope", 'a"b'), ("--audience", "")):
        assert explain(token, *more).code == USAGE
    assert explain(world.write("")).code == USAGE


@pytest.mark.parametrize("text", ["\x1b[2J", "a.b.c", "....", "é", "x" * 40_000, "{}", "a.b"])
def test_garbage(world: World, explain: Explain, text: str) -> None:
    ran = explain(world.write(text))
    assert ran.code == NO_PERMISSION
    assert "\x1b" not in ran.out


def test_what_a_token_says_cannot_move_the_cursor(world: World, explain: Explain) -> None:
    ran = explain(world.jwt(sub="\x1b[2J\r\n"))
    assert "[2J" in ran.out
    assert "\x1b" not in ran.out
