"""Signing keys in a directory: made, rotated, imported, and read back the same."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa

from mtlsd.errors import ConfigError
from mtlsd.jose.keyring import RetiringKey
from mtlsd.keys import files
from mtlsd.keys.directory import PrivateDirectory
from mtlsd.keys.listing import list_keys
from mtlsd.keys.private_key import to_pem
from tests.unit.jose.keys import private_key, signing_private_key

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("alg", ["ES256", "EdDSA", "PS256", "RS256"])
def test_made_on_first_start(directory: Path, alg: str) -> None:
    made = files.load_or_create(directory, alg, NOW)
    assert (made.signer.alg, made.next.signer.alg, made.retiring) == (alg, alg, ())
    assert made.active.created_at == made.next.created_at == NOW
    assert files.load(directory) == made
    assert files.load_or_create(directory, alg, NOW + HOUR) == made
    assert names(directory) == {"keyring.json", f"{made.active.kid}.pem", f"{made.next.kid}.pem"}


def test_only_the_owner_can_reach_them(directory: Path) -> None:
    """Whatever the umask is."""
    old = os.umask(0)
    try:
        files.load_or_create(directory, "ES256", NOW)
    finally:
        os.umask(old)
    assert mode(directory) == 0o700
    assert {mode(path) for path in directory.iterdir()} == {0o600}


def test_loading_writes_nothing(directory: Path) -> None:
    files.load_or_create(directory, "ES256", NOW)
    before = {path: path.stat() for path in [directory, *directory.iterdir()]}
    files.load(directory)
    files.load_or_create(directory, "ES256", NOW + HOUR)
    after = {path: path.stat() for path in [directory, *directory.iterdir()]}
    assert [s.st_mtime_ns for s in before.values()] == [s.st_mtime_ns for s in after.values()]
    assert before.keys() == after.keys()


def test_rotation(directory: Path) -> None:
    first = files.load_or_create(directory, "ES256", NOW)
    second = files.rotate(directory, "ES256", NOW, HOUR)
    assert second.active == first.next
    assert second.retiring == (RetiringKey(first.active, NOW + HOUR),)
    assert files.load(directory) == second
    third = files.rotate(directory, "ES256", NOW + HOUR, HOUR)
    assert third.retiring == (RetiringKey(second.active, NOW + 2 * HOUR),)
    assert f"{first.active.kid}.pem" not in names(directory)
    assert len(names(directory)) == 4


def test_retired_keys_leave_the_disk_at_the_next_load_for_writing(directory: Path) -> None:
    first = files.load_or_create(directory, "ES256", NOW)
    files.rotate(directory, "ES256", NOW, HOUR)
    assert files.load_or_create(directory, "ES256", NOW + HOUR / 2).retiring
    assert files.load_or_create(directory, "ES256", NOW + HOUR).retiring == ()
    assert f"{first.active.kid}.pem" not in names(directory)


def test_rotation_without_keys_makes_them(directory: Path) -> None:
    made = files.rotate(directory, "EdDSA", NOW, HOUR)
    assert made.retiring == ()
    assert files.load(directory) == made


def test_another_algorithm(directory: Path) -> None:
    """The next key gets it at once, tokens after a rotation; the operator is told how."""
    first = files.load_or_create(directory, "ES256", NOW)
    assert files.algorithm_mistake(first, "ES256", "here") is None
    unprepared = files.algorithm_mistake(first, "EdDSA", "here")
    assert unprepared is not None
    assert "Reload" in unprepared.remedy
    second = files.load_or_create(directory, "EdDSA", NOW)
    assert second.active == first.active
    assert second.next.signer.alg == "EdDSA"
    assert f"{first.next.kid}.pem" not in names(directory)
    told = files.algorithm_mistake(second, "EdDSA", "mtlsd.toml: tokens.signing_algorithm")
    assert told is not None
    assert (told.fatal, told.place) == (False, "mtlsd.toml: tokens.signing_algorithm")
    assert told.remedy.endswith("mtlsd keys rotate.")
    assert files.rotate(directory, "EdDSA", NOW, HOUR).signer.alg == "EdDSA"


def test_rotation_after_a_change_of_the_algorithm(directory: Path) -> None:
    """No key signs that resource servers do not know, nor one of the algorithm that is no longer wanted."""
    first = files.load_or_create(directory, "ES256", NOW)
    second = files.rotate(directory, "EdDSA", NOW, HOUR)
    assert (second.active, second.retiring) == (first.active, ())
    assert second.next.signer.alg == "EdDSA"
    assert files.load(directory) == second
    third = files.rotate(directory, "EdDSA", NOW, HOUR)
    assert (third.active, third.next.signer.alg) == (second.next, "EdDSA")
    assert f"{first.next.kid}.pem" not in names(directory)


def test_a_directory_that_stays_locked(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said after a bounded time, to writers and to readers."""
    files.load_or_create(directory, "ES256", NOW)
    monkeypatch.setattr("mtlsd.keys.directory._LOCK_SECONDS", 0.0)
    with PrivateDirectory.opened(directory, writing=True):
        for use in (files.load, lambda path: files.load_or_create(path, "ES256", NOW)):
            with pytest.raises(ConfigError, match="kept it locked") as raised:
                use(directory)
            assert "fuser" in raised.value.mistakes[0].remedy
    with PrivateDirectory.opened(directory, writing=False):
        assert files.load(directory)


def test_a_lock_is_waited_for(directory: Path) -> None:
    first = files.load_or_create(directory, "ES256", NOW)
    with ThreadPoolExecutor(1) as pool, PrivateDirectory.opened(directory, writing=True) as held:
        reading = pool.submit(files.load, directory)
        assert held.names()
        assert not reading.done()
    assert reading.result() == first


def test_none_yet(directory: Path) -> None:
    assert files.load_if_any(directory) is None
    with pytest.raises(ConfigError, match="no signing keys yet"):
        files.load(directory)
    directory.mkdir(mode=0o700)
    assert files.load_if_any(directory) is None
    with pytest.raises(ConfigError, match="no signing keys yet"):
        files.load(directory)


def write_pem(path: Path, data: bytes, permissions: int = 0o600) -> Path:
    path.write_bytes(data)
    path.chmod(permissions)
    return path


@pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA"])
def test_import(directory: Path, tmp_path: Path, alg: str) -> None:
    """An operator's key signs at once; the one before stays published."""
    pem = write_pem(tmp_path / "own.pem", to_pem(signing_private_key(alg)))
    first = files.load_or_create(directory, "ES256", NOW)
    second = files.import_key(directory, pem, NOW, retire_for=HOUR)
    assert second.signer.alg == alg
    assert second.signer.private_key.private_bytes(*_RAW) == signing_private_key(alg).private_bytes(*_RAW)
    assert second.next == first.next
    assert second.retiring == (RetiringKey(first.active, NOW + HOUR),)
    assert files.load(directory) == second
    with pytest.raises(ConfigError, match="has this key already"):
        files.import_key(directory, pem, NOW)


_RAW = (serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def test_import_into_nothing(directory: Path, tmp_path: Path) -> None:
    pem = write_pem(tmp_path / "own.pem", to_pem(signing_private_key("PS256")))
    made = files.import_key(directory, pem, NOW, alg="PS256")
    assert (made.signer.alg, made.next.signer.alg, made.retiring) == ("PS256", "PS256", ())
    assert files.load(directory) == made


@pytest.mark.parametrize("form", ["TRADITIONAL", "PKCS8"])
def test_import_of_older_forms(directory: Path, tmp_path: Path, form: str) -> None:
    """What openssl ecparam -genkey writes, too."""
    data = signing_private_key("ES256").private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8
        if form == "PKCS8"
        else serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    files.import_key(directory, write_pem(tmp_path / "own.pem", data), NOW)
    assert (
        (directory / f"{files.load(directory).active.kid}.pem")
        .read_bytes()
        .startswith(b"-----BEGIN PRIVATE KEY-----")
    )


def _encrypted() -> bytes:
    return signing_private_key("ES256").private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )


def _pem(kind: str) -> bytes:
    key = private_key(kind)
    assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed448.Ed448PrivateKey)
    return key.private_bytes(_RAW[0].PEM, *_RAW[1:])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a private key in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "not a private key in PEM"),
        (_encrypted(), "is encrypted"),
        (_pem("P-384"), "ES256 needs an EC key on the curve P-256"),
        (_pem("RSA-1024"), "2048 bits"),
        (_pem("Ed448"), "neither RSA, nor EC, nor Ed25519"),
        (b"x" * 70000, "larger than 65536 bytes"),
    ],
)
def test_import_refuses(directory: Path, tmp_path: Path, data: bytes, message: str) -> None:
    pem = write_pem(tmp_path / "own.pem", data)
    with pytest.raises(ConfigError, match=message) as raised:
        files.import_key(directory, pem, NOW)
    assert raised.value.mistakes[0].place == str(pem)
    assert not directory.exists()


def test_import_of_a_key_that_others_can_read(directory: Path, tmp_path: Path) -> None:
    pem = write_pem(tmp_path / "own.pem", to_pem(signing_private_key("ES256")), 0o640)
    with pytest.raises(ConfigError, match="mode 0640"):
        files.import_key(directory, pem, NOW)
    with pytest.raises(ConfigError, match="No such file"):
        files.import_key(directory, tmp_path / "absent.pem", NOW)


def test_listing(directory: Path) -> None:
    first = files.load_or_create(directory, "ES256", NOW)
    rows = list_keys(files.rotate(directory, "ES256", NOW, HOUR), NOW)
    assert [(row.state, row.alg, row.until_at) for row in rows] == [
        ("active", "ES256", None),
        ("next", "ES256", None),
        ("retiring", "ES256", NOW + HOUR),
    ]
    assert [row.kid for row in rows][::2] == [first.next.kid, first.active.kid]
    assert {row.created_at for row in rows} == {NOW}
    assert list_keys(files.load(directory), NOW + HOUR)[2].state == "expired"


def test_several_writers(directory: Path) -> None:
    """No rotation is lost though they come at once, also not at the first start."""
    with ThreadPoolExecutor(4) as pool:
        first = list(pool.map(lambda _: files.load_or_create(directory, "ES256", NOW), range(4)))
        list(pool.map(lambda _: files.rotate(directory, "ES256", NOW, HOUR), range(6)))
        readings = pool.map(lambda _: files.load(directory), range(4))
    assert first.count(first[0]) == 4
    last = files.load(directory)
    assert all(reading == last for reading in readings)
    assert len(last.retiring) == 6
    assert len(names(directory)) == 9
