"""Hashes that take no time: with the least that is read at all."""

from __future__ import annotations

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from mtlsd.users.passwords import PasswordHash


def cheap(password: str, salt: bytes = b"0123456789abcdef") -> PasswordHash:
    argon2id = Argon2id(salt=salt, length=32, iterations=1, lanes=1, memory_cost=8192)
    return PasswordHash.from_string(argon2id.derive_phc_encoded(password.encode()))
