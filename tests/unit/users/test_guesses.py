"""How fast passwords can be guessed, and how little guessing can do to a user."""

from __future__ import annotations

import pytest

from mtlsd.oauth.pace import place_of
from mtlsd.users.guesses import ADDRESS, USER, Guesses, Table

HOME, BAD = "192.0.2.1", "198.51.100.66"


def guess(guesses: Guesses, user: str, address: str, now: float) -> bool:
    """Whether the guess was taken; it is wrong."""
    if guesses.wait_seconds(user, address, now) > 0:
        return False
    guesses.began(user, address, now)
    return True


def taken(guesses: Guesses, user: str, address: str, seconds: int, each: int = 1) -> int:
    """How many guesses are taken of somebody who tries all the time."""
    return sum(guess(guesses, user, address, now) for now in range(seconds) for _ in range(each))


def test_many_at_once_are_no_way_around() -> None:
    """All of them begin before the first is known to be wrong."""
    assert taken(Guesses(), "alice", BAD, 1, each=1000) == USER.free


def test_an_address_that_tries_many_users() -> None:
    guesses = Guesses()
    assert sum(guess(guesses, f"user{number}", BAD, 0.0) for number in range(1000)) == ADDRESS.free


def test_the_wait_doubles_and_ends() -> None:
    waits = [ADDRESS.wait_seconds(number) for number in range(ADDRESS.free + 12)]
    assert waits[: ADDRESS.free] == [0.0] * ADDRESS.free
    assert waits[ADDRESS.free :] == [*(2.0**number for number in range(10)), 900.0, 900.0]


def test_a_day_of_guesses_from_one_address() -> None:
    """In the long run one a minute, so that an office behind one address is not locked out for its typos."""
    assert taken(Guesses(), "alice", BAD, 86_400) < 1600


def test_a_user_is_never_locked_out_for_long() -> None:
    """However many guess from however many places: half a minute."""
    guesses = Guesses()
    for number in range(100_000):
        guesses.began("alice", f"203.0.{number % 100}.{number % 250}", 0.0)
    assert 0 < guesses.wait_seconds("alice", HOME, 0.0) <= 30.0


def test_a_user_at_home_does_not_wait_for_what_others_do() -> None:
    guesses = Guesses()
    guesses.began("alice", HOME, 0.0)
    guesses.right("alice", HOME)
    for _ in range(50):
        guesses.began("alice", BAD, 1.0)
    assert guesses.wait_seconds("alice", HOME, 1.0) == 0
    assert guesses.wait_seconds("alice", "192.0.2.2", 1.0) > 0
    assert guesses.wait_seconds("alice", BAD, 1.0) > 0


def test_an_account_of_ones_own_gives_no_further_guesses() -> None:
    guesses, wrong = Guesses(), 0
    for _ in range(100):
        wrong += guess(guesses, "alice", BAD, 0.0)
        if guess(guesses, "mallory", BAD, 0.0):
            guesses.right("mallory", BAD)
    assert wrong <= ADDRESS.free


def test_tables_are_bounded() -> None:
    guesses = Guesses(Table(ADDRESS, most=10), Table(USER, most=10))
    for number in range(100):
        guesses.began(f"user{number}", f"192.0.2.{number}", 0.0)
        guesses.right(f"user{number}", f"192.0.2.{number}")
    assert (len(guesses.addresses), len(guesses.users), len(guesses._at_home)) == (10, 10, 10)


def test_a_flood_makes_nobody_wait() -> None:
    guesses = Guesses(Table(ADDRESS, most=10), Table(USER, most=10))
    for number in range(1000):
        guesses.began(f"user{number}", f"192.0.2.{number}", 0.0)
    assert guesses.wait_seconds("alice", HOME, 0.0) == 0


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_what_one_person_has(address: str, place: str) -> None:
    assert place_of(address) == place
