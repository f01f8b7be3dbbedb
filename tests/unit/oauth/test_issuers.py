"""The intermediate CAs of clients, as they came."""

from __future__ import annotations

from mtlsd.oauth.issuers import IssuersSeen
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.path import Path
from tests.pki import NOW, Pki

REAL = Pki(NOW)


def path(*ders: bytes) -> Path:
    return Path(tuple(map(Certificate.from_der, ders)))


def test_what_stands_above() -> None:
    """Those between the certificate and the anchor, the anchor left out."""
    seen = IssuersSeen()
    first = REAL.ca("first", REAL.root)
    second = REAL.ca("second", first)
    leaf = Certificate.from_der(REAL.leaf(second).leaf)
    assert seen.above(leaf) == ()
    seen.note([path(leaf.der, second.der, first.der, REAL.root.der)])
    assert seen.above(leaf) == (second.der, first.der)
    assert seen.above(Certificate.from_der(first.der)) == ()
    assert seen.above(Certificate.from_der(REAL.leaf(first).leaf)) == (first.der,)


def test_there_is_a_bound() -> None:
    """For the namesakes of one CA, which whoever is a CA could make at will, and for all."""
    seen = IssuersSeen()
    leaf = None
    for _ in range(10):
        issuer = REAL.ca("same", REAL.root)
        leaf = Certificate.from_der(REAL.leaf(issuer).leaf)
        seen.note([path(leaf.der, issuer.der, REAL.root.der)])
    assert leaf is not None
    found = seen.above(leaf)
    assert len(found) == 4
    assert issuer.der in found
