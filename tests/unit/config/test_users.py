"""`[users]`, and listeners that browsers come to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.example import Example


@pytest.fixture
def example(tmp_path: Path) -> Example:
    example = Example.make(tmp_path)
    example.public["serves"] = ["authorization", "metadata", "jwks"]
    return example


def test_defaults(example: Example) -> None:
    example.put("users", "")
    loaded = example.load()
    users = loaded.config.users
    assert loaded.config.asks_users
    assert (users.file, users.checker, users.templates) == (example.directory / "users", None, {})
    assert (users.session_minutes, users.idle_minutes) == (720, 60)
    assert not [note for note in loaded.warnings if "users" in note.place]


def test_nobody_can_log_in_yet(example: Example) -> None:
    assert "?mtlsd.toml: users.file: is not there yet: nobody can log in" in example.told()
    example.document["users"] = {"checker": "unix"}
    assert not any("users" in told for told in example.told())


def test_browsers_are_asked_for_no_certificate(example: Example) -> None:
    """R22: they would ask the user for one."""
    for asks in ("required", "optional"):
        example.mtls["client_certificate"], example.mtls["serves"] = asks, ["token", "authorization"]
        example.mtls.pop("refuse_in", None)
        assert [told for told in example.told() if not told.startswith("?")] == [
            'mtlsd.toml: listener.mtls.serves: "authorization" is for browsers, '
            "which would ask for certificates"
        ]


@pytest.mark.parametrize(
    ("users", "told"),
    [
        ({"checker": " "}, "users.checker: is empty"),
        ({"file": ""}, 'users.file: "" is no file'),
        ({"templates": "nowhere"}, 'users.templates: "nowhere" is no directory that can be read'),
        ({"templates": "pages"}, 'users.templates: "login.html" cannot be used'),
        ({"session_minutes": 0}, "users.session_minutes: 0 is out of bounds"),
    ],
)
def test_mistakes(example: Example, users: dict[str, object], told: str) -> None:
    example.put("users", "")
    example.put("pages/login.html", "{{ client_name|safe }}")
    example.document["users"] = users
    found = [one for one in example.told() if "users" in one]
    assert len(found) == 1
    assert found[0].startswith(f"mtlsd.toml: {told}")


def test_templates(example: Example) -> None:
    example.put("users", "")
    example.put("pages/style.css", "p { color: red }")
    example.put("pages/other.html", "")
    example.document["users"] = {"templates": "pages", "session_minutes": 10, "idle_minutes": 20}
    loaded = example.load()
    assert loaded.config.users.templates == {"style.css": "p { color: red }"}
    places = [str(note.place) for note in loaded.warnings if "users" in note.place]
    assert places == ["mtlsd.toml: users.idle_minutes", "mtlsd.toml: users.templates"]


def test_texts_of_scopes(example: Example) -> None:
    assert example.load().config.requests.scope_texts == {}
    texts = {"invoices:read": "Read your invoices", "é": "x" * 200}
    example.document["authorization"] = {"scope_texts": texts}
    assert example.load().config.requests.scope_texts == texts


@pytest.mark.parametrize("text", ["", " ", "two\nlines", "x" * 201, "\u202e", 1, ["x"], {"a": "b"}])
def test_texts_that_nobody_could_read(example: Example, text: object) -> None:
    example.document["authorization"] = {"scope_texts": {"read": text}}
    assert "authorization.scope_texts" in str(example.told())


def test_texts_are_a_table(example: Example) -> None:
    example.document["authorization"] = {"scope_texts": ["read"]}
    assert "authorization.scope_texts: is a list" in str(example.told())
