"""The keys that sign tokens, and when each of them is used and published.

========  ===========  ============================  ===================================================
state     signs        in the JWKS                   leaves the state
========  ===========  ============================  ===================================================
next      no           yes: resource servers learn   at a rotation: becomes active
                       it before it signs            (or is replaced when another algorithm is configured)
active    every token  yes                           at a rotation, or when a key is imported: becomes
                                                     retiring
retiring  no           yes, until ``until_at``       at ``until_at``: gone; the first rotation after that
                                                     forgets it
========  ===========  ============================  ===================================================

A key is retired for as long as a token that it signed may live. Another algorithm comes with the next key:
the rotation after that makes it the one that signs.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import attrs

from mtlsd.jose.jwk import public_jwk
from mtlsd.jose.signer import Signer


def _aware(_: object, attribute: attrs.Attribute[datetime], value: datetime) -> None:
    if value.tzinfo is None:
        raise ValueError(f"{attribute.name} has no time zone")


@attrs.frozen
class SigningKey:
    """One key of a keyring.

    :ivar created_at: when it was made or imported, aware UTC.
    """

    signer: Signer
    created_at: datetime = attrs.field(validator=_aware)

    @property
    def kid(self) -> str:
        """The RFC 7638 thumbprint."""
        return self.signer.kid


@attrs.frozen
class RetiringKey:
    """A key that signs no more but still verifies.

    :ivar until_at: when the last token that it signed has ended, aware UTC.
    """

    key: SigningKey
    until_at: datetime = attrs.field(validator=_aware)


@attrs.frozen
class Keyring:
    """The keys of one issuer; the module's table tells the states.

    :raises ValueError: when one key is there twice.
    """

    next: SigningKey
    active: SigningKey
    retiring: tuple[RetiringKey, ...] = ()

    def __attrs_post_init__(self) -> None:
        kids = [key.kid for key in self.keys]
        if len(set(kids)) != len(kids):
            raise ValueError("one key is in the keyring twice")

    @property
    def keys(self) -> tuple[SigningKey, ...]:
        """All keys: the active one first, as some resource servers try the first one."""
        return (self.active, self.next, *(retiring.key for retiring in self.retiring))

    @property
    def signer(self) -> Signer:
        """What signs tokens now."""
        return self.active.signer

    def rotate(self, now: datetime, fresh: SigningKey, retire_for: timedelta) -> Keyring:
        """active becomes retiring until ``now + retire_for``, next becomes active, ``fresh`` becomes next."""
        return Keyring(fresh, self.next, self._retire_active(now, retire_for))

    def replace_active(self, now: datetime, key: SigningKey, retire_for: timedelta) -> Keyring:
        """``key`` signs from now on though nobody knew of it before; next stays."""
        return Keyring(self.next, key, self._retire_active(now, retire_for))

    def replace_next(self, fresh: SigningKey) -> Keyring:
        """Forget the next key, which has signed nothing, for ``fresh``."""
        return attrs.evolve(self, next=fresh)

    def without_expired(self, now: datetime) -> Keyring:
        """The same without the keys whose retirement has ended."""
        kept = tuple(retiring for retiring in self.retiring if retiring.until_at > now)
        return self if len(kept) == len(self.retiring) else attrs.evolve(self, retiring=kept)

    def jwks(self, now: datetime) -> dict[str, Any]:
        """The JWK Set (RFC 7517 section 5) that resource servers get: public members only."""
        keys = self.without_expired(now).keys
        return {"keys": [public_jwk(key.signer.public_key, key.kid, key.signer.alg) for key in keys]}

    def _retire_active(self, now: datetime, retire_for: timedelta) -> tuple[RetiringKey, ...]:
        if retire_for < timedelta(0):
            raise ValueError("retire_for is negative")
        return (RetiringKey(self.active, now + retire_for), *self.without_expired(now).retiring)
