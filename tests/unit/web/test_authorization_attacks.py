"""What attackers, and broken clients, can do to the authorization endpoint."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from mtlsd.web.browser_endpoint import MAX_BODY
from mtlsd.web.cookies import BROWSER, SESSION
from tests.unit.oauth.grants_world import CALLBACK, ISSUER, web_client
from tests.unit.web.browser import ORIGIN, PASSWORD, Browser, World, answer_of, asking, codes

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"


@pytest.fixture(params=["own", "twisted"])
def world(request: pytest.FixtureRequest) -> World:
    return World(server=request.param)


@pytest.mark.parametrize(
    "fields",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": ORIGIN + ".evil.example"},
        {"origin": "http://as.example.com"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"cookie": "a=b"},
    ],
)
@pytest.mark.parametrize("step", ["log_in", "grant"])
def test_forms_of_other_sites(world: World, fields: dict[str, str], step: str) -> None:
    """CSRF: also of a login, which would have the user act in the attacker's account."""
    browser = Browser(world)
    page = browser.get(asking()) if step == "log_in" else browser.log_in(asking())
    before = dict(browser.cookies)
    sent = {**page.fields, "answer": step, "username": "alice", "password": PASSWORD}
    refused = browser.post(asking(), sent, **fields)
    assert refused.status == 403
    assert browser.cookies == before
    assert world.reasons()[-1] in ("interaction.origin", "interaction.cookie")
    assert codes(world) == 0


@pytest.mark.parametrize("step", ["log_in", "grant", "deny", "log_out"])
def test_the_page_of_another_browser(world: World, step: str) -> None:
    """An attacker opens the page, and has the victim's browser send its form."""
    attacker, victim = Browser(world), Browser(world)
    page = attacker.get(asking()) if step == "log_in" else attacker.log_in(asking())
    victim.log_in(asking())
    refused = victim.answer(page, step, username="bob", password="other horse")
    assert (refused.status, world.reasons()[-1]) == (403, "interaction.cookie")
    assert codes(world) == 0


def test_the_page_of_another_request(world: World) -> None:
    """What the user has seen is what the user grants."""
    world = World((*world.clients, web_client("evil")), world.server)
    browser = Browser(world)
    consent = browser.log_in(asking())
    for other in (asking("evil"), asking(scope="read write admin"), asking(state="other")):
        refused = browser.post(other, {**consent.fields, "answer": "grant"})
        assert (refused.status, world.reasons()[-1]) == (403, "interaction.cookie")
    assert codes(world) == 0


def test_the_seal_of_another_page(world: World) -> None:
    browser = Browser(world)
    login = browser.get(asking())
    browser.log_in(asking())
    assert browser.answer(login, "grant").status == 403
    for seal in ("", "x", login.fields["seal"][:-1] + "A", "é"):
        assert browser.answer(login, "log_in", username="alice", password=PASSWORD, seal=seal).status == 403
    assert codes(world) == 0


def test_a_form_that_is_sent_twice(world: World) -> None:
    """One consent, one code."""
    browser = Browser(world)
    consent = browser.log_in(asking())
    assert "code" in answer_of(browser.answer(consent, "grant"))
    for again in ("grant", "deny"):
        page = browser.answer(consent, again)
        assert (page.status, world.reasons()[-1]) == (400, "interaction.replayed")
    assert codes(world) == 1


def test_a_form_that_is_sent_too_late(world: World) -> None:
    browser = Browser(world)
    page = browser.get(asking())
    world.now += timedelta(minutes=31)
    assert browser.answer(page, "log_in", username="alice", password=PASSWORD).status == 400
    assert world.reasons() == ["interaction.expired"]


def test_session_fixation(world: World) -> None:
    """A session that the browser had before the login is never the one that it has afterwards."""
    attacker, victim = Browser(world), Browser(world)
    attacker.log_in(asking(), "bob", "other horse")
    victim.cookies[SESSION] = planted = attacker.cookies[SESSION]
    victim.log_in(asking(prompt="login"))
    assert victim.cookies[SESSION] != planted
    assert "alice" not in attacker.get(asking()).body
    victim.cookies[SESSION] = "A" * 43
    assert "Sign in" in victim.get(asking()).body
    victim.log_in(asking())
    assert victim.cookies[SESSION] != "A" * 43


def test_cookie_tossing(world: World) -> None:
    """A neighbour's host sets a second cookie: of two nobody knows which is ours, so neither counts."""
    browser = Browser(world)
    consent = browser.log_in(asking())
    own = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    sent = {**consent.fields, "answer": "grant"}
    for more in (f"{SESSION}={'A' * 43}", f"{SESSION}=", f"{BROWSER}=x; {SESSION}=x"):
        for cookie in (f"{own}; {more}", f"{more}; {own}"):
            assert browser.post(asking(), sent, cookie=cookie).status == 403
    assert codes(world) == 0


def test_cookies_after_logging_out_are_worth_nothing(world: World) -> None:
    browser = Browser(world)
    consent = browser.log_in(asking())
    stolen = dict(browser.cookies)
    browser.answer(consent, "log_out")
    thief = Browser(world, stolen)
    assert "Sign in" in thief.get(asking()).body
    assert thief.answer(consent, "grant").location == asking()
    assert codes(world) == 0


@pytest.mark.parametrize("place", ["state", "scope", "login_hint", "redirect_uri", "client_id", "more"])
def test_scripts_in_the_request(world: World, place: str) -> None:
    """XSS, reflected."""
    browser = Browser(world)
    page = browser.get(asking(**{place: HOSTILE}))
    assert "<script" not in page.body
    assert "<img" not in page.body
    if page.status == 200:
        after = browser.answer(page, "log_in", username=HOSTILE, password="wrong")
        assert "<script" not in after.body
        assert after.fields["username"] == HOSTILE
        last = browser.log_in(asking(**{place: HOSTILE}))
        assert "Allow access?" in last.body or answer_of(last)["error"] == "invalid_scope"
    else:
        assert page.status in (303, 400)
        assert "script" not in (page.header("location") or "").partition("?")[0]


def test_scripts_in_what_is_registered() -> None:
    """XSS, stored: names of clients, and of users."""
    hostile = f"{HOSTILE}\u202e\x00{'x' * 500}"  # which no registration takes today
    world = World((attrs.evolve(web_client("web", scope="read <script>"), client_name=hostile),))
    world.users.addUser(HOSTILE.encode(), PASSWORD.encode())
    browser = Browser(world)
    assert "<script" not in browser.get(asking()).body
    consent = browser.log_in(asking(scope="<script>"), HOSTILE)
    assert "<script" not in consent.body
    assert "<img" not in consent.body
    assert "\u202e" not in consent.body
    assert "x" * 100 not in consent.body
    assert consent.body.count("&lt;script&gt;") >= 3


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": CALLBACK + "/more"},
        {"redirect_uri": CALLBACK + "@evil.example"},
        {"redirect_uri": "//evil.example"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": CALLBACK + "\r\nset-cookie: a=b"},
        {"client_id": "nobody"},
        {"client_id": ""},
        {"request_uri": "https://evil.example/"},
    ],
)
def test_nobody_is_sent_to_where_no_client_is(world: World, changes: dict[str, str]) -> None:
    """R73: no open redirector."""
    page = Browser(world).get(asking(**changes))
    assert (page.status, page.header("location")) == (400, None)
    assert "evil" not in page.body
    assert world.names() == ["authorization.refused"]


def test_what_is_wrong_is_told_to_the_client(world: World) -> None:
    """RFC 9700 section 4.11.2: a redirect URI may lead anywhere, where clients register themselves:
    a wrong request sends nobody there who is not known."""
    target, browser = asking(code_challenge_method="plain"), Browser(world)
    login = browser.get(target)
    assert "Sign in" in login.body
    wrong = browser.answer(login, "log_in", username="alice", password="wrong")
    assert (wrong.status, wrong.header("location")) == (403, None)
    after = browser.answer(wrong, "log_in", username="alice", password=PASSWORD)
    assert after.location == target
    told = answer_of(browser.get(target))
    assert (told["error"], told["state"], told["iss"]) == ("invalid_request", "of the client", ISSUER)
    assert world.events[-1][1]["client_id"] == "web"


def test_what_is_wrong_with_a_silent_request(world: World) -> None:
    """Nobody is asked there: the client is told at once."""
    told = answer_of(Browser(world).get(asking(code_challenge_method="plain", prompt="none")))
    assert told["error"] == "invalid_request"


@pytest.mark.parametrize("answer", ["grant", "deny"])
def test_what_became_wrong_meanwhile(world: World, answer: str) -> None:
    browser = Browser(world)
    consent = browser.log_in(asking())
    later = World((web_client("web", scope="write"),), world.server, artifacts=world.artifacts)
    browser.world = later
    assert answer_of(browser.answer(consent, answer))["error"] == "invalid_scope"
    assert codes(world) == 0


def test_header_injection(world: World) -> None:
    """What a client sends comes back percent-encoded."""
    page = Browser(world).log_in(asking(state="a\r\nset-cookie: a=b", scope="no-such"))
    assert page.status == 303
    assert page.header("set-cookie") is None
    assert answer_of(page)["state"] == "a\r\nset-cookie: a=b"


def test_guesses(world: World) -> None:
    browser = Browser(world)
    page = browser.get(asking())
    statuses = [browser.answer(page, "log_in", username="alice", password="wrong").status for _ in range(11)]
    assert statuses == [403] * 10 + [429]
    last = browser.answer(page, "log_in", username="alice", password=PASSWORD)
    assert (last.status, last.header("retry-after")) == (429, "1")
    assert "You can try again in 1 second." in last.body
    world.clock.advance(1)
    assert browser.answer(last, "log_in", username="alice", password=PASSWORD).status == 303


def test_who_exists_is_not_told(world: World) -> None:
    """Nor is what somebody typed into the wrong field written down."""
    bodies = set()
    for name in ("alice", "nobody"):
        browser = Browser(world)
        page = browser.answer(browser.get(asking()), "log_in", username=name, password="wrong")
        body = page.body.replace(name, "").replace(page.fields["seal"], "")
        bodies.add((page.status, body, str([one for one, _ in page.headers])))
    assert len(bodies) == 1
    assert "nobody" not in str(world.events)


def test_a_user_with_the_name_of_a_client(world: World) -> None:
    """R66, R78: a resource server could take one for the other."""
    world.users.addUser(b"web", PASSWORD.encode())
    browser = Browser(world)
    assert "You cannot sign in with this account." in browser.log_in(asking(), "web").body
    assert world.reasons() == ["user.confusable"]
    assert SESSION not in browser.cookies


@pytest.mark.parametrize(
    ("form", "status"),
    [
        (b"", 400),
        (b"answer=log_in&answer=grant", 400),
        (b"answer=%zz", 400),
        (b"a=b&" * 65, 400),
        (b"answer=everything", 400),
        (b"answer=log_in&password=" + b"x" * MAX_BODY, 413),
    ],
)
def test_odd_and_giant_forms(world: World, form: bytes, status: int) -> None:
    assert Browser(world).post(asking(), form).status == status


@pytest.mark.parametrize("more", ["&client_id=web", "&state=a&state=b", "&%00=1", "&x=%ff"])
def test_ambiguous_requests(world: World, more: str) -> None:
    page = Browser(world).get(asking() + more)
    assert (page.status, page.header("location")) == (400, None)
    assert "</html>" in page.body


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS"])
def test_other_methods(world: World, method: str) -> None:
    page = world.send(f"{method} {asking()} HTTP/1.1\r\nHost: as.example.com\r\n\r\n".encode())
    assert page.status == 405
    assert page.header("allow") == "GET, POST"


def test_strangers_fill_no_store(world: World) -> None:
    """Whatever is shown to somebody who has not logged in leaves nothing behind."""
    for number in range(20):
        browser = Browser(world)
        browser.answer(browser.get(asking(state=str(number))), "log_in", username="alice", password="wrong")
    assert world.artifacts.rows == {}


def test_a_request_that_is_posted_is_none(world: World) -> None:
    """RFC 6749 section 3.1 lets servers take requests by POST; none of ours is."""
    assert Browser(world).post("/authorize", b"client_id=web&response_type=code").status == 400
