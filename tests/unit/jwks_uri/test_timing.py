"""When a set is fetched, and how little may be asked for early."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from mtlsd.jwks_uri.timing import EarlySlots, Timing

TIMING = Timing()
_RANDOM = st.floats(0, 1)


@given(st.integers(0, 86_400), _RANDOM)
def test_it_is_fetched_again_before_it_is_stale(seconds: int, random: float) -> None:
    """But never below the floor."""
    wait = TIMING.again_after(timedelta(seconds=seconds), random)
    assert max(300, 0.85 * seconds - 1e-6) <= wait <= max(300, seconds)


@given(st.integers(1, 10_000), _RANDOM)
def test_failures_space_the_tries(failures: int, random: float) -> None:
    wait = TIMING.retry_after(failures, random)
    assert 0.8 * min(60 * 2 ** min(failures - 1, 10), 3600) <= wait <= 3600
    assert TIMING.early_after(0) == 30
    assert 30 < TIMING.early_after(failures) <= 480


@given(st.lists(st.floats(0, 5), min_size=1, max_size=200))
def test_early_slots_are_bounded(pauses: list[float]) -> None:
    """In no second are there more than a burst and its share, and nobody waits without need."""
    slots = EarlySlots(4.0, 8)
    now, given_out = 0.0, []
    for pause in pauses:
        now += pause
        given_out.append(slots.take(now, 0.0))
        assert now <= given_out[-1] <= now + len(given_out) / 4.0
    for start in given_out:
        assert sum(start <= slot < start + 1 for slot in given_out) <= 8 + 4


def test_a_burst_comes_at_once() -> None:
    slots = EarlySlots(4.0, 8)
    assert [slots.take(100.0, 0.0) for _ in range(10)] == [*[100.0] * 8, 100.25, 100.5]
    assert slots.take(200.0, 230.0) == 230.0
