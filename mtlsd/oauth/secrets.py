"""Checking client secrets without giving guessers our time (RFC 6749 section 2.3.1)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Self

import attrs

from mtlsd import reasons
from mtlsd.clients.secret import SecretHash
from mtlsd.errors import Refusal

Run = Callable[[Callable[[], bool]], Awaitable[bool]]
"""Runs what takes 50 ms of a core somewhere where nobody waits for it: in a thread."""


async def in_place(work: Callable[[], bool]) -> bool:
    """For tests and embedders that do not mind."""
    return work()


@attrs.define(eq=False)
class SecretChecker:
    """Compares secrets with their hashes.

    A client that sends its secret with every request costs one scrypt, once: that it was right is remembered
    until this object goes, by a digest under a key of its own. A wrong secret is never remembered, and one of
    a client that there is not costs as much as one of a client that there is.

    :ivar run: where the hash is computed.
    :ivar most_waiting: how many may be computed or wait at a time; more are refused at once.
    """

    run: Run
    _decoy: SecretHash = attrs.field(repr=False)
    _key: bytes = attrs.field(repr=False)
    most_waiting: int = 32
    max_remembered: int = 10_000
    _waiting: int = attrs.field(default=0, init=False)
    _right: dict[bytes, None] = attrs.field(factory=dict, init=False, repr=False)

    @classmethod
    def make(cls, run: Run, random_bytes: Callable[[int], bytes]) -> Self:
        """:param random_bytes: unguessable, as many as asked for."""
        return cls(run, SecretHash.decoy(random_bytes), random_bytes(32))

    async def is_right(self, secret: str, hashed: SecretHash | None) -> bool:
        """Whether it is the secret.

        :param hashed: None where there is no such client: then it takes as long, and is wrong.
        :raises Refusal: `client.busy`
        """
        digest = self._digest(secret, hashed or self._decoy)
        if digest in self._right:
            return True
        if self._waiting >= self.most_waiting:
            raise Refusal(reasons.CLIENT_BUSY, {"waiting": self._waiting})
        self._waiting += 1
        try:
            right = await self.run(lambda: (hashed or self._decoy).matches(secret)) and hashed is not None
        finally:
            self._waiting -= 1
        if right:
            self._remember(digest)
        return right

    def _digest(self, secret: str, hashed: SecretHash) -> bytes:
        text = f"{hashed.to_string()}\0{secret}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, text, hashlib.sha256)

    def _remember(self, digest: bytes) -> None:
        if len(self._right) >= self.max_remembered:
            del self._right[next(iter(self._right))]
        self._right[digest] = None
