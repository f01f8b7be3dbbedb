"""The users file: what is in it, who may read it, and how it is changed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from mtlsd.errors import ConfigError
from mtlsd.users.table import UserTable, changing
from tests.unit.users.hashes import cheap

ALICE = cheap("of alice")


def put(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "users"
    with changing(path) as tables:
        tables.append(tables[-1].with_user("bob", cheap("of bob")).with_user("alice", ALICE))
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(UserTable.read(path).users) == ["alice", "bob"]
    assert UserTable.read(path).users["alice"].matches("of alice")
    with changing(path) as tables:
        tables.append(tables[-1].without_user("bob"))
    assert list(UserTable.read(path).users) == ["alice"]
    assert [one.name for one in tmp_path.iterdir() if one.name != ".users.lock"] == ["users"]


def test_a_change_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = put(tmp_path / "users", f"alice:{ALICE.text}\n")
    with suppress(KeyError), changing(path) as tables:
        tables.append(tables[-1].without_user("alice"))
        raise KeyError
    assert list(UserTable.read(path).users) == ["alice"]


def test_every_mistake_is_told(tmp_path: Path) -> None:
    text = f"# users\n\nalice:{ALICE.text}\nalice:{ALICE.text}\nbob\n<i>:{ALICE.text}\ncarol:secret\n"
    with pytest.raises(ConfigError) as caught:
        UserTable.read(put(tmp_path / "users", text))
    places = [mistake.place for mistake in caught.value.mistakes]
    assert places == [f"users: line {number}" for number in (4, 5, 6, 7)]
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o606])
def test_a_file_that_others_may_read(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ConfigError, match="may be read by others"):
        UserTable.read(put(tmp_path / "users", f"alice:{ALICE.text}\n", mode))


@pytest.mark.parametrize("content", [b"\xff\xfe", "älice:x".encode(), b"\0" * 5_000_000])
def test_what_is_no_users_file(tmp_path: Path, content: bytes) -> None:
    path = put(tmp_path / "users", "")
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        UserTable.read(path)


def test_a_standing_changes_with_the_password() -> None:
    table = UserTable({"alice": ALICE})
    other = table.with_user("alice", cheap("of alice", b"another salt 16b"))
    assert table.standing_of("alice") == UserTable({"alice": ALICE}).standing_of("alice")
    assert table.standing_of("alice") != other.standing_of("alice")
    assert table.standing_of("nobody") is None
