"""How often: R60."""

from __future__ import annotations

from datetime import timedelta

from mtlsd.oauth.pace import Pace, place_of
from tests.pki import NOW

MINUTE = timedelta(minutes=1)


def test_as_many_as_allowed_and_then_one_at_a_time() -> None:
    pace = Pace()
    assert [pace.wait_seconds("a", 3, NOW) for _ in range(3)] == [0, 0, 0]
    wait = pace.wait_seconds("a", 3, NOW)
    assert 1190 < wait <= 1201
    assert pace.wait_seconds("b", 3, NOW) == 0
    assert pace.wait_seconds("a", 3, NOW + 10 * MINUTE) > 0
    assert pace.wait_seconds("a", 3, NOW + timedelta(seconds=wait)) == 0
    assert pace.wait_seconds("a", 3, NOW + timedelta(seconds=wait)) > 0


def test_never_more_at_once() -> None:
    pace = Pace()
    later = NOW + timedelta(days=30)
    pace.wait_seconds("a", 2, NOW)
    assert [pace.wait_seconds("a", 2, later) > 0 for _ in range(3)] == [False, False, True]


def test_a_clock_that_goes_back_gives_nothing() -> None:
    pace = Pace()
    assert pace.wait_seconds("a", 1, NOW) == 0
    assert pace.wait_seconds("a", 1, NOW - timedelta(days=1)) > 0


def test_no_more_memory_than_that() -> None:
    pace = Pace(most=100)
    for number in range(1000):
        pace.wait_seconds(str(number), 1, NOW)
    assert len(pace._buckets) == 100
    assert pace.wait_seconds("999", 1, NOW) > 0


def test_places() -> None:
    assert place_of("192.0.2.1") == place_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert place_of("2001:db8::1") == place_of("2001:db8::ffff:1%eth0") == "2001:db8::/64"
    assert place_of("2001:db8:0:1::1") != place_of("2001:db8::1")
    assert place_of("") == ""
