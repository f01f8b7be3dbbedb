"""What commands know without asking anybody: what a daemon has kept, verified again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mtlsd.pki.crl_check import check_crls
from mtlsd.revocation.offline import OfflineKnowledge
from tests.pki import NOW
from tests.pki.crls import entry
from tests.unit.revocation import crls, ocsp_world
from tests.unit.revocation.crls import DAY, SERIAL, URL


@pytest.fixture
def world(tmp_path: Path) -> crls.World:
    """A daemon that has fetched a list, as the service keeps it."""
    world = crls.World(tmp_path, crl_urls=(URL,))
    world.directory = world.directory.below("crl")
    world.serve(entry(SERIAL))
    world.start()
    return world


def read(world: crls.World, tmp_path: Path) -> OfflineKnowledge:
    return OfflineKnowledge.read([world.group], tmp_path / "cache", True, world.wall)


def files(directory: Path) -> dict[Path, tuple[int, bytes]]:
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes()) for path in directory.rglob("*") if path.is_file()
    }


def test_lists_of_the_cache(world: crls.World, tmp_path: Path) -> None:
    world.go(600)
    known = read(world, tmp_path)
    assert check_crls(world.path(), 0, known.crls("partners"), world.wall).status == "revoked"
    (status,) = known.status()
    assert (status.source, status.error) == (URL, None)
    assert status.last_good is not None
    assert NOW <= status.last_good < NOW + timedelta(seconds=600), "when the daemon fetched it"
    assert len(world.server.asked) == 1


def test_a_list_that_ran_out_is_told(world: crls.World, tmp_path: Path) -> None:
    world.wall += 30 * DAY
    known = read(world, tmp_path)
    assert check_crls(world.path(), 0, known.crls("partners"), world.wall).status == "unknown"


def test_nothing_is_written_whatever_is_there(world: crls.World, tmp_path: Path) -> None:
    """A daemon would remove what is torn, and what nobody names any more."""
    torn = world.directory.path / next(iter(world.directory.names()))
    torn.write_bytes(torn.read_bytes()[:-1])
    before = files(tmp_path)
    read(world, tmp_path)
    world.policy = {"crl_urls": ("https://another.example/",)}
    read(world, tmp_path)
    assert files(tmp_path) == before


def test_without_a_cache(tmp_path: Path) -> None:
    world = crls.World(tmp_path, crl_urls=(URL,))
    (status,) = read(world, tmp_path).status()
    assert (status.source, status.last_good, status.error) == (URL, None, None)
    assert list(tmp_path.iterdir()) == []


def test_signers_that_only_clients_know(tmp_path: Path) -> None:
    """As a daemon learns them: from the path of whoever comes."""
    file = tmp_path / "ca.crl"
    world = crls.World(tmp_path, crl_files=(str(file),))
    world.intermediates = ()
    file.write_bytes(world.crl(entry(SERIAL)).der())
    known = read(world, tmp_path)
    assert check_crls(world.path(), 0, known.crls("partners"), world.wall).status == "unknown"
    known.note("partners", world.path())
    assert check_crls(world.path(), 0, known.crls("partners"), world.wall).status == "revoked"


def test_groups_that_it_does_not_know(world: crls.World, tmp_path: Path) -> None:
    known = read(world, tmp_path)
    known.note("others", world.path())
    assert known.crls("others").lists == ()


@pytest.mark.parametrize("kind", ["issuer_by_name", "revoked"])
def test_answers_of_the_cache(tmp_path: Path, kind: str) -> None:
    world = ocsp_world.World(tmp_path)
    world.start()
    world.react = world.honest(kind)
    assert world.why() is None
    before = world.get()
    assert before is not None
    world.restart()
    kept = files(tmp_path)
    known = OfflineKnowledge.read([world.group], tmp_path / "cache", True, world.now())
    assert known.ocsp("partners", world.client, world.issuer) == before
    assert files(tmp_path) == kept
