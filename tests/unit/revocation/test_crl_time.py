"""When sources are asked, and clocks that jump."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from mtlsd.pki.crl import CertificateList
from mtlsd.pki.crl_issuer import check_currency
from mtlsd.pki.dn import DistinguishedName
from mtlsd.revocation.crl_pace import Pace
from tests.pki import NOW
from tests.pki.crls import entry, path_of
from tests.unit.revocation.crls import DAY, SERIAL, URL, World

PACE = Pace()
HOUR = timedelta(hours=1)
CHANCES = st.floats(0, 1, exclude_max=True)
INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 hypothesis adds the zone


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, crl_urls=(URL,))


@given(INSTANTS, st.none() | INSTANTS, st.integers(0, 10**6), st.booleans(), CHANCES)
def test_the_next_time_is_within_bounds(
    now: datetime, next_update: datetime | None, max_age: int, conditional: bool, chance: float
) -> None:
    headers = {"cache-control": f"max-age={max_age}"}
    wait = PACE.refresh(now, next_update, headers, conditional, chance) - now
    assert PACE.floor <= wait <= (PACE.ceiling if conditional else PACE.dear_ceiling)
    if next_update is not None and next_update - now > 2 * PACE.floor:
        assert wait <= (next_update - now) * 0.75


@given(INSTANTS, st.integers(1, 10**6), CHANCES)
def test_a_retry_is_within_bounds(now: datetime, failures: int, chance: float) -> None:
    wait = PACE.retry(now, failures, chance) - now
    assert PACE.first_retry * 0.75 <= wait <= PACE.last_retry


def test_chance_spreads() -> None:
    waits = {PACE.refresh(NOW, NOW + DAY, {}, True, tenth / 10) for tenth in range(10)}
    assert len(waits) == 10


def test_what_cannot_be_asked_for_changes_is_asked_less_often() -> None:
    assert PACE.refresh(NOW, None, {}, False, 0) - NOW > 4 * HOUR
    assert PACE.refresh(NOW, NOW + 2 * HOUR, {}, False, 0) - NOW == HOUR


@pytest.mark.parametrize("span", [-400 * DAY, 5 * DAY])
def test_the_wall_clock_jumps(world: World, span: timedelta) -> None:
    """What was planned by the old time is planned anew within a minute."""
    world.serve(next_update=NOW + 30 * DAY, this_update=NOW - 500 * DAY)
    world.start()
    world.server.urls()
    world.jump(span)
    world.go(61)
    next_try = world.status().next_try
    assert next_try is not None
    assert abs(next_try - world.wall) <= HOUR
    world.go(2 * 3600)
    assert len(world.server.urls()) >= 2


def test_a_clock_that_is_wrong_for_a_moment(world: World) -> None:
    """Nobody saw it jump, but what was asked in that moment is not left alone for years."""
    world.serve()
    world.start()
    world.wall += 4000 * DAY
    assert world.ensure(world.path())
    world.wall -= 4000 * DAY
    world.server.urls()
    world.go(2 * 3600)
    next_try = world.status().next_try
    assert next_try is not None
    assert abs(next_try - world.wall) <= PACE.longest
    assert world.server.urls()


def test_sources_that_fail_all_the_time_hold_up_no_other(world: World) -> None:
    """Somebody waits for such a one twice in each second, and asks for it anew."""
    world.pace = attrs.evolve(PACE, again=timedelta(0))
    world.policy["crl_from_certificate"] = True
    world.serve(next_update=NOW + 600 * timedelta(seconds=1))
    world.start()
    other = world.ca("Other", world.root)
    place = x509.UniformResourceIdentifier("http://gone.example/other.crl")
    points = x509.CRLDistributionPoints([x509.DistributionPoint([place], None, None, None)])
    failing = path_of(world.leaf(other, more=[(points, False)]).leaf, other.der, world.root.der)
    for _ in range(2 * 600):
        world.ensure(failing)
        world.go(0.5)
    asked = world.server.urls()
    assert asked.count(str(place.value)) > 600
    assert asked.count(URL) >= 2


def test_a_clock_that_was_wrong_at_the_start_and_is_set_right(world: World) -> None:
    """What the last run kept was of no use in 1970; it is now."""
    world.serve(entry(SERIAL))
    world.start()
    world.server.bodies.clear()
    world.wall = datetime(1970, 1, 1, tzinfo=UTC)
    world.restart()
    assert world.told() == "crl.none"
    assert "cache.failed" not in world.names()
    world.go(600)
    world.wall = NOW + HOUR
    world.go(61)
    assert world.told() == "revoked"


def test_a_clock_that_runs_evenly_is_not_replanned(world: World) -> None:
    world.serve()
    world.start()
    planned = world.status().next_try
    world.go(600)
    assert world.status().next_try == planned


def test_a_file_is_read_again_after_a_jump(tmp_path: Path) -> None:
    file = tmp_path / "ca.crl"
    world = World(tmp_path, crl_files=(str(file),))
    file.write_bytes(world.crl(entry(SERIAL)).der())
    world.wall = NOW + 30 * DAY
    world.start()
    assert str(world.status(str(file)).error).startswith("crl.expired")
    world.wall = NOW
    world.go(61)
    assert world.told() == "revoked"
    assert world.status(str(file)).error is None


def test_a_list_that_never_runs_out() -> None:
    """RFC 5280 section 4.1.2.5: 99991231235959Z is the end of what has none; a grace after it is no date."""
    described = attrs.evolve(
        CertificateList(DistinguishedName.from_string("CN=x"), NOW, NOW + DAY),
        next_update=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    )
    check_currency(described, NOW, DAY)
    assert PACE.refresh(NOW, described.next_update, {}, True, 0) - NOW <= HOUR
