"""A browser as far as HTTP goes: it keeps cookies, follows no redirect, and sends the forms of pages."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urlencode, urlsplit

import attrs

from tests.end_to_end.clients import Answer, Session
from tests.end_to_end.setup import Setup


class Form(HTMLParser):
    """The fields of the one form on a page."""

    def __init__(self, page: Answer) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.feed(page.body.decode())
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        own = dict(attributes)
        if tag == "input":
            self.fields[own["name"] or ""] = own.get("value") or ""


@attrs.define(eq=False)
class Surfer:
    """One profile, before the listener `public`."""

    setup: Setup
    cookies: dict[str, str] = attrs.field(factory=dict)

    def open(self, target: str) -> Session:
        """A connection over which the target is asked for; it is open already."""
        session = Session(self.setup.url("public", target), self.setup.ca_file, None)
        assert session.socket
        return session

    def get(self, target: str) -> Answer:
        with self.open(target) as session:
            return self._keep(session.request("GET", headers=self._headers()))

    def post(self, target: str, page: Answer, **fields: str) -> Answer:
        with self.open(target) as session:
            return self.send(session, page, **fields)

    def send(self, session: Session, page: Answer, **fields: str) -> Answer:
        """Send the form of a page over a connection that :meth:`open` made."""
        own = {**self._headers(), "Origin": self.setup.url("public", "")}
        return self._keep(session.post({**Form(page).fields, **fields}, own))

    def log_in(self, target: str, name: str, password: str) -> tuple[str, Answer]:
        """From an authorization request to the page that asks for consent, and its target."""
        first = self.get(target)
        if first.status == 303:
            target = target_of(first)
            first = self.get(target)
        answer = self.post(target, first, answer="log_in", username=name, password=password)
        assert answer.status == 303, answer.body
        return target, self.get(target_of(answer))

    def _headers(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}

    def _keep(self, answer: Answer) -> Answer:
        pair = answer.headers.get("set-cookie", "").partition(";")[0]
        name, separator, value = pair.partition("=")
        if separator:
            self.cookies[name] = value
        return answer


def target_of(answer: Answer) -> str:
    """Where it redirects to, without scheme and host."""
    parts = urlsplit(answer.headers["location"])
    return f"{parts.path}?{parts.query}"


def pushed_target(client_id: str, request_uri: str) -> str:
    """Where a client sends its user when it has pushed a request."""
    return "/authorize?" + urlencode({"client_id": client_id, "request_uri": request_uri})
