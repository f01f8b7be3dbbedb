"""Whatever a file says, it is taken, or refused with its mistakes told: never a traceback."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mtlsd.config.load import load
from mtlsd.config.model import Loaded
from mtlsd.errors import ConfigError, Mistake
from tests.pki.maker import NOW
from tests.unit.config.example import DOCUMENT, Example, toml

Step = str | int


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        Example.make(Path(name))
        yield Path(name)


def _paths(value: Any, path: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """Where something stands in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from _paths(item, (*path, key))


PATHS = sorted(_paths(dict(DOCUMENT)), key=str)
_VALUES = st.one_of(
    st.sampled_from(
        [
            "",
            "\0",
            "-",
            ".",
            "/",
            "/dev/zero",
            "/dev/null",
            "server.pem",
            "server.key",
            "root.pem",
            "tcp:8443",
            "partners",
            "mtls",
            "none",
            "self_signed_tls_client_auth",
            "tls_client_auth",
            "https://as.example.com",
            "sqlite:",
            2**63 - 1,
            -1,
            0,
            True,
            [],
            {},
            [[]],
            [{}],
            {"name": []},
            float("nan"),
            datetime(2026, 1, 1, tzinfo=UTC),
        ]
    ),
    st.recursive(
        st.text(max_size=20) | st.integers() | st.booleans() | st.floats(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=4,
    ),
)
_KEYS = st.text(max_size=12) | st.sampled_from(
    [
        "certificates",
        "jwks",
        "revocation",
        "tls_client_auth_subject_dn",
        "disabled",
        "scope",
        "audience",
        "keys",
    ]
)
_CHANGES = st.lists(
    st.tuples(
        st.sampled_from(PATHS), st.sampled_from(["delete", "replace", "rename", "add"]), _KEYS, _VALUES
    ),
    min_size=1,
    max_size=4,
)


def _changed(path: tuple[Step, ...], how: str, key: str, value: Any, document: Any) -> None:
    """Change one place of a document, where it is still there."""
    *above, last = path
    try:
        for step in above:
            document = document[step]
        old = document[last]
        if how == "replace":
            document[last] = value
        elif how == "add" and isinstance(document, dict):
            document[key] = value
        else:
            del document[last]
            if how == "rename" and isinstance(document, dict):
                document[key] = old
    except (KeyError, IndexError, TypeError):
        pass


def _load(directory: Path, content: bytes) -> Loaded | None:
    path = directory / "mtlsd.toml"
    path.write_bytes(content)
    loaded: Loaded | None = None
    mistakes: tuple[Mistake, ...] = ()
    try:
        loaded = load(path, NOW)
    except ConfigError as error:
        mistakes = error.mistakes
    assert loaded is not None or any(mistake.fatal for mistake in mistakes)
    for mistake in mistakes:
        assert mistake.place.isprintable()
        assert mistake.message.isprintable()
        assert mistake.remedy.isprintable()
    return loaded


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=_CHANGES)
@example(changes=[(("trust_anchors", 0, "name"), "replace", "", "\0")])
def test_changed_document(directory: Path, changes: list[tuple[tuple[Step, ...], str, str, Any]]) -> None:
    document = copy.deepcopy(dict(DOCUMENT))
    for path, how, key, value in changes:
        _changed(path, how, key, value, document)
    _load(directory, toml(document).encode())


@settings(max_examples=100, deadline=None)
@given(cut=st.integers(0, 2000), noise=st.binary(max_size=8))
def test_broken_file(directory: Path, cut: int, noise: bytes) -> None:
    content = toml(DOCUMENT).encode()
    _load(directory, content[:cut] + noise + content[cut:])


def test_unchanged_document(directory: Path) -> None:
    assert _load(directory, toml(DOCUMENT).encode()) is not None
