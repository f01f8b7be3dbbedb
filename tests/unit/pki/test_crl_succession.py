"""Which list follows which: never an older one, and nothing vanishes unseen."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mtlsd.pki.crl_issuer import RevocationList, read_list
from mtlsd.pki.crl_succession import Dropped, dropped_serials, released, supersedes
from tests.pki import NOW, Pki
from tests.pki.crls import Crl, crl_of, directory_name, entry, path_of, scope
from tests.pki.maker import dn

PKI = Pki()
DAY = timedelta(days=1)
A, B = directory_name(dn(CN="A")), directory_name(dn(CN="B"))


def read(crl: Crl) -> RevocationList:
    signers = [path_of(PKI.root.der), path_of(PKI.intermediate.der, PKI.root.der)]
    return read_list(crl.der(), signers, NOW, name="list")


def of_root(*entries: bytes, number: int | None = 5, age: int = 1, **how: object) -> Crl:
    return crl_of(PKI.root, *entries, number=number, this_update=NOW - age * DAY, **how)


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (of_root(number=6, age=0), True),
        (of_root(), True),
        (of_root(number=4, age=0), False),
        (of_root(number=6, age=2), False),
        (of_root(number=None, age=0), False),
        (of_root(number=6, age=0, more=[scope(only=1)]), False),
        (of_root(number=6, age=0, base=5), False),
        (crl_of(PKI.intermediate, number=6, this_update=NOW), False),
    ],
    ids=["newer", "equal", "lower number", "older", "no number", "scope", "delta", "issuer"],
)
def test_supersedes(new: Crl, expected: bool) -> None:
    """Attack 20: an older list that is replayed does not replace a newer one."""
    assert supersedes(read(of_root()), read(new)) is expected


def test_without_numbers_the_time_decides() -> None:
    old = read(of_root(number=None))
    assert supersedes(old, read(of_root(number=None, age=0)))
    assert supersedes(old, read(of_root(number=1, age=0)))
    assert not supersedes(old, read(of_root(number=None, age=2)))


def test_dropped_serials() -> None:
    """But not those on hold, whose release is meant."""
    old = read(of_root(*(entry(number, 1) for number in range(20)), entry(30, 6)))
    new = read(of_root(*(entry(number, 1) for number in range(0, 20, 2)), number=6))
    assert dropped_serials(old, new) == Dropped(10, (1, 3, 5, 7, 9, 11, 13, 15, 17, 19))
    assert dropped_serials(old, new, most=2) == Dropped(10, (1, 3))
    assert dropped_serials(new, old) == Dropped(0, ())
    assert dropped_serials(old, read(of_root())).count == 20


def test_dropped_serials_of_indirect_lists() -> None:
    """Issuers are told apart by their names, in whatever order they come."""
    indirect = [scope(indirect=True)]
    old = read(of_root(entry(9), entry(1, issuer=A), entry(2, issuer=B), more=indirect))
    same = read(of_root(entry(9), entry(2, issuer=B), entry(1, issuer=A), more=indirect))
    swapped = read(of_root(entry(9), entry(1, issuer=B), entry(2, issuer=A), more=indirect))
    assert dropped_serials(old, same) == Dropped(0, ())
    assert dropped_serials(old, swapped) == Dropped(2, (1, 2))


def test_released() -> None:
    old = read(of_root(entry(1), entry(2), entry(3, 6)))
    new = read(of_root(entry(1), number=6))
    assert released(old, new, [1, 2, 3, 4]) == (2,)
