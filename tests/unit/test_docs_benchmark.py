"""docs/benchmark.md names everything that scripts/bench measures."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.__main__ import OTHERS, SCENARIOS

PAGE = Path(__file__).parents[2] / "docs" / "benchmark.md"


@pytest.mark.parametrize("scenario", [*SCENARIOS, *OTHERS])
def test_every_scenario_is_on_the_page(scenario: str) -> None:
    said = PAGE.read_text("utf-8")
    assert f"(`{scenario}`)" in said or f"scripts/bench -s {scenario}`" in said
