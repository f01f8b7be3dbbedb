"""`mtlsd explain`, `keys`, `check`, and how all of them fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mtlsd.cli import main
from mtlsd.cli.exits import CONFIGURATION, NO_PERMISSION, OK, UNAVAILABLE, USAGE
from mtlsd.ops.audit import utc_now
from mtlsd.users.passwords import PasswordHash
from mtlsd.users.table import UserTable, changing
from tests.pki import BAD, Pki
from tests.unit.cli.conftest import Ran

Mtlsd = Callable[..., Ran]


def test_explain(directory: Path, mtlsd: Mtlsd) -> None:
    ran = mtlsd("explain", "--certificate", directory / "billing.pem", "--json")
    assert ran.code == OK
    assert ran.json["clients"] == {"billing": "tls_client_auth"}
    assert [check["outcome"] for check in ran.json["trace"]].count("failed") == 0
    people = mtlsd("explain", "--certificate", directory / "billing.pem")
    assert "accepted" in people.out
    assert "\x1b" not in people.out, "no colours where nobody sees them"


def test_explain_a_refusal(directory: Path, mtlsd: Mtlsd) -> None:
    ran = mtlsd("explain", "--certificate", directory / "server.pem", "--json")
    assert ran.code == NO_PERMISSION
    assert ran.json["refusal"]["reason"] == "certificate.eku"
    assert ran.json["refusal"]["remedy"]
    assert "certificate.eku" in mtlsd("explain", "--certificate", directory / "server.pem").out


@pytest.mark.parametrize(
    ("client_id", "reason"), [("pinned", "pin.mismatch"), ("nobody", "client.unknown"), ("billing", None)]
)
def test_explain_for_a_client(directory: Path, mtlsd: Mtlsd, client_id: str, reason: str | None) -> None:
    ran = mtlsd("explain", "--certificate", directory / "billing.pem", "--client-id", client_id, "--json")
    assert ran.json.get("refusal", {}).get("reason") == reason


@pytest.mark.parametrize(
    "name", ["line_break_in_subject", "escapes_in_subject", "bidi_in_subject", "nul_in_cn"]
)
def test_explain_prints_nothing_that_a_terminal_obeys(directory: Path, mtlsd: Mtlsd, name: str) -> None:
    bad = directory / "bad.pem"
    bad.write_bytes(BAD[name].make(Pki(utc_now())).chain_pem)
    ran = mtlsd("explain", "--certificate", bad)
    assert ran.code == NO_PERMISSION
    assert all(character.isprintable() or character == "\n" for character in ran.out)


def test_explain_needs_a_listener_that_asks(directory: Path, mtlsd: Mtlsd) -> None:
    ran = mtlsd("explain", "--certificate", directory / "billing.pem", "--listener", "public")
    assert ran.code == USAGE
    assert "mtls" in ran.err


def test_keys(directory: Path, mtlsd: Mtlsd) -> None:
    assert mtlsd("keys", "list").code == CONFIGURATION, "none yet"
    assert mtlsd("keys", "rotate").code == OK
    before = {key["state"]: key["kid"] for key in mtlsd("keys", "list", "--json").json}
    assert mtlsd("keys", "rotate").code == OK
    after = {key["state"]: key["kid"] for key in mtlsd("keys", "list", "--json").json}
    assert after["active"] == before["next"]
    assert after["retiring"] == before["active"]
    assert mtlsd("keys", "import", directory / "billing.key").code == OK
    assert mtlsd("keys", "import", directory / "ca.pem").code == CONFIGURATION


def test_rotation_says_what_it_did(directory: Path, mtlsd: Mtlsd) -> None:
    """Also where it is not a rotation."""
    assert "nothing was rotated" in mtlsd("keys", "rotate").out
    assert "nothing was rotated" not in mtlsd("keys", "rotate").out
    with (directory / "mtlsd.toml").open("a") as file:
        file.write('[tokens]\nsigning_algorithm = "EdDSA"\n')
    said = mtlsd("keys", "rotate").out
    assert "replaced" in said
    assert "nothing was rotated" in said
    rotated = mtlsd("keys", "rotate").out
    assert "nothing was rotated" not in rotated
    algorithms = {key["state"]: key["alg"] for key in mtlsd("keys", "list", "--json").json}
    assert (algorithms["active"], algorithms["next"]) == ("EdDSA", "EdDSA")


def test_check(directory: Path, mtlsd: Mtlsd) -> None:
    assert mtlsd("check").code == OK
    assert mtlsd("check", "--json").json == {"ok": True, "mistakes": []}
    assert not (directory / "mtlsd.db").exists(), "checking makes nothing"
    assert not (directory / "keys").exists()


def test_check_tells_every_mistake(directory: Path, mtlsd: Mtlsd) -> None:
    text = (directory / "mtlsd.toml").read_text()
    (directory / "mtlsd.toml").write_text(
        text.replace('scope = "inv', 'skope = "inv').replace("server.key", "no.key")
    )
    ran = mtlsd("check")
    assert ran.code == CONFIGURATION
    assert "skope" in ran.out
    assert "scope?" in ran.out, "the key that was meant"
    assert "no.key" in ran.out


def test_check_tells_what_cannot_be_written(
    directory: Path, mtlsd: Mtlsd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a configuration in /etc the daemon may make nothing."""
    log = directory / "log"
    log.touch()
    with (directory / "mtlsd.toml").open("a") as file:
        file.write('[audit]\nfile = "log"\n')
    assert mtlsd("check").code == OK
    monkeypatch.setattr("mtlsd.cli.check.os.access", lambda path, how: False)
    ran = mtlsd("check", "--json")
    assert ran.code == CONFIGURATION
    fatal = [mistake["place"] for mistake in ran.json["mistakes"] if mistake["fatal"]]
    assert fatal == [f"mtlsd.toml: {own}" for own in ("store.url", "tokens.signing_keys", "audit.file")]


def test_check_tells_of_users_with_the_name_of_a_client(directory: Path, mtlsd: Mtlsd) -> None:
    """They cannot log in: R66."""
    config = directory / "mtlsd.toml"
    config.write_text(config.read_text().replace('"metadata", "jwks"', '"metadata", "jwks", "authorization"'))
    hashed = PasswordHash.from_password("correct horse", lambda length: bytes(length))
    table = UserTable().with_user("alice", hashed).with_user("billing", hashed)
    with changing(directory / "users") as tables:
        tables.append(table)
    ran = mtlsd("check", "--json")
    assert ran.code == OK
    [mistake] = ran.json["mistakes"]
    assert "user 'billing'" in mistake["message"]


def test_check_sees_what_the_store_contradicts(directory: Path, mtlsd: Mtlsd) -> None:
    mtlsd("client", "add", "--client-id", "a", "--san-dns", "a.example", "--trust-anchors", "dev")
    config = directory / "mtlsd.toml"
    config.write_text(config.read_text().replace('client_id = "billing"', 'client_id = "a"'))
    ran = mtlsd("check")
    assert ran.code == CONFIGURATION
    assert "client.a" in ran.out


def test_a_store_that_is_none(directory: Path, mtlsd: Mtlsd) -> None:
    (directory / "mtlsd.db").write_bytes(b"not a database at all" * 100)
    (directory / "mtlsd.db").chmod(0o600)
    ran = mtlsd("client", "list")
    assert ran.code == UNAVAILABLE
    assert "mtlsd.db" in ran.err


def test_no_config(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "-c", "/does/not/exist.toml"]) == CONFIGURATION
    assert "exist.toml" in capsys.readouterr().out


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["frobnicate"])
    assert ended.value.code == USAGE
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == OK
