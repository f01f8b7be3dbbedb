"""Hashes of passwords, and how passwords and names are written."""

from __future__ import annotations

import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mtlsd.clients.secret import SecretHash
from mtlsd.users.names import check_name, check_password, prepared_password
from mtlsd.users.passwords import PasswordHash
from tests.unit.users.hashes import cheap


def test_argon2id() -> None:
    hashed = PasswordHash.from_password("correct horse", os.urandom)
    assert hashed.text.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    again = PasswordHash.from_string(hashed.text)
    assert again == hashed
    assert (again.matches("correct horse"), again.matches("correct horsf")) == (True, False)
    assert hashed.text not in repr(hashed)


def test_nobodys_hash_costs_as_much() -> None:
    nobody = PasswordHash.from_string(PasswordHash.of_nobody(os.urandom).text)
    assert nobody.text.split("$")[:4] == PasswordHash.from_password("x", os.urandom).text.split("$")[:4]
    assert not nobody.matches("")


def test_scrypt_is_read() -> None:
    hashed = PasswordHash.from_string(SecretHash.from_secret("correct horse", os.urandom).to_string())
    assert (hashed.matches("correct horse"), hashed.matches("")) == (True, False)


@pytest.mark.parametrize("text", ["", "$", "$scrypt$", "$argon2i$v=19$m=65536,t=3,p=4$c2Fs$aGFzaA"])
@pytest.mark.parametrize("more", ["", "$"])
def test_no_hashes(text: str, more: str) -> None:
    with pytest.raises(ValueError, match="hash"):
        PasswordHash.from_string(text + more)


@pytest.mark.parametrize(("old", "new"), [("m=8192", "m=8191"), ("m=8192", "m=9999999"), ("t=1", "t=100")])
def test_costs_are_bounded(old: str, new: str) -> None:
    """Neither a hash that is no protection, nor one whose check would stop the machine."""
    text = cheap("password").text
    assert old in text
    with pytest.raises(ValueError, match="no hash"):
        PasswordHash.from_string(text.replace(old, new))


def test_one_password_on_every_keyboard() -> None:
    assert prepared_password("caf\u00e9") == prepared_password("cafe\u0301")
    assert prepared_password(" Ab ") == " Ab "


@pytest.mark.parametrize("password", ["", "1234567", "x" * 257, "12345678\n", "12345678\x00"])
def test_passwords_that_nobody_may_choose(password: str) -> None:
    with pytest.raises(ValueError, match="password has"):
        check_password(password)


@given(st.text())
@example("alice\n")
@example("a:b")
@example("#a")
def test_names(name: str) -> None:
    """Whatever is a name means nothing else in a file, on a page or in a log."""
    try:
        check_name(name)
    except ValueError:
        return
    assert name.isascii()
    assert name.isprintable()
    assert not set(name) & set(":#\"'<>& ")
