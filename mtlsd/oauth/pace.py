"""How often something may be done by one address, and by all together."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from datetime import datetime
from typing import Final

import attrs

MOST_PLACES: Final = 10_000
_HOUR_SECONDS: Final = 3600.0


@attrs.define
class _Bucket:
    left: float
    at: datetime


@attrs.define
class Pace:
    """So many an hour, at once or one after the other, for each of those that are told apart.

    Where there are too many of them, the one that is quiet longest is forgotten: a flood of addresses only
    lets its owner have what waiting would give, and makes nobody wait.
    """

    most: int = MOST_PLACES
    _buckets: OrderedDict[str, _Bucket] = attrs.field(factory=OrderedDict, init=False)

    def wait_seconds(self, who: str, an_hour: int, now: datetime) -> int:
        """Take one; or where there is none left, say how long until there is, and take none.

        :param an_hour: at least 1.
        :return: 0 where one was taken.
        """
        bucket = self._buckets.get(who)
        if bucket is None:
            bucket = self._buckets[who] = _Bucket(float(an_hour), now)
        passed = max(0.0, (now - bucket.at).total_seconds())
        bucket.left = min(float(an_hour), bucket.left + passed * an_hour / _HOUR_SECONDS)
        bucket.at = now
        self._buckets.move_to_end(who)
        while len(self._buckets) > self.most:
            self._buckets.popitem(last=False)
        if bucket.left < 1.0:
            return 1 + int((1.0 - bucket.left) * _HOUR_SECONDS / an_hour)
        bucket.left -= 1.0
        return 0


def place_of(address: str) -> str:
    """What one person has: an IPv4 address, or the /64 of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
