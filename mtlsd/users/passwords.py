"""Hashes of passwords, as PHC strings: argon2id (RFC 9106) is made, scrypt (RFC 7914) is read too."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Self

import attrs
from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from mtlsd.clients.secret import SecretHash
from mtlsd.jose import b64

# RFC 9106 section 4, the second recommended option: 64 MiB, and some 150 ms of one core
_ITERATIONS: Final = 3
_LANES: Final = 4
_MEMORY_KIB: Final = 65_536
_SALT_BYTES: Final = 16
_LENGTH: Final = 32

# What another program may have chosen: not so little that it is no protection, nor so much that it stops us
_ARGON2ID = re.compile(
    r"\$argon2id\$v=19\$m=([1-9][0-9]{3,6}),t=([1-9][0-9]?),p=([1-9][0-9]?)"
    r"\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,86}"
)
_MEMORY_BOUNDS = range(8_192, 1_048_577)


@attrs.frozen
class PasswordHash:
    """The hash of one password.

    :ivar text: as it stands in the users file.
    """

    text: str = attrs.field(repr=False)
    _scrypt: SecretHash | None = attrs.field(default=None, repr=False)

    @classmethod
    def from_password(cls, password: str, random_bytes: Callable[[int], bytes]) -> Self:
        """Hash a password that was prepared. It takes some 150 ms and 64 MiB."""
        argon2id = Argon2id(
            salt=random_bytes(_SALT_BYTES),
            length=_LENGTH,
            iterations=_ITERATIONS,
            lanes=_LANES,
            memory_cost=_MEMORY_KIB,
        )
        return cls(argon2id.derive_phc_encoded(_octets(password)))

    @classmethod
    def of_nobody(cls, random_bytes: Callable[[int], bytes]) -> Self:
        """A hash that no password has, as dear to check as those that :meth:`from_password` makes."""
        salt, digest = (_unpadded(random_bytes(length)) for length in (_SALT_BYTES, _LENGTH))
        return cls(f"$argon2id$v=19$m={_MEMORY_KIB},t={_ITERATIONS},p={_LANES}${salt}${digest}")

    @classmethod
    def from_string(cls, text: str) -> Self:
        """:raises ValueError: it is neither an argon2id nor an scrypt hash, or a cost is out of bounds."""
        if text.startswith("$scrypt$"):
            return cls(text, SecretHash.from_string(text))
        match = _ARGON2ID.fullmatch(text)
        if match is None or int(match[1]) not in _MEMORY_BOUNDS:
            raise ValueError("is no hash of a password: $argon2id$v=19$m=65536,t=3,p=4$salt$hash")
        return cls(text)

    def matches(self, password: str) -> bool:
        """Whether this is the password. Blocks for as long as hashing takes; run it in a thread."""
        if self._scrypt is not None:
            return self._scrypt.matches(password)
        try:
            Argon2id.verify_phc_encoded(_octets(password), self.text)
        except InvalidKey:
            return False
        return True


def _unpadded(octets: bytes) -> str:
    return b64.encode_standard(octets).rstrip("=")


def _octets(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
