"""Pushed requests at the authorization endpoint: opened as often as browsers do, answered once (R64)."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

import pytest

from mtlsd.oauth.artifacts import Artifact
from tests.unit.oauth.grants_world import now_of
from tests.unit.web.browser import Browser, World, answer_of, codes


@pytest.fixture(params=["own", "twisted"])
def world(request: pytest.FixtureRequest) -> World:
    return World(server=request.param)


def pushed(world: World, **changes: str) -> str:
    """The target of a request that the client has pushed."""
    parameters = world.world.asking(**changes).parameters
    request_uri = f"urn:ietf:params:oauth:request_uri:{len(world.artifacts.rows)}"
    content = {
        "parameters": dict(parameters),
        "opened_before": (world.now + timedelta(minutes=1)).timestamp(),
    }
    key, end = Artifact.key_of(request_uri), world.now + timedelta(minutes=31)
    kept = Artifact("request_uri", key, "web", None, content, end)
    now_of(world.artifacts.save(kept, now=world.now))
    return "/authorize?" + urlencode({"client_id": "web", "request_uri": request_uri})


def test_a_pushed_request(world: World) -> None:
    """RFC 9126: it waits until it is answered, and that is once."""
    browser, target = Browser(world), pushed(world)
    opened = browser.get(target)
    assert opened.status == 303
    assert opened.location.startswith(target + "&interaction=")
    consent = browser.log_in(opened.location)
    assert browser.get(opened.location).status == 200
    assert len(world.artifacts.rows) == 2  # the request and a session
    assert "code" in answer_of(browser.answer(consent, "grant"))
    assert browser.answer(consent, "grant").status == 400
    assert browser.get(opened.location).status == 400
    assert browser.get(target).status == 400
    assert world.reasons()[-3:] == ["request_uri.used"] * 3
    assert codes(world) == 1


def test_a_pushed_request_whose_page_is_loaded_again(world: World) -> None:
    """FAPI 2.0: before the user has logged in, before he has consented, and in another browser."""
    target = pushed(world)
    Browser(world).get(Browser(world).get(target).location)
    browser = Browser(world)
    for _ in range(2):
        page = browser.get(browser.get(target).location)
        assert "Sign in" in page.body
    assert "Allow access?" in browser.log_in(browser.get(target).location).body
    consent = browser.get(browser.get(target).location)
    assert "code" in answer_of(browser.answer(consent, "grant"))


def test_a_pushed_request_in_two_browsers(world: World) -> None:
    """Whoever answers first wins; the other is told."""
    target = pushed(world)
    browsers = Browser(world), Browser(world)
    pages = [browser.log_in(browser.get(target).location) for browser in browsers]
    assert answer_of(browsers[0].answer(pages[0], "deny"))["error"] == "access_denied"
    late = browsers[1].answer(pages[1], "grant")
    assert (late.status, late.header("location"), codes(world)) == (400, None, 0)
    assert "The request_uri was answered before." in late.body


def test_a_pushed_request_that_expires(world: World) -> None:
    """Whoever opened it in time may take his time; nobody else opens it any more."""
    browser, target = Browser(world), pushed(world)
    opened = browser.get(target).location
    world.now += timedelta(minutes=1)
    for late in (
        browser.get(target),
        Browser(world).get(opened),
        browser.get(opened.replace("%3A0", "%3A1")),
    ):
        assert (late.status, late.header("location")) == (400, None)
    assert world.reasons() == ["request_uri.expired", "request_uri.expired", "request_uri.invalid"]
    assert "The request_uri has expired." in browser.get(target).body
    consent = browser.log_in(opened)
    world.now += timedelta(minutes=28)
    assert "code" in answer_of(browser.answer(consent, "grant"))


def test_a_browser_without_cookies_goes_round_in_no_circle(world: World) -> None:
    opened = Browser(world).get(pushed(world)).location
    assert "Sign in" in Browser(world).get(opened).body
    assert Browser(world).get(opened + "x").status == 200


def test_an_error_uses_a_pushed_request_up(world: World) -> None:
    browser, target = Browser(world), pushed(world, prompt="none")
    opened = browser.get(target).location
    assert answer_of(browser.get(opened))["error"] == "login_required"
    assert browser.get(opened).status == 400
    assert world.reasons()[-1] == "request_uri.used"
