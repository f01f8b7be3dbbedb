"""docs/fapi.md names a test for each check of the conformance suite, or says why there is none."""

from __future__ import annotations

import re

import pytest

from tests.unit.test_docs import ROOT

PAGE = (ROOT / "docs/fapi.md").read_text("utf-8")
ROWS = re.findall(r"^\| (.+) \| (.+) \|$", PAGE.partition("## The conformance suite")[2], re.MULTILINE)
CHECKS = [row for row in ROWS if row[0] not in ("module", "check") and not row[0].startswith("---")]
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
REASONS = ("no DPoP", "no OpenID Connect", "no request objects", "is about")


def test_there_is_something_to_check() -> None:
    assert len(CHECKS) > 50
    assert len({check for check, _ in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize(("check", "told"), CHECKS)
def test_each_check_has_a_test_or_a_reason(check: str, told: str) -> None:
    named = NAMED.findall(told)
    assert named or told.startswith(REASONS)
    for path, name in named:
        text = (ROOT / "tests" / path).read_text("utf-8")
        assert re.search(rf"^ *(async )?def {name}\(", text, re.MULTILINE), f"{path}::{name}"
