"""`mtlsd user`: the users file, and passwords that are nobody's argument."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from errno import EACCES, ENOSPC
from pathlib import Path
from types import SimpleNamespace

import pytest

from mtlsd.cli import main
from mtlsd.cli.exits import CONFIGURATION, OK, USAGE
from mtlsd.users.table import UserTable
from tests.unit.cli.conftest import Ran
from tests.unit.config.example import Example


@pytest.fixture
def config(tmp_path: Path) -> Example:
    example = Example.make(tmp_path)
    example.load()
    return example


def user(
    monkeypatch: pytest.MonkeyPatch,
    config: Example,
    action: str,
    *more: str,
    said: bytes = b"correct horse\n",
) -> int:
    """Run one command with something on its standard input."""
    stdin = SimpleNamespace(isatty=lambda: False, buffer=io.BytesIO(said))
    monkeypatch.setattr("mtlsd.cli.user.sys.stdin", stdin)
    monkeypatch.setattr("mtlsd.cli.user.load_config", lambda path, silent: config.load().config)
    return main(["user", action, "-c", str(config.path), *more])


def test_from_add_to_remove(
    monkeypatch: pytest.MonkeyPatch, config: Example, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config.directory / "users"
    assert user(monkeypatch, config, "add", "alice") == OK
    assert path.stat().st_mode & 0o777 == 0o600
    assert UserTable.read(path).users["alice"].matches("correct horse")
    assert user(monkeypatch, config, "add", "alice") == USAGE
    assert user(monkeypatch, config, "passwd", "alice", said=b"another horse") == OK
    assert UserTable.read(path).users["alice"].matches("another horse")
    capsys.readouterr()
    assert user(monkeypatch, config, "list", "--json") == OK
    assert json.loads(capsys.readouterr().out) == ["alice"]
    assert user(monkeypatch, config, "remove", "alice") == OK
    assert UserTable.read(path).users == {}


@pytest.mark.parametrize(
    ("action", "name", "said"),
    [
        ("add", "a:b", b"correct horse\n"),
        ("add", "", b"correct horse\n"),
        ("add", "alice", b"short\n"),
        ("add", "alice", b"\xff\xff\xff\xff\xff\xff\xff\xff\n"),
        ("add", "alice", b"x" * 3000),
        ("passwd", "alice", b"correct horse\n"),
        ("remove", "alice", b""),
    ],
)
def test_what_cannot_be(
    monkeypatch: pytest.MonkeyPatch, config: Example, action: str, name: str, said: bytes
) -> None:
    assert user(monkeypatch, config, action, name, said=said) == USAGE
    assert not (config.directory / "users").exists()


def test_a_name_of_a_client(
    monkeypatch: pytest.MonkeyPatch, config: Example, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who has it could not log in: R66."""
    [first, *_] = config.load().config.registrations
    assert user(monkeypatch, config, "add", first.client.client_id) == USAGE
    assert "a client has the name" in capsys.readouterr().err


@pytest.mark.parametrize(("code", "remedy"), [(EACCES, "run this as that user"), (ENOSPC, "Make room")])
def test_a_file_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch,
    config: Example,
    capsys: pytest.CaptureFixture[str],
    code: int,
    remedy: str,
) -> None:
    def refuse(*anything: object, **more: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("mtlsd.users.table.tempfile.mkstemp", refuse)
    assert user(monkeypatch, config, "add", "alice") == CONFIGURATION
    said = capsys.readouterr().err
    assert "users: cannot be written" in said
    assert remedy in said


def test_the_first_one_is_added_without_a_warning_that_there_is_none(
    directory: Path, monkeypatch: pytest.MonkeyPatch, mtlsd: Callable[..., Ran]
) -> None:
    toml = directory / "mtlsd.toml"
    toml.write_text(toml.read_text().replace('"metadata", "jwks"', '"metadata", "jwks", "authorization"'))
    assert "nobody can log in" in mtlsd("check").out
    stdin = SimpleNamespace(isatty=lambda: False, buffer=io.BytesIO(b"correct horse\n"))
    monkeypatch.setattr("mtlsd.cli.user.sys.stdin", stdin)
    ran = mtlsd("user", "add", "alice")
    assert (ran.code, ran.out, ran.err) == (OK, "added alice\n", "")


def test_two_different_passwords(monkeypatch: pytest.MonkeyPatch, config: Example) -> None:
    answers = iter(["correct horse", "correct house"])
    monkeypatch.setattr("mtlsd.cli.user.getpass", lambda prompt: next(answers))
    monkeypatch.setattr("mtlsd.cli.user.sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("mtlsd.cli.user.load_config", lambda path, silent: config.load().config)
    assert main(["user", "add", "-c", str(config.path), "alice"]) == USAGE


def test_a_file_that_others_may_read(monkeypatch: pytest.MonkeyPatch, config: Example) -> None:
    config.put("users", "", 0o644)
    assert user(monkeypatch, config, "list") == CONFIGURATION


def test_with_a_checker_there_is_no_file(monkeypatch: pytest.MonkeyPatch, config: Example) -> None:
    config.document["users"] = {"checker": "unix"}
    assert user(monkeypatch, config, "list") == USAGE
