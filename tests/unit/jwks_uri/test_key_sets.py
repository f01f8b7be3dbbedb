"""The sets, live: R14, P14, P38."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import attrs
import pytest

from mtlsd import reasons
from mtlsd.clients.fetched import Shared
from mtlsd.jose.jwk import public_members
from mtlsd.jwks_uri.disk import kept_sets
from mtlsd.jwks_uri.key_sets import MOST_AT_ONCE, KeySets, may_be_published
from tests.unit.jose.keys import private_key
from tests.unit.jwks_uri.world import URI, World, body
from tests.unit.stores.values import NOW, certificate

OTHER = "https://b.example/jwks"
ONE, TWO = certificate("one"), certificate("two")
DAY = 86_400.0


@pytest.fixture
def world() -> World:
    return World()


def fetched(world: World, *roles: str, **headers: str) -> None:
    """Started, and fetched once."""
    world.start()
    [fetch] = world.after(2)
    fetch.ok(*roles, **headers)


def test_it_is_fetched_in_the_background(world: World) -> None:
    world.start()
    assert (world.pins(), world.fetches) == ([], [])
    [fetch] = world.after(2)
    assert fetch.headers == {}
    fetch.ok("one", "two")
    assert world.pins() == [ONE, TWO]
    assert world.changes == 1
    [facts] = world.told("jwks_uri.updated")
    assert (facts["source"], facts["clients"], facts["removed"]) == (URI, ("a",), ())


def test_the_server_says_how_long_within_bounds(world: World) -> None:
    """A floor of five minutes, a ceiling of a day, an hour where nothing is said; with jitter before it."""
    fetched(world, "one", cache_control="no-store")
    assert world.after(299) == []
    [fetch] = world.after(2)
    fetch.ok("one", cache_control="max-age=99999999")
    assert world.after(0.85 * DAY - 1) == []
    [fetch] = world.after(0.15 * DAY + 900)
    fetch.ok("one")
    assert world.after(0.85 * 3600 - 36) == []
    assert len(world.after(0.15 * 3600 + 36)) == 1
    assert world.changes == 1


def test_what_has_not_changed_is_not_sent_again(world: World) -> None:
    fetched(world, "one", etag='"1"', last_modified="Sun, 06 Nov 1994 08:49:37 GMT")
    [fetch] = world.after(3600)
    assert fetch.headers == {"If-None-Match": '"1"', "If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"}
    fetch.unchanged(cache_control="max-age=600")
    assert (world.pins(), world.changes) == ([ONE], 1)
    [fetch] = world.after(600)
    assert fetch.headers["If-None-Match"] == '"1"'


def test_a_key_that_is_gone_is_gone(world: World) -> None:
    """Rotation: old, both, new."""
    fetched(world, "one")
    [fetch] = world.after(3600)
    fetch.ok("one", "two")
    assert world.pins() == [ONE, TWO]
    [fetch] = world.after(3600)
    fetch.ok("two")
    assert (world.pins(), world.changes) == ([TWO], 3)
    last = world.told("jwks_uri.updated")[-1]
    assert (len(last["added"]), len(last["removed"])) == (0, 1)  # type: ignore[arg-type]  # a fact of any type


def test_a_certificate_stays_since_when_it_came(world: World) -> None:
    fetched(world, "one")
    since = world.key_sets.published[URI][0].since
    [fetch] = world.after(3600)
    fetch.ok("two", "one")
    two, one = world.key_sets.published[URI]
    assert (one.der, one.since) == (ONE, since)
    assert two.since > since


@pytest.mark.parametrize("data", [b"<html>down for maintenance</html>", b'{"error":"overloaded"}', b""])
def test_an_error_page_removes_nothing(world: World, data: bytes) -> None:
    fetched(world, "one")
    [fetch] = world.after(3600)
    fetch.send(data)
    assert (world.pins(), world.changes) == ([ONE], 1)
    assert len(world.told("source.failed")) == 1


def test_a_bad_key_is_skipped_and_told_once(world: World) -> None:
    world.start()
    bad = body("one").replace(b'"keys": [', b'"keys": [{"kty": "oct", "kid": "x"}, ')
    for _ in range(3):
        [fetch] = world.after(3600)
        fetch.send(bad)
    assert world.pins() == [ONE]
    [told] = world.told("jwks_uri.key_skipped")
    assert "symmetric" in str(told["seen"])


class TestFailures:
    def test_the_last_good_copy_serves(self, world: World) -> None:
        """It is told once that the source turned bad, and once that it is good again."""
        fetched(world, "one")
        for _ in range(3):
            [fetch] = world.after(3600)[-1:]
            fetch.fail()
        assert world.pins() == [ONE]
        [fetch] = world.after(3600)[-1:]
        fetch.ok("one")
        names = [name for name, _ in world.events]
        assert names == ["jwks_uri.updated", "source.failed", "source.recovered"]
        assert world.told("source.failed")[0]["error"] == "fetch.deadline: not today"

    def test_but_not_for_ever(self, world: World) -> None:
        fetched(world, "one")
        passed = 0.0
        while world.pins():
            for fetch in world.after(600):
                fetch.fail()
            passed += 600
            assert passed <= 7 * DAY + 1200
        assert passed >= 7 * DAY - 600
        assert world.changes == 2
        assert world.told("jwks_uri.updated")[-1]["removed"]
        [fetch] = world.after(3600)
        assert fetch.headers == {}, "there is nothing that could be unchanged"
        fetch.ok("one")
        assert world.pins() == [ONE]

    def test_the_tries_become_rare(self, world: World) -> None:
        world.start()
        tries = 0
        for _ in range(144):
            for fetch in world.after(600):
                fetch.fail()
                tries += 1
        assert 20 <= tries <= 45, "of a day"

    def test_what_nobody_foresaw_is_a_failure_too(self, world: World) -> None:
        world.start()
        [fetch] = world.after(2)
        fetch.answer.errback(RuntimeError("no"))
        assert world.told("source.failed")[0]["error"] == "RuntimeError"
        assert len(world.after(120)) == 1

    def test_a_clock_that_jumps_takes_no_pin_that_the_server_confirms(self, world: World) -> None:
        fetched(world, "one", etag='"1"')
        world.jump = timedelta(days=3650)
        [fetch] = world.after(3600)
        fetch.unchanged()
        assert world.pins() == [ONE]
        world.jump = timedelta(0)
        [fetch] = world.after(3600)
        fetch.fail()
        assert world.pins() == [ONE]


class TestEarly:
    """A certificate that nobody knows."""

    def test_the_sets_are_fetched_at_once(self, world: World) -> None:
        fetched(world, "one", etag='"1"')
        world.after(60)
        world.key_sets.unknown_certificate_seen()
        [fetch] = world.after(0.1)
        fetch.ok("one", "two")
        assert world.pins() == [ONE, TWO]

    def test_no_more_than_once_in_thirty_seconds(self, world: World) -> None:
        """However many strangers come; and the last of them is not forgotten."""
        fetched(world, "one")
        begun = 0
        for _ in range(600):
            for _ in range(50):
                world.key_sets.unknown_certificate_seen()
            for fetch in world.after(0.1):
                begun += 1
                fetch.ok("one")
        assert begun == 2
        assert len(world.after(31)) == 1

    def test_all_sets_together_are_bounded(self, world: World) -> None:
        uris = [f"https://{number}.example/jwks" for number in range(200)]
        world.start(*uris)
        while fetches := world.after(2):
            for fetch in fetches:
                fetch.ok(cache_control="max-age=86400")
        world.after(60)
        begun = []
        for second in range(120):
            world.key_sets.unknown_certificate_seen()
            for fetch in world.after(1):
                begun.append((second, fetch.uri))
                fetch.ok(cache_control="max-age=86400")
        assert len({uri for _, uri in begun}) == 200, "every set has its turn"
        for second in range(110):
            assert sum(second <= at < second + 10 for at, _ in begun) <= 8 + 4 * 11

    def test_a_server_that_fails_is_asked_less(self, world: World) -> None:
        world.start()
        begun = 0
        for _ in range(600):
            world.key_sets.unknown_certificate_seen()
            for fetch in world.after(1):
                begun += 1
                fetch.fail()
        assert begun <= 10

    def test_one_that_comes_while_it_is_fetched_is_not_forgotten(self, world: World) -> None:
        world.start()
        [fetch] = world.after(2)
        world.key_sets.unknown_certificate_seen()
        assert world.after(5) == []
        fetch.ok("one")
        assert len(world.after(31)) == 1

    def test_without_sets_it_costs_nothing(self, world: World) -> None:
        world.key_sets.unknown_certificate_seen()
        assert world.clock.getDelayedCalls() == []

    def test_for_which_refusals(self) -> None:
        published = (reasons.PIN_UNKNOWN, reasons.SUBJECT_UNKNOWN, reasons.CHAIN_UNTRUSTED)
        assert all(may_be_published(reason.code) for reason in published)
        assert not may_be_published(reasons.CERTIFICATE_EXPIRED.code)
        assert not may_be_published(reasons.CLIENT_DISABLED.code)
        assert not may_be_published(None)


class TestMany:
    def test_so_many_at_once(self, world: World) -> None:
        world.start(*(f"https://{number}.example/jwks" for number in range(50)))
        fetches = world.after(5)
        assert len(fetches) == MOST_AT_ONCE
        fetches[0].ok("one")
        fetches[1].fail()
        assert len(world.after(1)) == 2

    def test_changes_are_announced_once_a_second(self, world: World) -> None:
        """The first at once, and the last is not forgotten."""
        world.start(*(f"https://{number}.example/jwks" for number in range(MOST_AT_ONCE)))
        for fetch in world.after(2):
            fetch.ok("one")
        assert world.changes == 1
        world.after(1.1)
        assert world.changes == 2
        world.after(60)
        assert world.changes == 2

    def test_reload(self, world: World) -> None:
        """New sets are fetched at once; those that are gone are given up, and bring nothing any more."""
        world.start()
        [gone] = world.after(2)
        world.key_sets.configure({OTHER: ("b",)})
        assert gone.answer.called
        [fetch] = world.after(0.1)
        assert fetch.uri == OTHER
        fetch.ok("one")
        assert (world.pins(URI), world.pins(OTHER)) == ([], [ONE])
        world.key_sets.configure({OTHER: ("b", "c")})
        assert world.after(60) == []
        [status] = world.key_sets.status()
        assert status.clients == ("b", "c")
        assert world.told("source.failed") == []

    def test_a_set_that_is_gone_while_it_is_fetched_is_no_failure(self, world: World) -> None:
        """At any moment of the fetch: not all of them turn a cancellation into a refusal."""
        world.start()
        [gone] = world.after(2)
        gone.answer._canceller = None
        with patch.object(KeySets, "_log") as log:
            world.key_sets.configure({OTHER: ("b",)})
        assert gone.answer.called
        assert not log.failure.called
        assert world.told("source.failed") == []

    def test_what_another_client_has_too_is_told_once(self, world: World) -> None:
        fetched(world, "one")
        shared = [Shared(URI, "a", "b", b"x" * 32)]
        for _ in range(3):
            world.key_sets.configure({URI: ("a",)}, shared)
        [told] = world.told("jwks_uri.key_shared")
        assert (told["source"], told["clients"]) == (URI, ["a"])
        assert "belongs to client 'b', too" in str(told["seen"])
        world.key_sets.configure({URI: ("a",)})
        world.key_sets.configure({URI: ("a",)}, shared)
        assert len(world.told("jwks_uri.key_shared")) == 2

    def test_stop(self, world: World) -> None:
        world.start(URI, OTHER)
        [one, other] = world.after(2)
        one.ok("one")
        events = list(world.events)
        world.key_sets.stop()
        assert other.answer.called
        world.key_sets.unknown_certificate_seen()
        assert world.clock.getDelayedCalls() == []
        assert (world.events, world.changes) == (events, 1)


def test_status(world: World) -> None:
    fetched(world, "one")
    [fetch] = world.after(3600)
    fetch.fail("tls")
    [status] = world.key_sets.status()
    assert (status.uri, status.clients, len(status.certificates)) == (URI, ("a",), 1)
    assert status.error == "fetch.tls: not today"
    assert status.last_good_at is not None
    assert status.last_tried_at is not None
    assert status.last_good_at < status.last_tried_at < status.next_try_at


class TestRestart:
    """What is kept on disk."""

    @pytest.fixture
    def kept(self, tmp_path: Path) -> World:
        world = World(tmp_path / "jwks_uri")
        fetched(world, "one", etag='"1"', cache_control="max-age=7200")
        return world

    def test_the_last_good_copy_survives(self, kept: World) -> None:
        """It serves at once, and is asked for again when it is due, not sooner."""
        since = kept.key_sets.published[URI][0].since
        kept.restart()
        assert kept.pins() == [ONE]
        assert kept.key_sets.published[URI][0].since == since
        assert kept.after(6000) == []
        [fetch] = kept.after(1300)
        assert fetch.headers == {"If-None-Match": '"1"'}
        assert kept.events == []

    def test_a_daemon_that_was_down_for_too_long_forgets(self, kept: World) -> None:
        kept.jump = timedelta(days=7, hours=1)
        kept.restart()
        assert kept.pins() == []
        assert len(kept.after(2)) == 1

    def test_a_clock_that_was_set_back_keeps_nothing_for_ever(self, kept: World) -> None:
        kept.jump = timedelta(days=-400)
        kept.restart()
        assert kept.pins() == [ONE]
        for _ in range(8 * 24):
            for fetch in kept.after(3600):
                fetch.fail()
        assert kept.pins() == []

    @pytest.mark.parametrize("data", [b"", b"{", b'{"version":1}', b"\xff"])
    def test_a_torn_file_is_told_and_ignored(self, kept: World, data: bytes) -> None:
        assert kept.cache is not None
        [name] = kept.cache.names()
        kept.cache.write(name, data)
        kept.restart()
        assert kept.pins() == []
        assert len(kept.told("cache.failed")) == 1
        [fetch] = kept.after(2)
        fetch.ok("two")
        kept.restart()
        assert (kept.pins(), kept.events) == ([TWO], [])

    def test_what_is_read_back_is_checked_again(self, kept: World) -> None:
        """Nobody pins anything by writing a certificate with another key into the directory."""
        assert kept.cache is not None
        [name] = kept.cache.names()
        data = kept.cache.read(name)
        assert data is not None
        kept.cache.write(name, data.replace(b'\\"kty\\": \\"EC\\"', b'\\"kty\\": \\"RSA\\"'))
        kept.restart()
        assert kept.pins() == []
        assert len(kept.told("jwks_uri.key_skipped")) == 1

    def test_what_nobody_needs_is_removed(self, kept: World) -> None:
        assert kept.cache is not None
        kept.key_sets.configure({OTHER: ("b",)})
        assert kept.cache.names() == frozenset()
        kept.after(1)[0].ok("one")
        assert len(kept.cache.names()) == 1
        kept.restart(URI)
        assert kept.cache.names() == frozenset()

    def test_a_full_disk_only_means_that_it_is_not_kept(self, tmp_path: Path) -> None:
        world = World(tmp_path / "jwks_uri")
        assert world.cache is not None
        world.key_sets.disk.directory = attrs.evolve(world.cache, max_bytes=10)
        fetched(world, "one")
        [fetch] = world.after(3600)
        fetch.ok("two")
        assert world.pins() == [TWO]
        assert len(world.told("cache.failed")) == 1

    def test_a_directory_that_others_can_write_is_not_read(self, kept: World) -> None:
        assert kept.cache is not None
        kept.cache.path.chmod(0o777)
        kept.restart()
        assert kept.pins() == []
        assert "0777" in str(kept.told("cache.failed"))

    def test_a_command_sees_what_the_daemon_has(self, kept: World) -> None:
        assert kept.cache is not None
        found = kept_sets(kept.cache, [URI, OTHER], NOW)
        assert found == {URI: kept.key_sets.published[URI]}
        assert kept_sets(kept.cache, [URI, OTHER], kept.now() + timedelta(days=1)) == {}


def key_set(kind: str) -> bytes:
    key: Any = private_key(kind)
    return json.dumps({"keys": [{**public_members(key.public_key()), "kid": kind}]}).encode("ascii")


def test_keys_come_and_go(world: World) -> None:
    """A client with private_key_jwt rotates by itself too."""
    world.start()
    [fetch] = world.after(2)
    fetch.send(key_set("P-256"))
    assert [key.kid for key in world.key_sets.keys[URI]] == ["P-256"]
    assert (world.pins(), world.changes) == ([], 1)
    [told] = world.told("jwks_uri.updated")
    assert told["keys_removed"] == []
    [fetch] = world.after(3700)
    fetch.send(key_set("Ed25519"))
    assert [key.kid for key in world.key_sets.keys[URI]] == ["Ed25519"]
    assert world.told("jwks_uri.updated")[-1]["keys_removed"] == told["keys_added"]
    assert may_be_published(reasons.CLIENT_KEY_UNKNOWN.code)
