"""Client secrets are kept as hashes alone."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlsd.clients.secret import LONGEST_SECRET, SecretHash, new_secret

SECRET = "correct horse battery staple"
HASH = SecretHash.from_secret(SECRET, os.urandom)


def test_round_trip() -> None:
    assert SecretHash.from_string(HASH.to_string()) == HASH
    assert HASH.matches(SECRET)
    assert not HASH.matches(SECRET + " ")
    assert not HASH.matches("")
    assert not HASH.matches("\ud800")
    assert not HASH.matches("x" * (LONGEST_SECRET + 1))


def test_two_hashes_of_one_secret_differ() -> None:
    assert SecretHash.from_secret(SECRET, os.urandom) != HASH


def test_nothing_of_it_is_shown() -> None:
    assert HASH.to_string()[-43:] not in repr(HASH)
    assert repr(HASH.digest)[2:12] not in repr(HASH)


def test_a_new_secret_needs_no_encoding() -> None:
    secret = new_secret(os.urandom)
    assert len(secret) == 43
    assert set(secret) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize(
    "text",
    [
        "",
        SECRET,
        HASH.to_string().replace("ln=14", "ln=20"),
        HASH.to_string().replace("ln=14", "ln=10"),
        HASH.to_string().replace("r=8", "r=800"),
        HASH.to_string().replace("scrypt", "argon2id"),
        HASH.to_string() + "A",
        HASH.to_string()[:-1],
        HASH.to_string() + "\n",
    ],
    ids=range(9),  # the salt is another one in each process
)
def test_a_hash_whose_cost_is_not_ours_is_refused(text: str) -> None:
    """What one guess costs is bounded."""
    with pytest.raises(ValueError, match=r"scrypt|stray"):
        SecretHash.from_string(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(ValueError, match="scrypt"):
        SecretHash.from_string(text)
