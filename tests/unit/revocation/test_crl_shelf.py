"""mtlsd.revocation.crl_shelf: each list once, for whoever has it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mtlsd.pki.crl_issuer import read_list
from mtlsd.pki.path import Path
from mtlsd.revocation.crl_reading import ReadList
from mtlsd.revocation.crl_shelf import Shelf
from tests.pki import NOW, Pki
from tests.pki.crls import crl_of, path_of

DAY = timedelta(days=1)
PKI = Pki()
SIGNERS: tuple[Path, ...] = (path_of(PKI.root.der), path_of(PKI.intermediate.der, PKI.root.der))


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def read(authority: Any = PKI.intermediate, **how: Any) -> ReadList:
    der = crl_of(authority, **how).der()
    return ReadList(read_list(der, SIGNERS, NOW, name="list"), der, len(der))


def numbers(shelf: Shelf) -> list[int | None]:
    return [own.described.number for own in shelf.table().lists]


def test_a_list_stays_while_any_source_has_it(shelf: Shelf) -> None:
    own = read()
    assert [shelf.offer("a", own), shelf.offer("b", own), shelf.offer("c", read(number=4))] == [
        "new",
        "same",
        "older",
    ]
    assert shelf.octets == own.octets
    assert [shelf.release("a"), shelf.release("b")] == [False, False]
    assert (shelf.of("c"), numbers(shelf)) == ((own,), [5])
    assert shelf.release("c")
    assert numbers(shelf) == []


def test_what_a_source_has_no_more_stays_until_it_has_run_out(shelf: Shelf) -> None:
    """Its issuer may have another key, or have cut its list into pieces."""
    old, new = read(), read(PKI.root)
    shelf.offer("a", old)
    shelf.offer("a", new)
    end = old.own.described.next_update
    assert not shelf.outlived("a", [new], end, DAY)
    assert not shelf.outlived("a", [new], end + DAY, DAY)
    assert not shelf.outlived("b", [new], end + 2 * DAY, DAY), "it is not that source's"
    assert not shelf.outlived("a", [new, old], end + 2 * DAY, DAY)
    assert shelf.outlived("a", [new], end + DAY + timedelta(seconds=1), DAY)
    assert shelf.of("a") == (new,)


def test_a_delta_waits_for_its_list(shelf: Shelf) -> None:
    shelf.offer("a", read(number=5))
    shelf.offer("d", read(number=6, base=5))
    assert (numbers(shelf), shelf.behind()) == ([5, 6], frozenset())
    for number in (21, 22):
        shelf.offer("d", read(number=number, base=20))
        assert (numbers(shelf), list(shelf.behind())) == ([5, 6], ["a"])
    shelf.offer("a", read(number=20))
    assert (numbers(shelf), shelf.behind()) == ([20, 22], frozenset())


def test_a_delta_alone(shelf: Shelf) -> None:
    shelf.offer("d", read(number=6, base=5))
    assert (numbers(shelf), shelf.behind()) == ([6], frozenset())
    shelf.offer("d", read(number=8, base=7))
    assert numbers(shelf) == [8]
