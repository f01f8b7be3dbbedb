"""The guarded fetcher, in memory."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from mtlsd.fetch.exchange import Fetched
from mtlsd.fetch.fetcher import Limits
from tests.unit.fetch.world import OK, World, code_of, result_of


def fetched(world: World, fetch: Deferred[Fetched], answer: bytes = OK) -> Fetched:
    world.accept().send(answer)
    result = result_of(fetch)
    assert isinstance(result, Fetched), result
    return result


# -- what goes out ---------------------------------------------------------------------------------------


def test_get() -> None:
    world = World()
    fetch = world.get(headers={"If-None-Match": '"0"'})
    server = world.accept()
    assert (server.address, server.port) == ("1.1.1.1", 80)
    head, *lines = server.request.decode().split("\r\n")
    assert head == "GET /crl HTTP/1.1"
    assert set(filter(None, lines)) == {
        "Host: a.example",
        "User-Agent: mtlsd",
        "Accept-Encoding: identity",
        'If-None-Match: "0"',
        "Connection: close",
    }
    server.send(OK)
    result = result_of(fetch)
    assert result == Fetched(200, {"etag": '"1"'}, b"hi")
    assert server.closed


def test_post() -> None:
    world = World()
    fetch = world.fetcher.post(
        "http://a.example:8080/?q",
        body=b"abc",
        headers={"Content-Type": "x/y"},
        max_bytes=9,
        deadline_seconds=1,
    )
    server = world.accept()
    assert server.request.startswith(b"POST /?q HTTP/1.1\r\n")
    assert server.request.endswith(b"\r\n\r\nabc")
    assert b"Host: a.example:8080\r\n" in server.request
    assert b"Content-Length: 3\r\n" in server.request
    server.send(OK)
    assert isinstance(result_of(fetch), Fetched)


@pytest.mark.parametrize(
    ("url", "host"), [("http://1.1.1.1/", "1.1.1.1"), ("http://[2606:4700::1]/", "[2606:4700::1]")]
)
def test_addresses_are_not_looked_up(url: str, host: str) -> None:
    world = World()
    fetch = world.get(url)
    server = world.accept()
    assert world.asked == []
    assert f"Host: {host}\r\n".encode() in server.request
    server.send(OK)
    assert isinstance(result_of(fetch), Fetched)


def test_nothing_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://9.9.9.9:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://9.9.9.9:3128")
    world = World()
    fetch = world.get()
    server = world.accept()
    assert server.address == "1.1.1.1"
    server.send(OK)
    assert isinstance(result_of(fetch), Fetched)


# -- where to --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("file:///etc/passwd", "url"),
        ("ldap://a.example/", "scheme"),
        ("http://127.0.0.1/", "address"),
        ("http://169.254.169.254/latest/meta-data/", "address"),
        ("http://[::ffff:7f00:1]/", "address"),
        ("http://inside.example/", "address"),
        ("http://mapped.example/", "address"),
        ("http://nowhere.example/", "resolve"),
        ("http://empty.example/", "resolve"),
    ],
)
def test_nothing_is_fetched(url: str, code: str) -> None:
    """P23, attack 7: no connection is even tried."""
    world = World()
    world.names |= {"inside.example": [["10.0.0.1", "::1"]], "mapped.example": [["::ffff:10.0.0.1"]]}
    world.names["empty.example"] = [[]]
    assert code_of(world.get(url)) == code
    assert world.connections == 0


def test_http_is_not_enough_for_some() -> None:
    """P38."""
    world = World()
    assert code_of(world.get(schemes=frozenset({"https"}))) == "scheme"


def test_rebinding() -> None:
    """Attack 7: the second look-up would tell another address, and is never made."""
    world = World()
    world.names["a.example"] = [["1.1.1.1"], ["127.0.0.1"]]
    fetch = world.get()
    assert fetched(world, fetch).body == b"hi"
    assert world.asked == ["a.example"]
    assert code_of(world.get(max_bytes=7)) == "address"
    assert world.connections == 1


def test_the_operator_allows() -> None:
    world = World("10.0.0.0/8")
    world.names["a.example"] = [["10.0.0.1"]]
    assert fetched(world, world.get()).status == 200


def test_rules_of_one_call() -> None:
    world = World()
    world.names["a.example"] = [["127.0.0.1"]]
    fetch = world.get(rules=world.fetcher.rules.with_host("a.example"))
    assert code_of(world.get()) == "address"
    assert fetched(world, fetch).status == 200


@pytest.mark.parametrize("url", ["http://a.example/", "http://a.example:8080/"])
def test_a_host_is_allowed_on_every_port(url: str) -> None:
    world = World("a.example")
    world.names["a.example"] = [["10.0.0.1"]]
    assert fetched(world, world.get(url)).status == 200


def test_the_next_address_is_tried() -> None:
    world = World()
    world.names["a.example"] = [["10.0.0.1", "1.1.1.1", "2606:4700::1", "1.1.1.3", "1.1.1.4"]]
    fetch = world.get()
    assert [world.refuse(), world.refuse()] == ["1.1.1.1", "2606:4700::1"]
    assert fetched(world, fetch).status == 200


def test_but_not_every_address() -> None:
    world = World()
    world.names["a.example"] = [[f"1.1.1.{number}" for number in range(1, 15)]]
    fetch = world.get()
    assert [world.refuse() for _ in range(3)] == ["1.1.1.1", "1.1.1.2", "1.1.1.3"]
    assert code_of(fetch) == "connection"
    assert world.connections == 3


# -- what comes back -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    ],
)
def test_answers(answer: bytes) -> None:
    world = World()
    assert fetched(world, world.get(), answer).body == b"hi"


@pytest.mark.parametrize("size", [1, 3, 7])
def test_answers_in_pieces(size: int) -> None:
    world = World()
    fetch = world.get()
    server = world.accept()
    for start in range(0, len(OK), size):
        server.send(OK[start : start + size])
    result = result_of(fetch)
    assert isinstance(result, Fetched)
    assert result.body == b"hi"


def test_an_answer_that_ends_with_the_connection() -> None:
    world = World()
    fetch = world.get()
    server = world.accept()
    server.send(b"HTTP/1.0 200 OK\r\n\r\nhi")
    server.close()
    result = result_of(fetch)
    assert isinstance(result, Fetched)
    assert result.body == b"hi"


def test_not_modified() -> None:
    world = World()
    answer = b"HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\n\r\n"
    result = fetched(world, world.get(headers={"if-none-match": '"1"'}), answer)
    assert result == Fetched(304, {"cache-control": "max-age=60"}, b"")


def test_headers_that_are_kept() -> None:
    """Bounded, and nothing in them that could do harm where they are sent back or shown."""
    world = World()
    answer = b"HTTP/1.1 200 OK\r\nETag: \xff\r\nSet-Cookie: a=b\r\nExpires: 0\r\nDate: a\x1bb\r\n"
    found = fetched(world, world.get(), answer + b"Content-Length: 0\r\n\r\n")
    assert found.headers == {"expires": "0"}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://a.example/x\r\nContent-Length: 0\r\n\r\n", "redirect"),
        (b"HTTP/1.1 308 Moved\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", "redirect"),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", "status"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "status"),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 1000000\r\n\r\n", "status"),
        (b"HTTP/1.1 206 Part\r\nContent-Length: 0\r\n\r\n", "status"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi", "encoding"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", "too_large"),
        (b"HTTP/1.0 200 OK\r\n\r\n" + bytes(101), "too_large"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" + bytes(101), "too_large"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi", "http"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhi", "http"),
        (b"<html>It works!</html>\r\n\r\n", "http"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "http"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "http"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 6000, "headers"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 2000, "headers"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 40_000, "headers"),
    ],
)
def test_answers_that_are_refused(answer: bytes, code: str) -> None:
    """Attack 6: and the connection is closed at once."""
    world = World()
    fetch = world.get()
    server = world.accept()
    server.send(answer)
    assert server.closed or server.transport.disconnecting or answer.startswith(b"SSH")
    server.close()
    assert code_of(fetch) == code


def test_a_body_right_behind_long_headers() -> None:
    """What comes in one piece with the headers is not counted as headers."""
    world = World()
    head = b"HTTP/1.1 200 OK\r\nX: " + b"y" * 10_000 + b"\r\nContent-Length: 50000\r\n\r\n"
    assert len(fetched(world, world.get(max_bytes=50_000), head + bytes(50_000)).body) == 50_000


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\nContent-", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"]
)
def test_answers_that_are_cut_off(sent: bytes) -> None:
    world = World()
    fetch = world.get()
    server = world.accept()
    if sent:
        server.send(sent)
    server.close()
    assert code_of(fetch) in ("connection", "http")


# -- how long --------------------------------------------------------------------------------------------


def test_a_look_up_that_hangs() -> None:
    world = World()
    world.hangs = True
    fetch = world.get(deadline_seconds=2)
    world.reactor.advance(2)
    assert code_of(fetch) == "deadline"
    assert world.connections == 0
    world.pending[0].callback([])


def test_a_connection_that_hangs() -> None:
    world = World(limits=Limits(connect_seconds=60))
    fetch = world.get(deadline_seconds=2)
    world.reactor.advance(2)
    assert code_of(fetch) == "deadline"


def test_addresses_that_hang_are_left_in_time() -> None:
    world = World()
    world.names["a.example"] = [["1.1.1.1", "1.1.1.2"]]
    world.get()
    assert [timeout for *_, timeout, _ in world.reactor.tcpClients] == [3]


@pytest.mark.parametrize(
    "start", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"]
)
def test_a_server_that_drips(start: bytes) -> None:
    """Attack 6: the deadline is over everything, and each octet does not start it anew."""
    world = World()
    fetch = world.get(deadline_seconds=5)
    server = world.accept()
    server.send(start)
    for _ in range(5):
        assert not server.closed
        server.send(b"X" if start else b"H")
        world.reactor.advance(1)
    assert code_of(fetch) == "deadline"
    assert server.closed
    assert world.reactor.getDelayedCalls() == []


def test_giving_up_closes_the_connection() -> None:
    world = World()
    fetch = world.get()
    server = world.accept()
    fetch.addErrback(lambda failure: failure.trap(CancelledError))
    fetch.cancel()
    assert server.closed
    assert world.reactor.getDelayedCalls() == []
    again = world.get()  # nothing is remembered against the server
    assert fetched(world, again).status == 200


# -- how much at once ------------------------------------------------------------------------------------


def test_the_same_is_fetched_once() -> None:
    world = World()
    both = [world.get(), world.get()]
    server = world.accept()
    assert world.connections == 1
    server.send(OK)
    assert [result_of(own) for own in both] == [Fetched(200, {"etag": '"1"'}, b"hi")] * 2
    fetched(world, world.get())  # and anew after that


def test_one_of_two_gives_up() -> None:
    world = World()
    first, second = world.get(), world.get()
    first.addErrback(lambda failure: failure.trap(CancelledError))
    first.cancel()
    assert fetched(world, second).status == 200


def test_who_joins_keeps_its_own_deadline() -> None:
    world = World()
    first = world.get(deadline_seconds=10)
    second = world.get(deadline_seconds=1)
    world.reactor.advance(1)
    assert code_of(second) == "deadline"
    assert fetched(world, first).status == 200


def test_other_bounds_are_another_fetch() -> None:
    world = World()
    world.get(max_bytes=1)
    world.get(max_bytes=2)
    world.get(headers={"A": "b"})
    assert world.connections == 3


def test_slots() -> None:
    """One host that hangs leaves room for others; the queue is bounded."""
    world = World(limits=Limits(total=3, per_host=2, queue=2))
    hanging = [world.get(f"http://a.example/{number}") for number in range(4)]
    assert world.connections == 2
    assert code_of(world.get("http://a.example/5")) == "busy"
    other = world.get("http://b.example/")
    assert world.connections == 3
    assert code_of(world.get("http://c.example/")) == "busy"
    hanging[3].addErrback(lambda failure: failure.trap(CancelledError))
    hanging[3].cancel()
    assert result_of(world.get("http://c.example/")) is None
    world.accept().send(OK)
    assert isinstance(result_of(hanging[0]), Fetched)
    assert world.connections == 4  # the one that waited for a slot of a.example
    assert [result_of(hanging[2]), result_of(other)] == [None, None]


def test_one_server_does_not_fill_the_queue() -> None:
    """Nor does it hold the slots of another one of the same host."""
    world = World(limits=Limits(per_host=1, queue_per_host=2))
    hanging = [world.get(f"http://a.example:8080/{number}") for number in range(3)]
    assert code_of(world.get("http://a.example:8080/3")) == "busy"
    assert world.connections == 1
    others = [world.get("http://a.example:8081/"), world.get("http://b.example/")]
    assert world.connections == 3
    waiting = world.get("http://b.example/2")
    assert [result_of(own) for own in (*hanging, *others, waiting)] == [None] * 6
    hanging[1].addErrback(lambda failure: failure.trap(CancelledError))
    hanging[1].cancel()
    assert result_of(world.get("http://a.example:8080/4")) is None


def test_waiting_counts_against_the_deadline() -> None:
    world = World(limits=Limits(per_host=1))
    world.get("http://a.example/1", deadline_seconds=60)
    waiting = world.get("http://a.example/2", deadline_seconds=1)
    world.reactor.advance(1)
    assert code_of(waiting) == "deadline"
    assert world.connections == 1
    again = world.get("http://a.example/2", deadline_seconds=1)
    assert result_of(again) is None  # waiting long says nothing of the server


def test_look_ups_are_bounded() -> None:
    """A resolver that hangs must not take all threads of the reactor's pool; each name is asked for once."""
    world = World(limits=Limits(lookups=2))
    world.hangs = True
    fetches = [world.get(f"http://{host}/{n}") for host in ("a.example", "b.example") for n in range(3)]
    assert world.asked == ["a.example", "b.example"]
    assert code_of(world.get("http://c.example/")) == "busy"
    world.reactor.advance(10)
    assert [code_of(fetch) for fetch in fetches] == ["deadline"] * 6
    assert code_of(world.get("http://c.example/")) == "busy"  # the threads still hang
    world.pending[0].errback(Failure(OSError("no")))
    world.hangs = False
    assert code_of(world.get("http://c.example/")) == "resolve"


def test_failures_are_remembered_for_a_moment() -> None:
    world = World(limits=Limits(failure_seconds=5, failures=2))
    fetch = world.get()
    world.refuse()
    assert code_of(fetch) == "connection"
    assert code_of(world.get()) == "connection"
    assert world.connections == 1
    world.reactor.advance(5)
    assert fetched(world, world.get()).status == 200


def test_only_so_many_failures_are_remembered() -> None:
    world = World(limits=Limits(failures=2))
    for number in range(3):
        assert code_of(world.get(f"http://nowhere.example/{number}")) == "resolve"
    world.names["nowhere.example"] = [["1.1.1.1"]]
    assert code_of(world.get("http://nowhere.example/2")) == "resolve"
    assert fetched(world, world.get("http://nowhere.example/0")).status == 200


def test_close() -> None:
    world = World(limits=Limits(per_host=1))
    fetches = [world.get("http://a.example/1"), world.get("http://a.example/2")]
    server = world.accept()
    world.fetcher.close()
    assert [code_of(fetch) for fetch in fetches] == ["closed", "closed"]
    assert server.closed
    assert code_of(world.get()) == "closed"
    assert world.reactor.getDelayedCalls() == []
    assert world.connections == 1
