"""Revocation lists kept live, by files and URLs that the operator named (R40, P23 to P25)."""

from __future__ import annotations

import os
import ssl
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, execute
from twisted.logger import capturedLogs

from mtlsd.revocation.crl_book import CrlLimits
from tests.pki import NOW
from tests.pki.crls import crl_of, entry, path_of
from tests.unit.revocation.crls import DAY, SERIAL, URL, World, at_once


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, crl_urls=(URL,))


def result(waiting: Deferred[Any]) -> Any:
    """What a Deferred has fired with."""
    found: list[Any] = []
    waiting.addCallback(found.append)
    assert found, "it has not fired"
    return found[0]


def test_a_url_is_fetched_and_told(world: World) -> None:
    world.serve(entry(SERIAL))
    sources = world.start()
    assert world.told() == "revoked"
    assert world.changes == 1
    assert world.names() == ["crl.updated"]
    shown = world.status()
    assert (shown.group, shown.kind, shown.number, shown.entries) == ("partners", "crl", 5, 1)
    assert (shown.last_good, shown.error, shown.next_update) == (NOW, None, NOW + 6 * DAY)
    assert shown.next_try is not None
    assert NOW < shown.next_try <= NOW + timedelta(hours=1)
    assert sources.status() == (shown,)


def test_the_operator_may_name_any_host(world: World) -> None:
    world.start()
    assert world.server.asked[0].rules.hosts == {"crl.example"}


def test_nothing_is_worse_for_a_source_that_fails(world: World) -> None:
    """Told once that it fails, and once that it works again."""
    world.serve(entry(SERIAL))
    world.start()
    body = world.server.bodies.pop(URL)
    world.go(4 * 3600)
    assert world.told() == "revoked"
    assert world.names() == ["crl.updated", "source.failed"]
    assert world.status().error == "fetch.status: 404"
    world.server.bodies[URL] = body
    world.go(3600)
    assert world.names() == ["source.recovered"]
    assert world.status().error is None


def test_a_list_that_runs_out_tells_nothing(world: World) -> None:
    """P24."""
    world.serve(next_update=NOW + timedelta(hours=3))
    world.start()
    assert world.told() == "good"
    world.age(NOW + timedelta(hours=3, minutes=2))
    assert world.told() == "crl.expired"
    assert world.status().error == "crl.expired: nextUpdate 2026-11-21T15:00:00+00:00"
    assert "source.failed" in world.names()


def test_renewed_before_it_runs_out(world: World) -> None:
    world.serve(next_update=NOW + timedelta(hours=1))
    world.start()
    world.serve(number=6, next_update=NOW + timedelta(hours=5))
    world.go(45 * 60)
    assert world.status().number == 6
    assert world.told() == "good"


def test_asks_for_what_has_changed(world: World) -> None:
    world.serve()
    world.start()
    world.server.asked.clear()
    world.go(2 * 3600)
    assert [set(own.headers) for own in world.server.asked] == [{"Accept", "If-None-Match"}] * 2
    assert world.changes == 1
    last_good = world.status().last_good
    assert last_good is not None
    assert last_good > NOW + timedelta(hours=1)


def test_never_more_often_than_the_floor(world: World) -> None:
    world.server.headers = {"cache-control": "no-store"}
    world.serve(next_update=NOW + timedelta(seconds=30))
    world.start()
    world.go(30)
    assert len(world.server.urls()) == 1
    world.go(570)
    assert len(world.server.urls()) <= 11


def test_failures_are_tried_again_later_and_later(world: World) -> None:
    world.start()
    tried = []
    for _ in range(8 * 3600 // 30):
        world.age(world.wall + timedelta(seconds=30))
        tried += [world.wall - NOW] * len(world.server.urls())
    spans = [after - before for before, after in pairwise(tried)]
    assert spans[0] <= timedelta(minutes=1)
    assert all(before <= after for before, after in pairwise(spans[:6]))
    assert timedelta(minutes=20) < max(spans) <= timedelta(minutes=31)


@pytest.mark.parametrize(
    ("how", "names"),
    [
        ({"number": 4}, ["crl.older"]),
        ({"this_update": NOW - 2 * DAY}, ["crl.older"]),
        ({"number": None, "this_update": NOW}, ["crl.older"]),
    ],
)
def test_it_never_goes_back(world: World, how: dict[str, Any], names: list[str]) -> None:
    world.serve(entry(SERIAL))
    world.start()
    world.names()
    world.serve(**how)
    world.go(3 * 3600)
    assert world.told() == "revoked"
    assert world.names() == names
    assert (world.status().error or "").startswith("crl.older: number")
    world.serve(entry(SERIAL), number=7)
    world.go(3600)
    assert world.names() == ["crl.updated"]
    assert (world.status().number, world.status().error) == (7, None)


def test_a_release_is_taken_and_reported(world: World) -> None:
    """Only for a certificate that somebody has shown, and that is valid: others may have run out."""
    world.serve(entry(SERIAL), entry(5), entry(6, 6))
    world.start()
    world.sources.note(world.path())
    world.names()
    world.serve(number=6)
    world.go(3600)
    assert [event for event, _ in world.events] == ["crl.dropped", "crl.updated"]
    facts = world.events[0][1]
    assert facts["issuer"] == "CN=Intermediate,O=Test PKI"
    assert (facts["serials"], facts["dropped"], facts["number"]) == ([f"{SERIAL:x}"], 2, 6)
    assert world.told() == "good"
    world.events.clear()
    world.serve(entry(1), number=7)
    world.go(3600)
    world.serve(number=8)
    world.go(3600)
    assert [(event, facts["dropped"]) for event, facts in world.events] == [
        ("crl.updated", 0),
        ("crl.updated", 1),
    ]


def test_no_release_of_what_is_over_or_anothers(world: World) -> None:
    """Serial numbers tell nothing without their issuer."""
    over = path_of(world.leaf(serial=5, valid=world.valid(-9, 0.01)).leaf, *world.above)
    other = path_of(world.leaf(world.root, serial=6).leaf, world.root.der)
    world.serve(entry(5), entry(6))
    world.start()
    for path in (over, other):
        world.sources.note(path)
    world.names()
    world.serve(number=6)
    world.go(3600)
    assert world.names() == ["crl.updated"]


def test_nobody_else_may_sign(world: World) -> None:
    world.server.bodies[URL] = world.crl(key=world.root.key).der()
    world.start()
    assert (world.status().error or "").startswith("crl.signature: ")
    assert world.told() == "crl.none"
    assert world.names() == ["source.failed"]


def test_several_sources_each_fare_alone(tmp_path: Path) -> None:
    other = "http://crl.example/root.crl"
    world = World(tmp_path, crl_urls=(URL, "http://down.example/x.crl", other))
    world.serve()
    world.server.bodies[other] = crl_of(world.root).der()
    world.start()
    assert [own.error for own in world.sources.status()] == [None, "fetch.status: 404", None]
    assert len(world.sources.table.lists) == 2


def test_what_nobody_foresaw_ends_one_try(world: World) -> None:
    world.serve()
    world.in_thread = _surprise
    with capturedLogs() as logged:
        world.start()
    assert [own["log_failure"].type for own in logged if "log_failure" in own] == [ZeroDivisionError] * 2
    assert world.status().error == "crl.failed: ZeroDivisionError: integer division or modulo by zero"
    world.sources._loads.in_thread = at_once
    world.go(60)
    assert world.told() == "good"


def test_a_file_of_too_many_lists(tmp_path: Path) -> None:
    file = tmp_path / "lists.pem"
    world = World(tmp_path, crl_files=(str(file),))
    file.write_text(_pem(world.crl().der()) * 1025)
    world.start()
    assert world.status(str(file)).error == "crl.too_large: 1025 lists are more than 1024"


# -- files -------------------------------------------------------------------------------------------------


def test_a_file_with_several_lists(tmp_path: Path) -> None:
    file = tmp_path / "lists.pem"
    world = World(tmp_path, crl_files=(str(file),))
    ders = [world.crl(entry(SERIAL)).der(), b"0\x00", crl_of(world.root).der()]
    file.write_text("".join(map(_pem, ders)))
    world.start()
    assert world.told() == "revoked"
    assert [own.number for own in world.sources.status()] == [5, 5]
    assert (world.status(str(file)).error or "").startswith("crl.malformed")


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "ca.crl"
    world = World(tmp_path, crl_files=(str(file),))
    world.start()
    assert world.status(str(file)).error == "crl.file: No such file or directory"
    file.write_bytes(world.crl().der())
    world.go(61)
    assert world.told() == "good"
    assert world.names() == ["source.failed", "crl.updated", "source.recovered"]
    file.write_bytes(b"torn")
    world.go(61)
    assert world.told() == "good"
    world.go(600)
    assert world.names() == ["source.failed"]
    file.write_bytes(world.crl(entry(SERIAL), number=6).der())
    world.go(61)
    assert world.told() == "revoked"
    assert world.changes == 2
    world.go(600)
    assert world.changes == 2


def test_a_file_is_read_again_when_somebody_reloads(tmp_path: Path) -> None:
    file = tmp_path / "a.crl"
    world = World(tmp_path, crl_files=(str(file),))
    file.write_bytes(world.crl(number=7).der())
    sources = world.start()
    assert world.told() == "good"
    file.write_bytes(world.crl(entry(SERIAL), number=8).der())
    result(Deferred.fromCoroutine(sources.reread()))
    assert world.told() == "revoked"


def test_a_file_that_comes_back_untouched(tmp_path: Path) -> None:
    file = tmp_path / "ca.crl"
    world = World(tmp_path, crl_files=(str(file),))
    file.write_bytes(world.crl().der())
    world.start()
    file.rename(tmp_path / "away")
    world.go(61)
    (tmp_path / "away").rename(file)
    world.go(61)
    assert world.status(str(file)).error is None
    assert world.names() == ["crl.updated", "source.failed", "source.recovered"]


def test_what_is_no_file_or_too_large(tmp_path: Path) -> None:
    fifo, large = tmp_path / "fifo", tmp_path / "large"
    os.mkfifo(fifo)
    large.write_bytes(b"0" * 101)
    world = World(tmp_path, crl_files=(str(tmp_path), str(fifo), str(large)))
    world.limits = CrlLimits(list_bytes=100)
    world.start()
    assert [own.error for own in world.sources.status()] == [
        "crl.file: Is a directory",
        "crl.malformed: not a regular file",
        "crl.too_large: more than 100 bytes",
    ]


def test_a_list_from_the_future_becomes_good_by_itself(tmp_path: Path) -> None:
    file = tmp_path / "ca.crl"
    world = World(tmp_path, crl_files=(str(file),))
    file.write_bytes(world.crl(this_update=NOW + timedelta(minutes=3)).der())
    world.start()
    assert world.told() == "crl.none"
    world.go(300)
    assert world.told() == "good"


# -- ending ------------------------------------------------------------------------------------------------


def test_when_it_has_stopped_nothing_happens(world: World) -> None:
    world.server.hanging.add(URL)
    world.start()
    waiting = world.ensure(world.path())
    world.sources.stop()
    assert result(waiting) == "fetch.closed: mtlsd is ending"
    assert world.server.cancelled == [URL]
    assert world.clock.getDelayedCalls() == []
    assert (world.names(), world.changes) == ([], 0)


def test_stopped_while_it_reads(world: World) -> None:
    """The thread ends at its next breath."""
    world.serve(*(entry(serial) for serial in range(2000)))
    pending: list[tuple[Any, Deferred[Any]]] = []

    def in_thread(work: Any) -> Deferred[Any]:
        pending.append((work, Deferred()))
        return pending[-1][1]

    world.start()
    world.restart()
    world.sources._loads.in_thread = in_thread
    world.serve(number=6)
    world.go(3600)
    work, done = pending.pop()
    world.names()
    world.sources.stop()
    with pytest.raises(Exception, match=r"^$"):
        work()
    done.callback(None)
    assert (world.names(), world.changes) == ([], 2)


def test_stopped_while_it_starts(world: World) -> None:
    pending: list[Deferred[Any]] = []

    def in_thread(work: Any) -> Deferred[Any]:
        pending.append(Deferred())
        return pending[-1]

    world.policy["crl_files"] = ("/missing",)
    world.in_thread = in_thread
    world.start()
    world.sources.stop()
    pending[0].callback(frozenset())
    for later in pending[1:]:
        later.errback(FileNotFoundError())
    assert world.clock.getDelayedCalls() == []
    assert (world.names(), world.changes, world.server.asked) == ([], 0, [])


def _surprise(work: Any) -> Deferred[Any]:
    return execute(lambda: 1 // 0)


def _pem(der: bytes) -> str:
    return ssl.DER_cert_to_PEM_cert(der).replace("CERTIFICATE", "X509 CRL")
