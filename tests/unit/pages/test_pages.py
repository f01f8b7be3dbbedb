"""Pages: what is put into them stays text, and the policy that they are sent with lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mtlsd.pages.pages import Page, Pages, TemplateMistake, form_action_of, own_templates, returns_to_of

OWN = Pages.from_templates("as.example.com", {})
BREAKING_OUT = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onfocus='alert(1)",
    "{{ 7*7 }}",
]


class Reader(HTMLParser):
    """What a browser would find."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page.html.decode("utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def attributes(self, tag: str, **known: str) -> dict[str, str | None]:
        return next(own for name, own in self.tags if name == tag and known.items() <= own.items())


def login(**changes: Any) -> Page:
    values: dict[str, Any] = {
        "action": "/authorize?client_id=web&state=a", "seal": "s", "client_name": "Web", "client_id": "web",
        "username": "", "problem": "", "wrong": False, "retry_after_seconds": 0,
    }  # fmt: skip
    return OWN.login(**{**values, **changes})


def consent(redirect_uri: str = "https://client.example/cb", **changes: Any) -> Page:
    values: dict[str, Any] = {
        "action": "/authorize", "seal": "s", "client_name": "Web", "client_id": "web", "user": "alice",
        "scope": [{"name": "read", "text": ""}], "resources": [],
    }  # fmt: skip
    return OWN.consent(redirect_uri, **{**values, **changes})


@given(st.text())
@example(BREAKING_OUT[0])
@example(BREAKING_OUT[1])
@example(BREAKING_OUT[2])
@example(BREAKING_OUT[3])
@settings(max_examples=60, deadline=None)
def test_what_others_say_is_text(said: str) -> None:
    """XSS: names of clients and users, scopes, the state in the URL: the tags stay the same."""
    said = re.sub(r"[\r\0\ud800-\udfff]", "", said)
    plain, hostile = (
        Reader(login(username="x")),
        Reader(login(client_name=said, username=said or "x", action=said)),
    )
    assert [tag for tag, _ in plain.tags] == [tag for tag, _ in hostile.tags]
    assert hostile.attributes("input", id="username")["value"] == (said or "x")
    assert hostile.attributes("form")["action"] == said
    scope = [{"name": said, "text": ""}]
    asked = Reader(
        consent(client_name=said, client_id=said, user=said, scope=scope, resources=[said], seal=said)
    )
    assert {tag for tag, _ in asked.tags} == {tag for tag, _ in Reader(consent(resources=["x"])).tags}
    assert said in asked.text


def test_the_policy() -> None:
    """Clickjacking, injected scripts, styles, forms and bases."""
    style = re.search(rb"<style>(.*?)</style>", login().html, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1]).digest()).decode()
    assert login().policy.decode() == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    assert b"form-action 'self' https:;" in consent().policy


@pytest.mark.parametrize(
    ("uri", "source", "shown"),
    [
        ("https://client.example/cb", "https:", "client.example"),
        ("https://client.example:8443/cb?a=b", "https:", "client.example:8443"),
        ("http://127.0.0.1:5000/cb", "http:", "127.0.0.1:5000"),
        ("http://[::1]/cb", "http:", "[::1]"),
        ("com.example.app:/cb", "com.example.app:", "com.example.app:"),
    ],
)
def test_where_a_form_may_lead(uri: str, source: str, shown: str) -> None:
    assert (form_action_of(uri), returns_to_of(uri)) == (source, shown)


def test_labels_and_errors_are_told_to_screen_readers() -> None:
    page = Reader(login(problem="Wrong.", wrong=True, username="alice"))
    problem = page.attributes("div", id="problem")
    assert (problem["role"], problem["tabindex"]) == ("alert", "-1")
    assert "autofocus" in problem
    labelled = {own["for"] for tag, own in page.tags if tag == "label"}
    for name, complete in (("username", "username"), ("password", "current-password")):
        field = page.attributes("input", id=name)
        assert name in labelled
        assert (field["autocomplete"], field["aria-describedby"]) == (complete, "problem")
    assert page.attributes("html")["lang"] == "en"
    assert "Error: Sign in" in page.text
    assert "value" not in page.attributes("input", id="password")


def test_an_operators_templates() -> None:
    pages = Pages.from_templates(
        "as", {"message.html": "<h1>Ours: {{ heading }}</h1>", "style.css": "p { color: red }"}
    )
    assert pages.message("<b>", "x").html == b"<h1>Ours: &lt;b&gt;</h1>"
    values = {"action": "", "seal": "", "client_name": "", "client_id": "", "username": "", "problem": ""}
    page = pages.login(**values, wrong=False, retry_after_seconds=0)
    assert b"<style>p { color: red }</style>" in page.html
    assert page.policy != login().policy


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("login.html", "{% if %}"),
        ("login.html", "{{ nothing_of_the_kind }}"),
        ("login.html", "{% include 'other.html' %}"),
        ("login.html", "{{ client_name|safe }}"),
        ("login.html", "<p title={{ client_name }}>"),
        ("login.html", "{% autoescape false %}{{ username }}{% endautoescape %}"),
        ("consent.html", "{{ scope[0].name|safe }}"),
        ("consent.html", "<script>1</script>"),
        ("message.html", "{{ ''.__class__.__mro__[1].__subclasses__() }}"),
        ("message.html", "{{ 1 / 0 }}"),
        ("style.css", "p { } </style><script>"),
    ],
)
def test_templates_that_cannot_be_used(name: str, text: str) -> None:
    """A mistake is told when the configuration is read, not to a user."""
    with pytest.raises(TemplateMistake) as caught:
        Pages.from_templates("as", {name: text})
    assert caught.value.name in (name, "other.html")


def test_own_templates_have_nothing_that_others_serve() -> None:
    """No script, nothing from another host."""
    for text in own_templates().values():
        assert "<script" not in text
        assert "//" not in text
        assert "url(" not in text
