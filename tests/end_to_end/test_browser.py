"""The pages for users in a real browser, headless Chromium: what works, what is refused, and how it looks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import attrs
import pytest
from cryptography import x509
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from mtlsd.jose import b64
from mtlsd.oauth.pkce import challenge_of
from tests.end_to_end.daemon import MTLSD, Daemon, running
from tests.end_to_end.setup import Setup
from tests.end_to_end.sites import HTML, Sites, serving
from tests.end_to_end.tools import needs
from tests.pki import Written

pytestmark = needs("chromium", "curl")

CALLBACK = "https://client.example/cb"
PASSWORD = "correct horse battery"
VERIFIER = "v" * 43
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 360, "height": 720}
LONG = "An Application With A Very Long Name That Wraps " + "andaverylongwordthatdoesnot" * 2


@attrs.frozen
class World:
    """A daemon, a browser, and the sites of others."""

    setup: Setup
    daemon: Daemon
    sites: Sites
    browser: Browser
    certificate: Written

    def asking(self, **changes: str) -> str:
        usual = {
            "client_id": "web", "response_type": "code", "redirect_uri": CALLBACK, "state": "of the client",
            "scope": "invoices:read", "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
        }  # fmt: skip
        return self.setup.url("public", "/authorize?" + urlencode({**usual, **changes}))


@attrs.define(eq=False)
class Visit:
    """One visit with a fresh profile, and everything that the browser complains of meanwhile."""

    context: BrowserContext
    page: Page
    complaints: list[str] = attrs.field(factory=list)

    @classmethod
    def begin(cls, world: World, viewport: Any = WIDE, **how: Any) -> Visit:
        context = world.browser.new_context(viewport=viewport, ignore_https_errors=True, **how)
        context.set_default_timeout(15_000)
        visit = cls(context, context.new_page())
        visit.page.on("console", lambda message: visit._told(message))
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        return visit

    def _told(self, message: ConsoleMessage) -> None:
        """Chromium also tells of every answer that is no 200, which is none of the page's doing."""
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)

    def log_in(self, name: str = "alice", password: str = PASSWORD) -> None:
        self.page.get_by_label("User name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()

    def cookies(self) -> set[str]:
        return {cookie["name"] for cookie in self.context.cookies()}

    def focused(self) -> str:
        found: str = self.page.evaluate("document.activeElement.id")
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    setup = Setup(tmp_path_factory.mktemp("browser"))
    setup.listener("public")["serves"] += ["authorization"]
    code = {"grant_types": ["authorization_code"], "redirect_uris": [CALLBACK, "http://127.0.0.1/cb"]}
    setup.add_client("web", tls_client_auth_san_dns="web.example", client_name="Invoice Viewer", **code)
    setup.add_client("long", tls_client_auth_san_dns="long.example", client_name=LONG, **code)
    setup.write()
    command = [MTLSD, "user", "add", "-c", str(setup.config), "alice"]
    subprocess.run(command, input=PASSWORD + "\n", text=True, check=True, capture_output=True, timeout=20)
    certificate = setup.leaf("web", x509.DNSName("web.example"))
    with serving(setup) as sites, running(setup) as daemon, sync_playwright() as playwright:
        # a client that sends the browser on: to its own www, say
        sites.pages["client.example", "/cb"] = 302, {"Location": "https://www.client.example/in"}, ""
        sites.pages["www.client.example", "/in"] = 200, HTML, "<h1>Welcome</h1>"
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            # Debian has the sandbox in another package, and root can have none; the pages are all ours
            args=[f"--host-resolver-rules={sites.rules()}", "--no-sandbox"],
        )
        yield World(setup, daemon, sites, browser, certificate)
        browser.close()


def answer_of(world: World) -> dict[str, str]:
    """What the client was told last, at its redirect URI."""
    target = world.sites.targets("client.example", "/cb")[-1]
    return {name: value for name, (value,) in parse_qs(urlsplit(target).query).items()}


def token(world: World, code: str) -> dict[str, Any]:
    """The claims of the token that the code is exchanged for: the usual request."""
    made = world.certificate
    printed = subprocess.run(
        ["curl", "-sS", "--cacert", world.setup.ca_file, "--cert", made.certificate, "--key", made.key,
         world.setup.url(), "-d", "grant_type=authorization_code", "-d", "client_id=web",
         "-d", f"code={code}", "-d", f"redirect_uri={CALLBACK}", "-d", f"code_verifier={VERIFIER}"],
        check=True, capture_output=True, text=True, timeout=20,
    ).stdout  # fmt: skip
    answered = json.loads(printed)
    assert "access_token" in answered, answered
    claims: dict[str, Any] = json.loads(b64.decode(answered["access_token"].split(".")[1]))
    return claims


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_from_request_to_token(world: World, viewport: Any, scripts: bool) -> None:
    """The whole way, a wrong password first; no policy of a page is violated by the page itself."""
    visit = Visit.begin(world, viewport, java_script_enabled=scripts)
    visit.page.goto(world.asking())
    assert visit.page.title() == f"Sign in – {urlsplit(world.setup.issuer).netloc}"
    visit.log_in(password="wrong horse")
    alert = visit.page.get_by_role("alert")
    assert alert.inner_text() == "The user name or the password is wrong."
    assert visit.page.title().startswith("Error: ")
    assert visit.page.get_by_label("User name").input_value() == "alice"
    assert visit.page.get_by_label("Password").input_value() == ""
    visit.log_in()
    assert visit.page.get_by_role("heading", level=1).inner_text() == "Allow access?"
    assert "Invoice Viewer" in visit.page.inner_text("main")
    visit.page.get_by_role("button", name="Allow").click()
    visit.page.wait_for_url("https://www.client.example/in")
    told = answer_of(world)
    assert (told["state"], told["iss"]) == ("of the client", world.setup.issuer)
    assert token(world, told["code"])["sub"] == "alice"
    assert visit.complaints == []
    assert all(referer is None for _, host, _, referer in world.sites.seen if host == "client.example")
    visit.context.close()


def test_with_the_keyboard_alone(world: World) -> None:
    visit = Visit.begin(world)
    visit.page.goto(world.asking())
    keyboard = visit.page.keyboard
    assert visit.focused() == "username"
    keyboard.type("alice")
    keyboard.press("Tab")
    keyboard.type("wrong horse")
    keyboard.press("Enter")
    visit.page.get_by_role("alert").wait_for()
    assert visit.focused() == "problem"
    keyboard.press("Tab")
    keyboard.press("Tab")
    assert visit.focused() == "password"
    keyboard.type(PASSWORD)
    keyboard.press("Enter")
    visit.page.get_by_role("button", name="Deny").wait_for()
    keyboard.press("Tab")
    keyboard.press("Tab")
    keyboard.press("Enter")
    visit.page.wait_for_url("https://www.client.example/in")
    assert answer_of(world)["error"] == "access_denied"
    assert visit.complaints == []
    visit.context.close()


def test_another_account_and_back(world: World) -> None:
    visit = Visit.begin(world)
    visit.page.goto(world.asking())
    visit.log_in()
    visit.page.get_by_role("button", name="Use another account").click()
    visit.page.get_by_role("button", name="Sign in").wait_for()
    assert visit.cookies() == {"__Host-mtlsd-browser"}
    visit.page.go_back()
    visit.page.get_by_role("heading", level=1).wait_for()
    assert "alice" not in visit.page.inner_text("main")
    visit.context.close()


def test_to_an_application_on_this_machine(world: World) -> None:
    """RFC 8252: the loopback address, with any port."""
    visit = Visit.begin(world)
    visit.page.goto(world.asking(redirect_uri="http://127.0.0.1:9/cb"))
    visit.log_in()
    with visit.page.expect_request(lambda request: request.url.startswith("http://127.0.0.1:9/cb?code=")):
        visit.page.get_by_role("button", name="Allow").click()
    assert not [one for one in visit.complaints if "Content Security Policy" in one]
    visit.context.close()


def test_forms_of_other_sites(world: World) -> None:
    """CSRF: another site logs the browser in, and consents in its user's name."""
    visit = Visit.begin(world)
    visit.page.goto(world.asking())
    visit.log_in()
    visit.page.get_by_role("button", name="Allow").wait_for()
    seal = visit.page.locator("input[name=seal]").input_value()
    for answer in ("grant", "log_out", "log_in"):
        fields = {"seal": seal, "answer": answer, "username": "alice", "password": PASSWORD}
        inputs = "".join(f'<input name="{name}" value="{value}">' for name, value in fields.items())
        action = world.asking().replace("&", "&amp;")
        form = f'<form method="post" action="{action}">{inputs}<button type="submit">Win</button></form>'
        world.sites.pages["evil.example", "/"] = 200, HTML, form
        mark, codes = world.daemon.mark(), len(world.sites.targets("client.example", "/cb"))
        visit.page.goto("https://evil.example/")
        visit.page.get_by_role("button", name="Win").click()
        visit.page.get_by_role("heading", name="This did not work").wait_for()
        world.daemon.event("authorization.refused", mark, reason="interaction.origin")
        assert len(world.sites.targets("client.example", "/cb")) == codes
    assert "__Host-mtlsd-session" in visit.cookies()
    visit.context.close()


def test_in_a_frame(world: World) -> None:
    """Clickjacking."""
    visit = Visit.begin(world)
    frame = f'<iframe src="{world.asking().replace("&", "&amp;")}"></iframe>'
    world.sites.pages["evil.example", "/frame"] = 200, HTML, frame
    visit.page.goto("https://evil.example/frame")
    visit.page.wait_for_timeout(500)
    assert "Sign in" not in "".join(own.content() for own in visit.page.frames)
    assert any("frame" in one.lower() for one in visit.complaints)
    visit.context.close()


@pytest.mark.parametrize("width", [1280, 360, 280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read(world: World, width: int, scheme: Any, tmp_path: Path) -> None:
    """Nothing sticks out, whatever a client is called; every text has the contrast that WCAG AA asks for."""
    viewport = {"width": width, "height": 720}
    visit = Visit.begin(world, viewport, color_scheme=scheme)
    shots = Path(os.environ.get("MTLSD_SCREENSHOTS", tmp_path))
    for client_id, scope in (("web", "invoices:read"), ("long", "invoices:read invoices:write")):
        visit.context.clear_cookies()
        visit.page.goto(world.asking(client_id=client_id, scope=scope))
        _check(visit, shots / f"login-{client_id}-{width}-{scheme}.png")
        visit.log_in(password="wrong horse")
        visit.page.get_by_role("alert").wait_for()
        _check(visit, shots / f"wrong-{client_id}-{width}-{scheme}.png")
        visit.log_in()
        visit.page.get_by_role("button", name="Allow").wait_for()
        _check(visit, shots / f"consent-{client_id}-{width}-{scheme}.png")
    visit.page.goto(world.setup.url("public", "/authorize"))
    _check(visit, shots / f"refused-{width}-{scheme}.png")
    assert visit.complaints == []
    visit.context.close()


_STICKS_OUT = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_CONTRASTS = """() => {
  const linear = part => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const channels = colour => colour.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = element => {
    for (; element; element = element.parentElement) {
      const own = channels(getComputedStyle(element).backgroundColor);
      if (own.length === 3 || own[3] === 1) return own;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("h1,h2,p,label,button,input,li,dt,dd,code,strong")]
    .filter(element => element.getClientRects().length && element.type !== "hidden")
    .map(element => {
      const [one, two] = [channels(getComputedStyle(element).color), behind(element)].map(light);
      return [element.outerHTML.slice(0, 80), (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05)];
    });
}"""


def _check(visit: Visit, screenshot: Path) -> None:
    """The screenshot is for people to look at; MTLSD_SCREENSHOTS says where to."""
    visit.page.screenshot(path=screenshot, full_page=True)
    assert visit.page.evaluate(_STICKS_OUT) <= 0
    faint = [found for found in visit.page.evaluate(_CONTRASTS) if found[1] < 4.5]
    assert faint == []
    for button in visit.page.get_by_role("button").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 32
