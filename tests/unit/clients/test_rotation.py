"""Where a client stands in its rotation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from mtlsd.clients.rotation import KnownCertificate, rotation_of
from mtlsd.clients.sightings import Sighting
from mtlsd.pki.certificate import Certificate
from tests.pki import NOW, Pki, dn

PKI = Pki(NOW)
OLD, NEW, NEWEST, GONE = (
    Certificate.from_der(PKI.self_signed(name, dn(CN=name), valid=PKI.valid(begin, end)).leaf)
    for name, begin, end in (("old", -100, 30), ("new", -10, 200), ("newest", -1, 400), ("gone", -300, -1))
)


def sighting(certificate: Certificate, first: float, last: float) -> Sighting:
    """:param first: how many hours ago; `last` likewise."""
    at: list[datetime] = [NOW - timedelta(hours=own) for own in (first, last)]
    times = certificate.not_before, certificate.not_after
    return Sighting("a", certificate.x5t_s256, certificate.subject.to_string(), *times, *at)


def shown(found: Sequence[KnownCertificate]) -> list[tuple[str, str, str]]:
    return [(own.subject.removeprefix("CN="), own.origin, own.standing) for own in found]


def test_nothing_is_known() -> None:
    assert rotation_of((), "registered", (), NOW) == ()


def test_before_it_was_seen() -> None:
    """The one that has been valid for longest is in use, and the other will follow."""
    found = rotation_of([NEW, OLD], "registered", (), NOW)
    assert shown(found) == [("old", "registered", "current"), ("new", "registered", "next")]
    assert (found[0].first_seen_at, found[0].last_seen_at) == (None, None)


def test_a_rotation() -> None:
    """Old alone; old and new; new is used; old is taken away."""
    before = rotation_of([OLD], "published", [sighting(OLD, 900, 1)], NOW)
    assert shown(before) == [("old", "published", "current")]
    both = rotation_of([OLD, NEW], "published", [sighting(OLD, 900, 1)], NOW)
    assert shown(both) == [("old", "published", "current"), ("new", "published", "next")]
    used = rotation_of([OLD, NEW], "published", [sighting(OLD, 900, 2), sighting(NEW, 1, 0)], NOW)
    assert shown(used) == [("new", "published", "current"), ("old", "published", "")]
    assert used[0].first_seen_at == NOW - timedelta(hours=1)
    after = rotation_of([NEW], "published", [sighting(OLD, 900, 2), sighting(NEW, 1, 0)], NOW)
    assert shown(after) == [("new", "published", "current"), ("old", "seen", "")]


def test_a_certificate_that_is_no_longer_pinned_is_not_current() -> None:
    """However lately it was seen."""
    found = rotation_of([NEW], "published", [sighting(OLD, 9, 0), sighting(NEW, 5, 4)], NOW)
    assert shown(found)[0] == ("new", "published", "current")


def test_of_several_the_last_is_next() -> None:
    found = rotation_of([OLD, NEW, NEWEST], "registered", [sighting(OLD, 9, 0)], NOW)
    assert shown(found)[1] == ("newest", "registered", "next")


def test_a_client_that_is_known_by_its_name() -> None:
    """R9: its CA renews the certificate, and nobody registers anything."""
    found = rotation_of((), "registered", [sighting(OLD, 900, 5), sighting(NEW, 4, 0)], NOW)
    assert shown(found) == [("new", "seen", "current"), ("old", "seen", "")]


def test_an_expired_one_is_shown_as_such() -> None:
    found = rotation_of([GONE, NEW], "registered", [sighting(GONE, 900, 30)], NOW)
    assert shown(found) == [("new", "registered", "current"), ("gone", "registered", "expired")]
