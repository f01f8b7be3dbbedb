"""Lists that certificates name, and CAs that only clients know (P23, P24)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from mtlsd.pki.der import SEQUENCE, encode
from mtlsd.pki.path import Path as CertificatePath
from mtlsd.revocation.crl_book import CrlLimits, freshest_urls
from mtlsd.revocation.crl_pace import Pace
from tests.pki import NOW
from tests.pki.crls import crl_of, entry, extension, full_name, path_of, uri
from tests.pki.maker import Authority
from tests.unit.revocation.crls import DAY, SERIAL, URL, World

OTHER = "http://other.example/ca.crl"
DELTA = "http://crl.example/delta.crl"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, crl_from_certificate=True)


def results(waiting: Deferred[Any]) -> list[Any]:
    """What a Deferred has fired with, in a list that is empty until then."""
    found: list[Any] = []
    waiting.addBoth(found.append)
    return found


def result(waiting: Deferred[Any]) -> Any:
    (found,) = results(waiting)
    return found


def freshest(*urls: str) -> tuple[x509.ExtensionType, bool]:
    points = [x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None) for url in urls]
    return x509.FreshestCRL(points), False


def deltas_at(url: str) -> bytes:
    """A list's own freshestCRL."""
    return extension("freshest", encode(SEQUENCE, encode(SEQUENCE, full_name(uri(url)))))


def named_by(*urls: str) -> list[tuple[x509.ExtensionType, bool]]:
    points = [x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None) for url in urls]
    return [(x509.CRLDistributionPoints(points), False)]


def test_the_lists_of_the_groups_own_cas_are_fetched_at_once(tmp_path: Path) -> None:
    world = World(tmp_path, crl_from_certificate=True)
    own = world.ca("Named", world.root, more=named_by(OTHER))
    world.intermediates = (own.der,)
    world.server.bodies[OTHER] = crl_of(world.root).der()
    world.start()
    assert world.server.urls() == [OTHER]
    assert len(world.sources.table.lists) == 1


def test_what_a_certificate_names_is_fetched_when_it_is_asked_for(world: World) -> None:
    world.serve(entry(SERIAL))
    world.start()
    assert world.server.urls() == []
    path = world.path("ldap://crl.example/x", URL)
    assert world.told(path) == "crl.none"
    assert result(world.ensure(path)) is None
    assert world.told(path) == "revoked"
    assert world.server.asked[0].rules.hosts == frozenset(), "nobody but the operator may name any host"
    assert result(world.ensure(path)) is None
    assert world.server.urls() == [URL]


def test_only_by_policy(tmp_path: Path) -> None:
    world = World(tmp_path, crl_urls=(OTHER,))
    world.start()
    world.server.urls()
    path = world.path(URL)
    assert result(world.ensure(path)) == f"fetch.status: {OTHER} 404"
    assert world.server.urls() == []


def test_it_waits_for_the_first_load_of_what_is_configured(tmp_path: Path) -> None:
    world = World(tmp_path, crl_urls=(URL,))
    world.server.hanging.add(URL)
    world.serve()
    world.start()
    waiting = results(world.ensure(world.path()))
    assert waiting == []
    world.server.answer(URL)
    assert waiting == [None]
    assert world.told() == "good"


def test_who_gives_up_cancels_nothing_for_others(world: World) -> None:
    world.server.hanging.add(URL)
    world.serve()
    world.start()
    path = world.path(URL)
    first, second = world.ensure(path), world.ensure(path)
    gave_up = results(first)
    first.cancel()
    assert isinstance(gave_up[0], Failure)
    assert gave_up[0].check(CancelledError)
    patient = results(second)
    second.cancel()
    assert len(patient) == 1
    assert world.server.cancelled == []
    third = results(world.ensure(path))
    world.server.answer(URL)
    assert third == [None]
    assert world.server.urls() == [URL]
    assert all(not source.waiting for source in world.sources._book.sources.values())


def test_it_does_not_wait_for_what_is_not_needed(world: World) -> None:
    """A second place for the same list may hang: the first has told."""
    world.server.hanging.add(OTHER)
    world.serve()
    world.start()
    assert result(world.ensure(world.path(URL, OTHER))) is None
    assert world.told() == "good"


def test_what_has_just_failed_is_not_tried_again(world: World) -> None:
    world.start()
    path = world.path(URL)
    why = f"fetch.status: {URL} 404"
    assert result(world.ensure(path)) == why
    assert result(world.ensure(path)) == why
    assert world.server.urls() == [URL]
    world.serve()
    world.go(11)
    assert result(world.ensure(path)) is None
    assert world.server.urls() == [URL]


def test_what_says_the_wrong_thing_is_not_asked_all_the_time(world: World) -> None:
    world.server.bodies[URL] = b"0" * 1000
    world.start()
    path = world.path(URL)
    for _ in range(10):
        assert str(result(world.ensure(path))).startswith(f"crl.malformed: {URL} ")
        world.go(2)
    assert world.server.urls() == [URL]


def test_points_that_are_not_understood(world: World) -> None:
    """A certificate says where deltas are in a way that nobody can read: it names none."""
    unreadable = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.46"), b"\x30\x00")
    assert freshest_urls(world.path(more=[(unreadable, False)]).certificates[0]) == ()


def test_a_url_that_nobody_can_fetch(world: World) -> None:
    """Port 25, a user in it: the fetcher refuses; here it is one more source that fails."""
    world.start()
    assert result(world.ensure(world.path("http://u@x/"))) == "fetch.status: http://u@x/ 404"


def test_deltas_are_fetched_and_waited_for(world: World) -> None:
    """RFC 5280 section 5.2.6: a list says where its deltas are."""
    world.serve(number=5, more=[deltas_at(DELTA)])
    world.serve(entry(SERIAL), url=DELTA, number=6, base=5)
    world.server.hanging.add(DELTA)
    world.start()
    path = world.path(URL)
    waiting = results(world.ensure(path))
    assert waiting == []
    assert world.server.urls() == [URL, DELTA]
    world.server.answer(DELTA)
    assert waiting == [None]
    assert world.told(path) == "revoked"
    world.serve(url=DELTA, number=7, base=5)
    world.age(NOW + timedelta(hours=2))
    assert world.told(path) == "good"


def test_a_delta_that_is_ahead_of_its_list(world: World) -> None:
    """The one before serves until the complete list is there that the new one continues, which is soon."""
    more = [deltas_at(DELTA)]
    world.serve(number=5, more=more)
    world.serve(entry(SERIAL), url=DELTA, number=6, base=5, next_update=NOW + timedelta(minutes=30))
    world.start()
    path = world.path(URL)
    result(world.ensure(path))
    assert world.told(path) == "revoked"
    world.go(120)
    world.server.hanging.add(URL)
    world.serve(entry(SERIAL), number=10, more=more)
    world.serve(entry(1), url=DELTA, number=11, base=10)
    world.server.urls()
    while world.status(DELTA).number != 11:
        world.go(1)
    assert world.told(path) == "revoked"
    world.go(2)
    assert world.server.urls() == [DELTA, URL]
    world.server.answer(URL)
    assert [own.described.number for own in world.sources.table.lists] == [10, 11]
    assert world.told(path) == "revoked"


def test_deltas_that_a_certificate_names(world: World) -> None:
    world.serve(number=5)
    world.serve(entry(SERIAL), url=DELTA, number=6, base=5)
    world.start()
    path = world.path(URL, more=[freshest("ldap://x/", DELTA)])
    assert freshest_urls(path.certificates[0]) == (DELTA,)
    assert result(world.ensure(path)) is None
    assert world.told(path) == "revoked"


def test_a_delta_that_fails_keeps_nobody_waiting_again(world: World) -> None:
    world.serve(number=5, more=[deltas_at(DELTA)])
    world.start()
    path = world.path(URL)
    assert result(world.ensure(path)) is None
    world.server.hanging.add(DELTA)
    world.go(20)
    assert result(world.ensure(path)) is None


# -- CAs that only clients know ----------------------------------------------------------------------------


class Hidden(World):
    """The configuration knows the root alone."""

    def __init__(self, directory: Path, **policy: Any) -> None:
        super().__init__(directory, **policy)
        self.intermediates = ()


@pytest.mark.parametrize("kind", ["file", "url"])
def test_a_ca_that_a_client_shows_may_sign(tmp_path: Path, kind: str) -> None:
    """What was refused for want of it is tried again."""
    file = tmp_path / "ca.crl"
    world = Hidden(tmp_path, **({"crl_files": (str(file),)} if kind == "file" else {"crl_urls": (URL,)}))
    world.serve(entry(SERIAL))
    file.write_bytes(world.server.bodies[URL])
    world.start()
    assert str(world.sources.status()[0].error).startswith("crl.issuer: CN=Intermediate")
    assert world.told() == "crl.none"
    result(world.ensure(world.path()))
    assert world.told() == "revoked"
    assert world.names() == ["source.failed", "crl.updated", "source.recovered"]


def test_a_ca_with_a_new_key(tmp_path: Path) -> None:
    """Its list is signed with a key that only the clients of the new certificate show."""
    world = World(tmp_path, crl_urls=(URL,))
    new = world.ca("Intermediate", world.root, role="the new key")
    world.server.bodies[URL] = crl_of(new, entry(SERIAL)).der()
    world.start()
    assert str(world.status().error).startswith("crl.signature")
    path = path_of(world.leaf(new, serial=SERIAL).leaf, new.der, world.root.der)
    assert result(world.ensure(path)) is None
    assert world.told(path) == "revoked"


def test_a_ca_that_is_shown_while_its_list_is_read(tmp_path: Path) -> None:
    world = Hidden(tmp_path, crl_urls=(URL,))
    world.serve(entry(SERIAL))
    world.server.hanging.add(URL)
    pending: list[tuple[Any, Deferred[Any]]] = []

    def in_thread(work: Any) -> Deferred[Any]:
        pending.append((work, Deferred()))
        return pending[-1][1]

    world.start()
    world.sources._loads.in_thread = in_thread
    world.server.answer(URL)
    work, done = pending.pop()
    found = work()
    world.sources.note(world.path())
    done.callback(found)
    assert str(world.status().error).startswith("crl.issuer")
    while pending:
        work, done = pending.pop()
        done.callback(work())
    assert world.told() == "revoked"


def test_another_ca_changes_nothing(tmp_path: Path) -> None:
    world = Hidden(tmp_path, crl_urls=(URL,))
    world.serve()
    world.start()
    other = world.ca("Other", world.root)
    leaf = world.leaf(other, serial=1)
    world.sources.note(path_of(leaf.leaf, other.der, world.root.der))
    assert world.server.urls() == [URL]


def test_a_ca_that_clients_know_is_known_after_a_restart(tmp_path: Path) -> None:
    world = Hidden(tmp_path, crl_urls=(URL,))
    world.serve(entry(SERIAL))
    world.start()
    result(world.ensure(world.path()))
    world.server.bodies.clear()
    world.restart()
    assert world.told() == "revoked"


def test_only_while_its_path_is_good(tmp_path: Path) -> None:
    """What is kept of a signer is verified again."""
    world = Hidden(tmp_path, crl_urls=(URL,))
    world.serve(entry(SERIAL), next_update=NOW + 700 * DAY)
    world.start()
    result(world.ensure(world.path()))
    world.wall += 500 * DAY
    world.server.bodies.clear()
    world.restart()
    assert world.told() != "revoked"


# -- bounds ------------------------------------------------------------------------------------------------


def test_no_more_than_so_many_are_kept(world: World) -> None:
    """Those that were of use longest ago go first, from the disk too."""
    world.limits = CrlLimits(learned=3)
    authorities = [world.ca(f"CA {number}", world.root) for number in range(5)]
    urls = [f"http://crl.example/{number}" for number in range(5)]
    for authority, url in zip(authorities, urls, strict=True):
        world.server.bodies[url] = crl_of(authority).der()
    world.start()
    paths = [_named(world, *own) for own in zip(authorities, urls, strict=True)]
    for path in paths[:3]:
        assert result(world.ensure(path)) is None
    world.go(1)
    world.sources.note(paths[0])
    for path in paths[3:]:
        assert result(world.ensure(path)) is None
    assert [own.source for own in world.sources.status()] == [urls[0], urls[3], urls[4]]
    assert [world.told(path) for path in paths] == ["good", "crl.none", "crl.none", "good", "good"]
    assert len(world.directory.names()) == 3
    assert result(world.ensure(paths[1])) is None


def test_learned_lists_are_bounded_together(world: World) -> None:
    urls = [f"http://crl.example/{number}" for number in range(4)]
    many = [entry(serial) for serial in range(10_000, 10_100)]
    authorities = [world.ca(f"CA {number}", world.root) for number in range(4)]
    for authority, url in zip(authorities, urls, strict=True):
        world.server.bodies[url] = crl_of(authority, *many).der()
    world.limits = CrlLimits(total_bytes=3 * len(world.server.bodies[urls[0]]) + 20)
    world.start()
    for own in zip(authorities, urls, strict=True):
        assert result(world.ensure(_named(world, *own))) is None
        world.go(1)
    assert [own.source for own in world.sources.status()] == urls[1:]


def test_no_room_where_all_are_waited_for(world: World) -> None:
    world.limits = CrlLimits(learned=1)
    world.server.hanging |= {URL, OTHER}
    world.start()
    waiting = results(world.ensure(world.path(URL)))
    assert result(world.ensure(world.path(OTHER))) is None
    assert world.told() == "crl.none"
    assert waiting == []


def test_what_nobody_needs_goes(world: World) -> None:
    world.pace = Pace(idle=2 * DAY)
    other = world.ca("Other", world.root)
    world.serve()
    world.server.bodies[OTHER] = crl_of(other).der()
    world.start()
    used, unused = world.path(URL), _named(world, other, OTHER)
    assert [result(world.ensure(path)) for path in (used, unused)] == [None, None]
    assert [own.source for own in world.sources.status()] == [URL, OTHER]
    assert world.told(unused) == "good"
    for _ in range(5):
        world.age(world.wall + timedelta(hours=12))
        world.sources.note(used)
    assert [own.source for own in world.sources.status()] == [URL]
    assert (world.told(used), world.told(unused)) == ("good", "crl.none")
    assert len(world.directory.names()) == 1


def test_signers_and_certificates_are_bounded(world: World) -> None:
    world.limits = CrlLimits(signers=2, certificates=2)
    world.start()
    for number in range(4):
        authority = world.ca(f"CA {number}", world.root)
        world.sources.note(path_of(world.leaf(authority).leaf, authority.der, world.root.der))
    assert len(world.sources._book.signers) == 2
    assert len(world.sources._book.seen) == 2


def test_few_are_fetched_at_once_and_fewer_of_one_host(world: World) -> None:
    world.limits = CrlLimits(at_once=3, at_once_of_host=2)
    urls = [f"http://{host}.example/{number}" for host in "ab" for number in range(3)]
    world.server.hanging |= set(urls)
    world.start()
    waiting = results(world.ensure(world.path(*urls)))
    assert world.server.urls() == [urls[0], urls[1], urls[3]]
    world.serve(url=urls[0])
    world.server.answer(urls[0])
    assert waiting == [None]
    assert world.server.urls() == [urls[2]]


def _named(world: World, authority: Authority, url: str) -> CertificatePath:
    more = named_by(url)
    leaf = world.leaf(authority, serial=SERIAL, more=more)
    return path_of(leaf.leaf, authority.der, world.root.der)
