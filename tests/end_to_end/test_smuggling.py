"""HTTP that two readers take for different requests: directly, and through real proxies (R77, P26).

A proxy has its clients share connections to mtlsd. No request is answered twice there, or in another's name,
and no answer is brought to another's connection.
"""

from __future__ import annotations

import http.client
import io
import json
import socket
import ssl
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import attrs
import pytest

from tests.end_to_end.clients import TIMEOUT, Answer
from tests.end_to_end.daemon import Daemon
from tests.end_to_end.daemon import running as daemon_running
from tests.end_to_end.hostile import Audit
from tests.end_to_end.proxying import forwarded_by
from tests.end_to_end.real_proxies import ADDRESS, CLIENT, Fronted, running
from tests.end_to_end.setup import HOST
from tests.end_to_end.smuggled import FORGER, LAST, body, post, smuggled
from tests.end_to_end.test_crossing import thumbprint
from tests.end_to_end.test_grants import claims_of
from tests.end_to_end.tools import needs
from tests.pki import Written

pytestmark = needs("nginx", "haproxy", "apache2", "caddy", "curl", "openssl")

BEHIND: dict[str, dict[str, object]] = {
    "nginx": {"format": "nginx", "proxy_certificates": ["presented/proxy/client.pem"]},
    "haproxy": {"format": "haproxy", "proxy_credentials": "credentials"},
    "apache": {"format": "apache", "proxy_credentials": "credentials"},
    "caddy": {"format": "rfc9440", "proxy_credentials": "credentials"},
}
SILENCE = 0.3
"""Seconds after which nothing more is expected of somebody who waits for more himself."""


@pytest.fixture(scope="module")
def fronted(tmp_path_factory: pytest.TempPathFactory) -> Fronted:
    made = Fronted(tmp_path_factory.mktemp("mtlsd"))
    for name, forwarded in BEHIND.items():
        made.add(name, **forwarded)  # type: ignore[arg-type]  # as they stand above
    made.setup.add_listener("direct", "required", trust_anchors=["held"])
    return made


@pytest.fixture(scope="module", autouse=True)
def daemon(fronted: Fronted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with daemon_running(fronted.setup) as found, ExitStack() as proxies:
        for name in BEHIND:
            directory = tmp_path_factory.mktemp(name)
            directory.chmod(0o755)
            proxies.enter_context(running(fronted, name, name, directory))
        yield found


@attrs.frozen
class Line:
    """A client's connection to a proxy, or to mtlsd itself."""

    socket: ssl.SSLSocket

    @classmethod
    def to(cls, fronted: Fronted, place: str, written: Written) -> Line:
        direct = place == "direct"
        port = fronted.setup.ports[place] if direct else int(fronted.url(place).rpartition(":")[2])
        context = ssl.create_default_context(cafile=fronted.setup.ca_file)
        context.load_cert_chain(written.certificate, written.key)
        raw = socket.create_connection((HOST, port), TIMEOUT, (ADDRESS, 0))
        return cls(context.wrap_socket(raw, server_hostname="localhost"))

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask(self, octets: bytes) -> Answer:
        self.socket.sendall(octets)
        return _answer(self.socket)

    def everything(self, octets: bytes) -> list[Answer]:
        """All that is answered until the connection is closed, or nothing more comes."""
        received = b""
        self.socket.settimeout(SILENCE)
        try:
            self.socket.sendall(octets)
            while found := self.socket.recv(65_536):
                received += found
        except OSError:
            pass
        return list(_answers(received, octets[:5] == b"HEAD "))


class Honest:
    """A client that keeps its connection as long as it may: Apache closes one after a hundred requests."""

    def __init__(self, fronted: Fronted, place: str) -> None:
        self._connect = partial(Line.to, fronted, place, fronted.good)
        self._line = self._connect()

    def __enter__(self) -> Honest:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.socket.close()

    def ask(self) -> Answer:
        answer = self._line.ask(post(CLIENT))
        if answer.headers.get("connection", "").lower() == "close":
            self._line.socket.close()
            self._line = self._connect()
        return answer


class _Received(io.BytesIO):
    """What http.client takes for a socket."""

    def makefile(self, *_: object) -> _Received:
        return self

    def close(self) -> None:
        """The next answer is still in it."""


def _answers(received: bytes, to_head: bool) -> Iterator[Answer]:
    """:param to_head: whether the first of them comes without its body."""
    stream = _Received(received)
    while stream.tell() < len(received):
        if not received.startswith(b"HTTP/1.", stream.tell()):
            yield Answer(0, stream.read())  # to what is no HTTP/1
            return
        yield _answer(stream, "HEAD" if to_head and not stream.tell() else "POST")


def _answer(stream: Any, method: str = "POST") -> Answer:
    response = http.client.HTTPResponse(stream, method=method)
    response.begin()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, response.read(), headers)


def name_of(answer: Answer) -> str | None:
    """What the audit log calls it, where it is mtlsd's."""
    try:
        found = json.loads(answer.body)
    except ValueError:
        return None
    if "access_token" in found:
        return str(claims_of(found["access_token"])["jti"])
    return str(found["correlation_id"])


def events_by_name(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    named = {str(event.get("jti", event["correlation_id"])): event for event in events}
    assert len(named) == len(events)
    return named


def check(fronted: Fronted, events: list[dict[str, Any]], forged: list[Answer], honest: Answer) -> None:
    """What was answered to the forger, and to the client that came next on a connection that they share."""
    named, names = events_by_name(events), [name for own in forged if (name := name_of(own)) is not None]
    issued = {event["jti"]: event for event in events if event["event"] == "token.issued"}
    # the honest client has its own answer, and the forger has none that is not its own
    assert issued[name_of(honest)]["client_id"] == CLIENT
    assert issued[name_of(honest)]["bound_to"] == thumbprint(fronted.good)
    others = [event for name, event in issued.items() if name != name_of(honest)]
    assert {(own["client_id"], own["bound_to"]) for own in others} <= {(FORGER, thumbprint(fronted.other))}
    # every answer is to one request, in order, and nobody has another's
    assert name_of(honest) not in names
    assert [name for name in named if name in names] == names
    # every request is answered once
    answered = Counter(event.get("client_id") for event in events if event is not issued[name_of(honest)])
    assert all(answered[client_id] <= 1 for client_id in (FORGER, CLIENT, LAST))
    assert len(forged) <= 3


def forged_fields(fronted: Fronted, place: str) -> list[bytes]:
    """What the proxy would say of the honest client; where none is, what nginx would."""
    fields = forwarded_by(str(BEHIND.get(place, BEHIND["nginx"])["format"]), fronted.good)
    return [f"{name}: {value}".encode() for name, value in (*fields, ("X-Forwarded-For", HOST))]


@pytest.mark.parametrize("forged", [False, True], ids=["", "forged"])
@pytest.mark.parametrize("place", ["direct", *BEHIND])
def test_nothing_is_smuggled(fronted: Fronted, daemon: Daemon, place: str, forged: bool) -> None:
    requests = smuggled(*(forged_fields(fronted, place) if forged else ()))
    audit, wrong = Audit(daemon.out), []
    with Honest(fronted, place) as good:
        for name, octets in requests.items():
            with Line.to(fronted, place, fronted.other) as forger:
                answers = forger.everything(octets)
            honest = good.ask()
            events = audit.events()
            try:
                check(fronted, events, answers, honest)
            except (AssertionError, KeyError) as error:
                wrong.append(f"{name}: {error!r} {answers} {honest} {events}")
    assert not wrong, f"{len(wrong)} of {len(requests)}:\n" + "\n".join(wrong[:30])


def test_there_are_enough_of_them() -> None:
    requests = smuggled()
    assert len(set(requests.values())) == len(requests) > 150


# -- many at once --------------------------------------------------------------------------------------------


def honestly(fronted: Fronted, place: str, done: Event) -> list[Answer]:
    """Ask for tokens until all is over."""
    answers = []
    with Honest(fronted, place) as good:
        while not done.is_set():
            answers.append(good.ask())
    return answers


def carriers(fronted: Fronted, place: str) -> set[str]:
    """The connections from the proxy to mtlsd that are open (proc(5), net/tcp)."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    own = f":{fronted.setup.ports[place]:04X}"
    return {row[2] for row in rows if row[1].endswith(own) and row[3] == "01"}


@pytest.mark.parametrize("place", BEHIND)
def test_clients_share_connections(fronted: Fronted, place: str) -> None:
    """Or nothing here would prove anything."""
    used = set[str]()
    for written, client_id in ((fronted.good, CLIENT), (fronted.other, FORGER)) * 10:
        with Line.to(fronted, place, written) as line:
            assert claims_of(line.ask(post(client_id)).token)["client_id"] == client_id
        used |= carriers(fronted, place)
    assert 1 <= len(used) < 10


@pytest.mark.parametrize("place", BEHIND)
def test_nobody_gets_anothers_answer(fronted: Fronted, daemon: Daemon, place: str) -> None:
    """Forgers and honest clients at once, over the few connections that the proxy has to mtlsd."""
    audit, done, numbers = Audit(daemon.out), Event(), count(1000)
    by_tag = {f"{next(numbers)}": octets for octets in smuggled(*forged_fields(fronted, place)).values()}

    def forge(tag: str) -> list[Answer]:
        with Line.to(fronted, place, fronted.other) as forger:
            return forger.everything(by_tag[tag].replace(body(LAST), body(tag)))

    with ThreadPoolExecutor(8) as threads:
        honest = [threads.submit(honestly, fronted, place, done) for _ in range(2)]
        forged = dict(zip(by_tag, threads.map(forge, by_tag), strict=True))
        done.set()
        tokens = [name_of(answer) for each in honest for answer in each.result()]
    named = events_by_name(audit.events())
    issued = {name: event for name, event in named.items() if event["event"] == "token.issued"}
    good, other = thumbprint(fronted.good), thumbprint(fronted.other)
    assert len(set(tokens)) == len(tokens) > 20
    assert set(tokens) == {name for name, event in issued.items() if event["client_id"] == CLIENT}
    assert {(own["client_id"], own["bound_to"]) for own in issued.values()} == {
        (CLIENT, good),
        (FORGER, other),
    }
    names = {tag: [name for own in answers if (name := name_of(own))] for tag, answers in forged.items()}
    every = [name for each in names.values() for name in each]
    assert len(set(every)) == len(every)
    assert set(every) <= set(named) - set(tokens)
    for tag, own in names.items():
        assert {named[name].get("client_id") for name in own} <= {FORGER, CLIENT, tag, None}


# -- fields that a proxy is told to leave out ----------------------------------------------------------------

HARMLESS = (
    "forwarded.malformed",
    "forwarded.proxy",
    "certificate.absent",
    "subject.mismatch",
    "request.form",
)


@pytest.mark.parametrize("place", BEHIND)
def test_a_client_cannot_have_the_proxys_fields_left_out(
    fronted: Fronted, daemon: Daemon, place: str
) -> None:
    """Connection names fields of one hop (RFC 9110 section 7.6.1); some proxies look at it last of all."""
    own = [line.partition(b":")[0] for line in forged_fields(fronted, place)]
    fields = [*own, b"X-Proxy-Authorization", b"Host", b"Content-Type", b", ".join(own), b"*"]
    audit, sent = Audit(daemon.out), 0
    for field in fields:
        for lines in (
            [b"Connection: " + field],
            [b"Connection: close, " + field.lower()],
            [b"Connection: keep-alive, " + field.upper()],
            [b"Connection: close", b"Connection: " + field],
            [b"Connection: " + field, *forged_fields(fronted, place)],
        ):
            for client_id in (CLIENT, FORGER):
                with Line.to(fronted, place, fronted.other) as forger:
                    answer = forger.ask(post(client_id, *lines))
                sent += 1
                (event,) = audit.events() or [{}]
                if answer.status == 200:
                    assert (event["client_id"], event["address"]) == (FORGER, ADDRESS), (lines, event)
                    assert event["bound_to"] == thumbprint(fronted.other)
                else:
                    assert not event or event["reason"] in HARMLESS, (lines, event, answer)
    assert sent > 50
    with Honest(fronted, place) as good:
        assert good.ask().status == 200
