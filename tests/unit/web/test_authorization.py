"""The authorization endpoint, from the request to the redirect; and what attackers can do to it."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import attrs
import pytest

from mtlsd.oauth.artifacts import Artifact
from mtlsd.web.browser_endpoint import MAX_BODY
from mtlsd.web.cookies import BROWSER, SESSION
from tests.unit.oauth.grants_world import CALLBACK, ISSUER, now_of, web_client
from tests.unit.web.browser import ORIGIN, PASSWORD, Browser, Page, World, asking

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"


@pytest.fixture(params=["own", "twisted"])
def world(request: pytest.FixtureRequest) -> World:
    return World(server=request.param)


def answer_of(page: Page) -> dict[str, str]:
    """What the client is told, at its redirect URI."""
    assert page.status == 303
    assert page.location.startswith(CALLBACK + "?")
    return {name: value for name, (value,) in parse_qs(urlsplit(page.location).query).items()}


def codes(world: World) -> int:
    return sum(kind == "code" for kind, _ in world.artifacts.rows)


# -- as it should be ------------------------------------------------------------------------------------


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


# -- attacks --------------------------------------------------------------------------------------------


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
