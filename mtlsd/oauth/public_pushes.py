"""How often anybody may push requests of public clients.

A public client proves nothing of itself, and a certificate that anybody can make would not change that: so
everybody can push its requests. What a client pushed is kept for a while, and of too many the oldest go. No
address has that many, nor has a client: who comes too often is refused, and nothing is pushed out.
"""

from __future__ import annotations

from datetime import datetime

import attrs

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.oauth.authorization import AuthorizationPolicy
from mtlsd.oauth.pace import Pace, place_of


@attrs.define(eq=False)
class PublicPushes:
    """Counts them, from one configuration to the next. It fails closed: who is nowhere shares one place."""

    _places: Pace = attrs.field(factory=Pace, init=False)
    _clients: Pace = attrs.field(factory=Pace, init=False)

    def check_place(self, address: str, policy: AuthorizationPolicy, now: datetime) -> None:
        """Count one from this address, whether or not anything comes of it.

        :raises Refusal: `push.throttled`
        """
        _check(self._places.wait_seconds(place_of(address), policy.public_per_address_per_hour, now))

    def check_client(self, client_id: str, policy: AuthorizationPolicy, now: datetime) -> None:
        """Count one that will be kept.

        :raises Refusal: `push.throttled`
        """
        _check(self._clients.wait_seconds(client_id, policy.public_per_hour, now))


def _check(wait_seconds: int) -> None:
    if wait_seconds:
        raise Refusal(reasons.PUSH_THROTTLED, {"retry_after_seconds": wait_seconds})
