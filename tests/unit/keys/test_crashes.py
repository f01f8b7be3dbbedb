"""A crash, or a full disk, at any step of any change leaves one whole keyring: the old one or the new one."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mtlsd.errors import ConfigError
from mtlsd.jose.keyring import Keyring
from mtlsd.keys import directory as module
from mtlsd.keys import files
from mtlsd.keys.private_key import to_pem
from tests.unit.jose.keys import signing_private_key
from tests.unit.keys.faults import FailingOs, PowerCut

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=2)
HOUR = timedelta(hours=1)

Change = Callable[[Path], Keyring]


def create(directory: Path) -> Keyring:
    return files.load_or_create(directory, "ES256", NOW)


def rotate(directory: Path) -> Keyring:
    """With a key whose retirement has ended."""
    return files.rotate(directory, "ES256", LATER, HOUR)


def change_algorithm(directory: Path) -> Keyring:
    return files.load_or_create(directory, "EdDSA", LATER)


def import_key(directory: Path) -> Keyring:
    pem = directory.parent / "own.pem"
    pem.write_bytes(to_pem(signing_private_key("ES256")))
    pem.chmod(0o600)
    return files.import_key(directory, pem, LATER, retire_for=HOUR)


def prepared(directory: Path) -> Keyring:
    create(directory)
    return files.rotate(directory, "ES256", NOW, HOUR)


def each_failure(
    base: Path, change: Change, prepare: Change | None, monkeypatch: pytest.MonkeyPatch, **fault: object
) -> Iterator[tuple[Path, Keyring | None, BaseException | None]]:
    """The directory after the change failed at its first step, at its second, ...; at last it succeeds."""
    for step in range(100):
        directory = base / str(step) / "keys"
        directory.parent.mkdir()
        old = prepare(directory) if prepare else None
        failing = FailingOs(step, **fault)  # type: ignore[arg-type]  # handed on as it came
        monkeypatch.setattr(module, "os", failing)
        try:
            change(directory)
        except (PowerCut, ConfigError) as error:
            failed: BaseException | None = error
        else:
            failed = None
        finally:
            monkeypatch.undo()
        yield directory, old, failed
        if failed is None:
            assert step == len(failing.done)
            return
    raise AssertionError("it has no end")


CHANGES = [(create, None), (rotate, prepared), (change_algorithm, prepared), (import_key, prepared)]
FAULTS = [{}, {"torn": True}, {"failure": OSError(errno.ENOSPC, "No space left on device")}]


@pytest.mark.parametrize(("change", "prepare"), CHANGES)
@pytest.mark.parametrize("fault", FAULTS, ids=["cut", "torn", "full"])
def test_every_step(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Change,
    prepare: Change | None,
    fault: dict[str, object],
) -> None:
    seen_old = seen_new = 0
    for directory, old, failed in each_failure(tmp_path, change, prepare, monkeypatch, **fault):
        found = files.load_if_any(directory)
        seen_old += found == old
        seen_new += found != old
        if failed is None:
            assert found != old
        recovered = files.rotate(directory, "ES256", LATER, HOUR)  # whatever is left lying there
        assert files.load(directory) == recovered
        kept = {f"{key.kid}.pem" for key in recovered.keys} | {"keyring.json"}
        assert {path.name for path in directory.iterdir()} == kept
    assert seen_old >= 5
    assert seen_new >= 1


@pytest.mark.parametrize(("change", "prepare"), CHANGES)
def test_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Change, prepare: Change | None
) -> None:
    """fsync holds in order what a power cut may reorder.

    Each file comes before its name, the keys' names before ``keyring.json``, and that before any removal.
    """
    directory = tmp_path / "keys"
    if prepare:
        prepare(directory)
    watching = FailingOs()
    monkeypatch.setattr(module, "os", watching)
    change(directory)
    monkeypatch.undo()
    unsynced: set[object] = set()
    renamed: list[str] = []
    for action, subject in watching.done:
        if action == "write":
            unsynced.add(subject)
        elif action == "fsync":
            unsynced.discard(subject)
            if subject == directory:
                renamed.clear()
        elif action == "rename":
            assert isinstance(subject, str)
            assert subject not in unsynced
            assert subject != ".keyring.json.new" or not renamed
            renamed.append(subject)
        elif action == "unlink":
            assert not renamed
    assert not unsynced
    assert not renamed
    assert watching.done[-1] == ("fsync", directory)


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = {"failure": OSError(errno.ENOSPC, "No space left on device")}
    for directory, _, failed in each_failure(tmp_path, create, None, monkeypatch, **fault):
        if failed is not None:
            assert isinstance(failed, ConfigError)
            assert "No space left on device" in str(failed)
            assert str(directory.parent) in failed.mistakes[0].place
