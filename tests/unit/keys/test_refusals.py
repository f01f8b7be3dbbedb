"""A directory of keys that is not as it must be is refused, with what mends it, and stays as it is."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mtlsd.errors import ConfigError
from mtlsd.jose.keyring import Keyring
from mtlsd.keys import files
from mtlsd.keys.directory import check_private
from mtlsd.keys.private_key import to_pem
from tests.unit.jose.keys import signing_private_key

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    files.rotate(tmp_path / "keys", "ES256", NOW, HOUR)
    return tmp_path / "keys"


def active_file(directory: Path) -> Path:
    return directory / f"{files.load(directory).active.kid}.pem"


def edit(directory: Path, change: Callable[[Any], object]) -> Path:
    path = directory / "keyring.json"
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))
    return path


def refused(directory: Path, place: Path, message: str) -> ConfigError:
    """Refused in every way to open it, and nothing is written."""
    before = sorted(path.name for path in directory.iterdir())
    ways: list[Callable[[], Keyring | None]] = [
        lambda: files.load(directory),
        lambda: files.load_if_any(directory),
        lambda: files.load_or_create(directory, "EdDSA", NOW),
        lambda: files.rotate(directory, "ES256", NOW, HOUR),
    ]
    for way in ways:
        with pytest.raises(ConfigError, match=message) as raised:
            way()
        assert raised.value.mistakes[0].place == str(place)
        assert raised.value.mistakes[0].remedy
        assert "PRIVATE KEY" not in str(raised.value)
    assert sorted(path.name for path in directory.iterdir()) == before
    return raised.value


@pytest.mark.parametrize("permissions", [0o750, 0o705, 0o711, 0o770])
def test_directory_that_others_can_reach(directory: Path, permissions: int) -> None:
    directory.chmod(permissions)
    told = refused(directory, directory, f"mode {permissions:04o}")
    assert f"chmod 700 {directory}" in told.mistakes[0].remedy


@pytest.mark.parametrize("permissions", [0o640, 0o604, 0o620, 0o601])
def test_file_that_others_can_reach(directory: Path, permissions: int) -> None:
    place = active_file(directory)
    place.chmod(permissions)
    told = refused(directory, place, f"mode {permissions:04o}")
    assert f"chmod 600 {place}" in told.mistakes[0].remedy


def test_keyring_that_others_can_write(directory: Path) -> None:
    place = directory / "keyring.json"
    place.chmod(0o602)
    refused(directory, place, "mode 0602")


@pytest.mark.parametrize(("owner", "uid", "good"), [(0, 5, True), (5, 5, True), (5, 0, False), (6, 5, False)])
def test_owner(owner: int, uid: int, good: bool) -> None:
    """Root's files are as good as one's own; a stranger's are not, for root neither."""
    status = os.stat_result((stat.S_IFREG | 0o600, 1, 1, 1, owner, 0, 10, 0, 0, 0))
    if good:
        check_private("a.pem", status, uid)
        return
    with pytest.raises(ConfigError, match="It belongs to") as raised:
        check_private("a.pem", status, uid)
    assert "runuser -u" in raised.value.mistakes[0].remedy


def test_missing_key(directory: Path) -> None:
    place = active_file(directory)
    place.unlink()
    refused(directory, place, "No such file")


def test_every_bad_key_at_once(directory: Path) -> None:
    for path in directory.glob("*.pem"):
        path.chmod(0o644)
    with pytest.raises(ConfigError) as raised:
        files.load(directory)
    assert len(raised.value.mistakes) == 2


def test_missing_keyring(directory: Path) -> None:
    """Keys without a keyring are somebody's loss: mtlsd makes no new ones over them."""
    place = directory / "keyring.json"
    place.unlink()
    refused(directory, place, "missing, though there are keys")


@pytest.mark.parametrize(
    "name", ["server.key", "keyring.json~", ".hidden", "x.pem", "..new", "keyring.json.new"]
)
def test_foreign_file(directory: Path, name: str) -> None:
    (directory / name).write_text("")
    refused(directory, directory / name, "not mtlsd's")


def test_key_under_another_name(directory: Path) -> None:
    place = active_file(directory)
    place.write_bytes(to_pem(signing_private_key("ES256")))
    refused(directory, place, "another key than its name")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a private key"),
        (b"\xff\x00", "not a private key"),
        (to_pem(signing_private_key("EdDSA")), "ES256 needs an EC key"),
        (b"x" * 70000, "larger than"),
    ],
)
def test_no_key(directory: Path, data: bytes, message: str) -> None:
    place = active_file(directory)
    place.write_bytes(data)
    refused(directory, place, message)


def test_link(directory: Path, tmp_path: Path) -> None:
    """A link could lead to a file that somebody else can change."""
    place = active_file(directory)
    place.rename(tmp_path / "elsewhere.pem")
    place.symlink_to(tmp_path / "elsewhere.pem")
    refused(directory, place, "symbolic link")


def test_fifo(directory: Path) -> None:
    """Nothing waits for whoever would write to it."""
    place = active_file(directory)
    place.unlink()
    os.mkfifo(place, 0o600)
    refused(directory, place, "not a regular file")


def test_directory_in_place_of_a_key(directory: Path) -> None:
    place = active_file(directory)
    place.unlink()
    place.mkdir(mode=0o700)
    refused(directory, place, "directory|regular file")


@pytest.mark.parametrize("version", [0, 2, "1", None, True, 1.5])
def test_other_version(directory: Path, version: object) -> None:
    place = edit(directory, lambda document: document.update(version=version))
    told = refused(directory, place, "version 1 of it only")
    assert "or a newer one" in told.mistakes[0].remedy


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["keys"].pop(),
        lambda document: document["keys"][0].update(kid="../../../etc/ssl/private/key"),
        lambda document: document["keys"][0].update(kid="a" * 43 + "\n"),
        lambda document: document["keys"][0].update(alg="HS256"),
        lambda document: document["keys"][0].update(state="retiring"),
        lambda document: document.pop("keys"),
    ],
)
def test_edited_keyring(directory: Path, change: Callable[[Any], object]) -> None:
    edit(directory, change)
    with pytest.raises(ConfigError, match=r"cannot be|no thumbprint"):
        files.load(directory)


def test_no_directory(tmp_path: Path) -> None:
    place = tmp_path / "keys"
    place.write_text("")
    for way in (files.load, files.load_if_any):
        with pytest.raises(ConfigError, match="Not a directory"):
            way(place)
    with pytest.raises(ConfigError, match="Not a directory"):
        files.load_or_create(place, "ES256", NOW)


def test_no_directory_above(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file") as raised:
        files.load_or_create(tmp_path / "a" / "keys", "ES256", NOW)
    assert "the directory above" in raised.value.mistakes[0].remedy


def test_no_path() -> None:
    with pytest.raises(ConfigError, match="cannot be a path"):
        files.load_or_create(Path("a\0b"), "ES256", NOW)
