"""The pages for users hang together: links, anchors, the index, the tests that docs/threats.md names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = sorted((ROOT / "docs").glob("**/*.md"))
PAGES = [
    *(ROOT / name for name in ("README.md", "SECURITY.md", "CHANGELOG.md", "newsfragments/README.md")),
    *DOCS,
]
KINDS = {"feature", "bugfix", "security", "removal", "doc", "misc"}


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def links(page: Path) -> list[str]:
    """The targets of a page's links that lead to files of the project."""
    found = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", prose(page)))
    return [target for target in found if not target.startswith(("https://", "mailto:"))]


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub and others make of headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("start", [ROOT / "docs/index.md", ROOT / "README.md"], ids=lambda page: page.name)
def test_every_page_is_listed(start: Path) -> None:
    listed = {(start.parent / target.partition("#")[0]).resolve() for target in links(start)}
    assert set(DOCS) - {ROOT / "docs/index.md"} <= listed


def test_every_test_that_is_named_is_there() -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (ROOT / "docs/threats.md").read_text("utf-8"))
    assert len(named) > 40
    for path, name in named:
        text = (ROOT / "tests" / path).read_text("utf-8")
        assert re.search(rf"^ *(async )?def {name}\(", text, re.MULTILINE), f"{path}::{name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_line_is_too_long_to_read(page: Path) -> None:
    """Tables and code apart."""
    assert [line for line in prose(page).splitlines() if len(line) > 132 and not line.startswith("|")] == []


def test_news_fragments_have_a_kind() -> None:
    names = {path.name for path in (ROOT / "newsfragments").iterdir()} - {"README.md"}
    assert names
    for name in names:
        assert re.fullmatch(rf"\+[a-z0-9-]+\.({'|'.join(KINDS)})\.md", name), name


def test_kinds_of_news_fragments_are_told() -> None:
    told = re.findall(r"^\| `(\w+)`", (ROOT / "newsfragments/README.md").read_text("utf-8"), re.MULTILINE)
    configured = re.findall(
        r'^directory = "(\w+)"', (ROOT / "towncrier.toml").read_text("utf-8"), re.MULTILINE
    )
    assert set(told) == KINDS == set(configured) - {"newsfragments"}
