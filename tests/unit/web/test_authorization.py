"""The authorization endpoint, from the request to the redirect, as it should be."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mtlsd.oauth.artifacts import Artifact
from mtlsd.web.cookies import SESSION
from tests.unit.oauth.grants_world import ISSUER, now_of
from tests.unit.web.browser import PASSWORD, Browser, World, answer_of, asking, codes


@pytest.fixture(params=["own", "twisted"])
def world(request: pytest.FixtureRequest) -> World:
    return World(server=request.param)


def test_from_request_to_code(world: World) -> None:
    """R63, R76: 303, with iss and state."""
    browser = Browser(world)
    login = browser.get(asking())
    assert (login.status, codes(world), len(world.artifacts.rows)) == (200, 0, 0)
    wrong = browser.answer(login, "log_in", username="alice", password="wrong")
    assert wrong.status == 403
    assert "The user name or the password is wrong." in wrong.body
    assert wrong.fields["password"] == ""
    assert wrong.fields["username"] == "alice"
    again = browser.answer(wrong, "log_in", username="alice", password=PASSWORD)
    assert (again.status, again.location) == (303, asking())
    consent = browser.get(again.location)
    assert "Allow access?" in consent.body
    told = answer_of(browser.answer(consent, "grant"))
    assert set(told) == {"code", "state", "iss"}
    assert (told["state"], told["iss"]) == ("of the client", ISSUER)
    found = now_of(world.artifacts.find("code", Artifact.key_of(told["code"]), world.now))
    assert found is not None
    content = found.artifact.content
    assert (content["sub"], content["auth_time"]) == ("alice", int(world.now.timestamp()))
    assert world.names() == ["user.refused", "user.authenticated", "authorization.granted"]
    assert world.events[-1][1] == {
        "correlation_id": "id", "client_id": "web", "user": "alice", "scope": ("read",),
    }  # fmt: skip
    assert PASSWORD not in str(world.events)
    assert told["code"] not in str(world.events)


def test_the_user_says_no(world: World) -> None:
    browser = Browser(world)
    told = answer_of(browser.answer(browser.log_in(asking()), "deny"))
    assert (told["error"], told["state"], told["iss"]) == ("access_denied", "of the client", ISSUER)
    assert world.reasons()[-1] == "user.denied"
    assert codes(world) == 0


def test_scopes_with_a_text(world: World) -> None:
    """What an operator calls them; others by their names."""
    consent = Browser(world).log_in(asking(scope="read write"))
    assert "<li><code>read</code></li>" in consent.body
    assert "<li>Change &lt;b&gt;everything&lt;/b&gt;</li>" in consent.body
    assert ">write<" not in consent.body


def test_a_session_needs_no_second_login(world: World) -> None:
    browser = Browser(world)
    browser.log_in(asking())
    assert "Allow access?" in browser.get(asking(state="another")).body


def test_another_account(world: World) -> None:
    browser = Browser(world)
    out = browser.answer(browser.log_in(asking()), "log_out")
    assert (out.status, SESSION in browser.cookies) == (303, False)
    assert "Sign in" in browser.get(out.location).body
    assert "bob" in browser.log_in(asking(), "bob", "other horse").body


@pytest.mark.parametrize(("prompt", "error"), [("none", "login_required")])
def test_prompt_none(world: World, prompt: str, error: str) -> None:
    assert answer_of(Browser(world).get(asking(prompt=prompt)))["error"] == error
    browser = Browser(world)
    browser.log_in(asking())
    assert answer_of(browser.get(asking(prompt=prompt)))["error"] == "consent_required"


@pytest.mark.parametrize("demand", [{"prompt": "login"}, {"max_age": "0"}, {"prompt": "select_account"}])
def test_a_login_that_is_demanded(world: World, demand: dict[str, str]) -> None:
    browser = Browser(world)
    browser.log_in(asking())
    world.now += timedelta(minutes=1)
    target = asking(**demand)
    assert "Sign in" in browser.get(target).body
    assert "Allow access?" in browser.log_in(target).body


def test_login_hint(world: World) -> None:
    assert Browser(world).get(asking(login_hint="alice")).fields["username"] == "alice"


def test_sessions_end(world: World) -> None:
    """After an hour of rest, after twelve hours in any case."""
    browser = Browser(world)
    browser.log_in(asking())
    for _ in range(13):
        world.now += timedelta(minutes=55)
        assert "Allow access?" in browser.get(asking()).body
    world.now += timedelta(minutes=10)
    assert "Sign in" in browser.get(asking()).body
    browser.log_in(asking())
    world.now += timedelta(minutes=61)
    assert "Sign in" in browser.get(asking()).body


def test_sessions_end_with_what_they_stand_on(world: World) -> None:
    """Such as a password that was changed, or a user who is gone."""
    browser = Browser(world)
    world.users.standing_of = lambda user: "first"
    browser.log_in(asking())
    consent = browser.get(asking())
    assert "Allow access?" in consent.body
    world.users.standing_of = lambda user: None
    assert browser.answer(consent, "grant").location == asking()
    assert "Sign in" in browser.get(asking()).body
    assert codes(world) == 0


def test_a_code_stands_on_the_password(world: World) -> None:
    """And so does what the client gets for it."""
    browser = Browser(world)
    world.users.standing_of = lambda user: "first"
    told = answer_of(browser.answer(browser.log_in(asking()), "grant"))
    found = now_of(world.artifacts.find("code", Artifact.key_of(told["code"]), world.now))
    assert found is not None
    assert found.artifact.content["standing"] == "first"


def test_logging_out(world: World) -> None:
    """Of a session, by its own page; another site cannot do it."""
    browser = Browser(world)
    assert "You are signed out" in browser.get("/logout").body
    browser.log_in(asking())
    page = browser.get("/logout")
    assert "You are signed in as alice." in page.body
    for fields in ({"origin": "https://evil.example"}, {"cookie": "a=b"}):
        assert browser.post("/logout", page.fields, **fields).status == 403
    consent = browser.get(asking())
    assert browser.post("/logout", consent.fields).status == 403
    assert "Allow access?" in browser.get(asking()).body
    out = browser.answer(page, "log_out")
    assert (out.status, out.location, SESSION in browser.cookies) == (303, "/logout", False)
    assert browser.answer(page, "log_out").status == 403
    assert "Sign in" in browser.get(asking()).body


def test_nothing_is_cached_framed_or_told_to_others(world: World) -> None:
    """Clickjacking, and what a page may load; and the address of the page is no other site's business."""
    browser = Browser(world)
    for page in (
        browser.get(asking()),
        browser.log_in(asking()),
        browser.get("/authorize"),
        browser.get("/logout"),
    ):
        assert page.header("cache-control") == "no-store"
        assert page.header("x-frame-options") == "DENY"
        assert page.header("referrer-policy") == "same-origin"
        assert page.header("x-content-type-options") == "nosniff"
        policy = page.header("content-security-policy") or ""
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert policy.endswith("base-uri 'none'; frame-ancestors 'none'")
        assert page.header("access-control-allow-origin") is None
