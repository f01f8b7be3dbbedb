"""Client secrets: never kept, only a hash that is dear to compute (scrypt, RFC 7914)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Self

import attrs
from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from mtlsd.jose import b64

SECRET_BYTES: Final = 32
LONGEST_SECRET: Final = 256
"""In characters; what is longer is refused unread."""

# 16 MiB and some 50 ms of one core. The bounds keep what one guess costs us within a factor of two.
_LN: Final = 14
_LEAST_LN, _MOST_LN = 13, 15
_R: Final = 8
_SALT_BYTES: Final = 16
_LENGTH: Final = 32
_PHC = re.compile(r"\$scrypt\$ln=(1[0-9]),r=8,p=1\$([A-Za-z0-9+/]{22,43})\$([A-Za-z0-9+/]{43})")


@attrs.frozen
class SecretHash:
    """The hash of a client secret, in the PHC string format: `$scrypt$ln=14,r=8,p=1$salt$hash`.

    :ivar ln: the cost, as a power of two.
    """

    ln: int
    salt: bytes = attrs.field(repr=False)
    digest: bytes = attrs.field(repr=False)

    @classmethod
    def from_secret(cls, secret: str, random_bytes: Callable[[int], bytes]) -> Self:
        """Hash a secret."""
        salt = random_bytes(_SALT_BYTES)
        return cls(_LN, salt, _scrypt(_LN, salt).derive(secret.encode("utf-8")))

    @classmethod
    def decoy(cls, random_bytes: Callable[[int], bytes]) -> Self:
        """The hash of nothing: to compare with it costs as much as with any other one."""
        return cls(_LN, random_bytes(_SALT_BYTES), random_bytes(_LENGTH))

    @classmethod
    def from_string(cls, text: str) -> Self:
        """:raises ValueError: for everything that :meth:`to_string` does not write."""
        match = _PHC.fullmatch(text)
        if match is None or not _LEAST_LN <= int(match[1]) <= _MOST_LN:
            raise ValueError(f"is not $scrypt$ln={_LN},r={_R},p=1$salt$hash, in base64 without padding")
        salt, digest = (b64.decode_standard(part + "=" * (-len(part) % 4)) for part in (match[2], match[3]))
        return cls(int(match[1]), salt, digest)

    def to_string(self) -> str:
        salt, digest = (b64.encode_standard(part).rstrip("=") for part in (self.salt, self.digest))
        return f"$scrypt$ln={self.ln},r={_R},p=1${salt}${digest}"

    def matches(self, secret: str) -> bool:
        """Whether this is the secret. It takes some 50 ms, and compares in constant time."""
        if len(secret) > LONGEST_SECRET:
            return False
        try:
            _scrypt(self.ln, self.salt).verify(secret.encode("utf-8", "replace"), self.digest)
        except InvalidKey:
            return False
        return True


def new_secret(random_bytes: Callable[[int], bytes]) -> str:
    """A secret that nobody guesses: 256 bits, base64url, so that no client has to encode it."""
    return b64.encode_text(random_bytes(SECRET_BYTES))


def _scrypt(ln: int, salt: bytes) -> Scrypt:
    return Scrypt(salt=salt, length=_LENGTH, n=2**ln, r=_R, p=1)
