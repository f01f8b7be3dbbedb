"""A browser, as far as the authorization endpoint can tell: cookies, forms, Origin; and the endpoint."""

from __future__ import annotations

from datetime import datetime, timedelta
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any, Literal
from unittest import mock
from urllib.parse import parse_qs, urlencode, urlsplit

import attrs
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.web.server import Site

from mtlsd.clients.client import Client
from mtlsd.errors import Fact
from mtlsd.oauth.conversation import Conversation
from mtlsd.oauth.pkce import challenge_of
from mtlsd.oauth.sessions import Sessions
from mtlsd.pages.pages import Pages
from mtlsd.users.guesses import Guesses
from mtlsd.users.login import Login
from mtlsd.web.authorization import Authorization
from mtlsd.web.factory import ChannelFactory
from mtlsd.web.logout import LogOut
from mtlsd.web.resources import Routes
from mtlsd.web.serving import Current
from mtlsd.web.talking import Talking
from tests.pki import NOW
from tests.unit.oauth.grants_world import CALLBACK, VERIFIER, AuthorizationWorld, web_client
from tests.unit.stores.artifacts_memory import MemoryArtifacts
from tests.unit.web.test_channel import Transport

ORIGIN = "https://as.example.com"
PASSWORD = "correct horse"
Server = Literal["own", "twisted"]


class Secrets:
    """Secrets as long as real ones, the same in every run."""

    made = 0

    def __call__(self) -> str:
        self.made += 1
        return f"{self.made:043d}"


@attrs.define
class Page(HTMLParser):
    """An answer, with the form that is on the page."""

    status: int
    headers: list[tuple[str, str]]
    body: str
    fields: dict[str, str] = attrs.field(factory=dict)
    action: str | None = None

    def __attrs_post_init__(self) -> None:
        super().__init__()
        self.feed(self.body)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        own = dict(attributes)
        if tag == "form":
            self.action = own["action"]
        elif tag == "input":
            self.fields[own["name"] or ""] = own.get("value") or ""

    def header(self, name: str) -> str | None:
        return next((value for own, value in self.headers if own == name), None)

    @property
    def location(self) -> str:
        location = self.header("location")
        assert location is not None, (self.status, self.body)
        return location


@attrs.define(eq=False)
class World:
    """The endpoint, by default with the client `web` and the users alice and bob.

    :ivar server: our own channel, or a Site of twisted.web.
    """

    clients: tuple[Client, ...] = attrs.field(factory=lambda: (web_client("web", client_name="Web"),))
    server: Server = "own"
    users: Any = attrs.field(
        factory=lambda: InMemoryUsernamePasswordDatabaseDontUse(alice=PASSWORD.encode(), bob=b"other horse")
    )
    now: datetime = NOW
    clock: Clock = attrs.field(factory=Clock)
    artifacts: MemoryArtifacts = attrs.field(factory=MemoryArtifacts)
    events: list[tuple[str, dict[str, Fact]]] = attrs.field(factory=list)
    world: AuthorizationWorld = attrs.field(init=False)
    login: Login = attrs.field(init=False)
    current: Current = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.world = AuthorizationWorld(self.clients, artifacts=self.artifacts)
        secrets = Secrets()
        endpoint = self.world.endpoint = attrs.evolve(self.world.endpoint, random_secret=secrets)
        self.login = Login(self.users, Guesses(), self.clock.seconds)
        sessions = Sessions(
            self.artifacts, timedelta(hours=12), timedelta(hours=1), secrets, self.login.standing_of
        )
        conversation = Conversation(endpoint, sessions, self.login)
        names = {own.client_id: own.client_name for own in self.clients if own.client_name}
        texts = {"write": "Change <b>everything</b>"}
        talking = Talking(conversation, Pages.from_templates("as.example.com", {}), names, texts)
        serving: Any = SimpleNamespace(talking=talking)
        self.current = Current(
            serving, lambda *event: self.events.append(event), lambda: self.now, lambda: "id"
        )

    def send(self, raw: bytes) -> Page:
        """One request over a connection of its own."""
        endpoint: Any = Authorization(self.current, origin=ORIGIN)
        root = Routes({b"/logout": LogOut(self.current, origin=ORIGIN)}, endpoint)
        transport: Any
        if self.server == "own":
            channel, transport = ChannelFactory(root, self.clock).buildProtocol(None), Transport(tls=True)
            Protocol.makeConnection(channel, transport)
            channel.handshakeCompleted()
        else:
            channel, transport = Site(root, reactor=self.clock).buildProtocol(None), StringTransport()
            channel.site = mock.Mock(wraps=channel.site, log=lambda request: None)
            channel.makeConnection(transport)
        channel.dataReceived(raw)
        head, _, body = transport.value().partition(b"\r\n\r\n")
        line, *fields = head.decode().split("\r\n")
        headers = [(name.lower(), value) for name, value in (field.split(": ", 1) for field in fields)]
        return Page(int(line.split(" ")[1]), headers, body.decode())

    def reasons(self) -> list[Fact]:
        return [facts.get("reason", name) for name, facts in self.events]

    def names(self) -> list[str]:
        return [name for name, _ in self.events]


@attrs.define(eq=False)
class Browser:
    """One browser, with cookies of its own."""

    world: World
    cookies: dict[str, str] = attrs.field(factory=dict)

    def get(self, target: str, **fields: str) -> Page:
        return self._sent(target, b"GET", b"", fields)

    def post(self, target: str, form: dict[str, str] | bytes, **fields: str) -> Page:
        """Send a form, as our own page does unless the fields say otherwise; "" leaves one out."""
        body = form if isinstance(form, bytes) else urlencode(form).encode()
        usual = {"origin": ORIGIN, "content_type": "application/x-www-form-urlencoded"}
        return self._sent(target, b"POST", body, {**usual, **fields, "content_length": str(len(body))})

    def answer(self, page: Page, answer: str, **changes: str) -> Page:
        """Fill in the form of a page and press a button."""
        assert page.action is not None, page.body
        return self.post(page.action, {**page.fields, "answer": answer, **changes})

    def log_in(self, target: str, name: str = "alice", password: str = PASSWORD) -> Page:
        """From the request to the page that comes after the login."""
        page = self.answer(self.get(target), "log_in", username=name, password=password)
        return self.get(page.location) if page.status == 303 else page

    def _sent(self, target: str, method: bytes, body: bytes, fields: dict[str, str]) -> Page:
        if self.cookies:
            cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            fields = {"cookie": cookies, **fields}
        lines = [b"Host: as.example.com"]
        lines += [f"{name.replace('_', '-')}: {value}".encode() for name, value in fields.items() if value]
        raw = b"%b %b HTTP/1.1\r\n%b\r\n\r\n%b" % (method, target.encode(), b"\r\n".join(lines), body)
        page = self.world.send(raw)
        for name, value in page.headers:
            if name == "set-cookie":
                self._set(value)
        return page

    def _set(self, line: str) -> None:
        """As RFC 6265bis has it for names that begin with __Host-."""
        pair, *attributes = line.split("; ")
        name, _, value = pair.partition("=")
        assert name.startswith("__Host-")
        assert {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"} <= set(attributes)
        assert not any(one.startswith("Domain") for one in attributes)
        self.cookies.pop(name, None)
        if "Max-Age=0" not in attributes:
            self.cookies[name] = value


def asking(client_id: str = "web", **changes: str) -> str:
    """The target of an authorization request that is right, but for the changes."""
    usual = {
        "client_id": client_id, "response_type": "code", "redirect_uri": CALLBACK, "state": "of the client",
        "scope": "read", "code_challenge": challenge_of(VERIFIER), "code_challenge_method": "S256",
    }  # fmt: skip
    return "/authorize?" + urlencode({key: value for key, value in {**usual, **changes}.items() if value})


def answer_of(page: Page) -> dict[str, str]:
    """What the client is told, at its redirect URI."""
    assert page.status == 303
    assert page.location.startswith(CALLBACK + "?")
    return {name: value for name, (value,) in parse_qs(urlsplit(page.location).query).items()}


def codes(world: World) -> int:
    return sum(kind == "code" for kind, _ in world.artifacts.rows)
