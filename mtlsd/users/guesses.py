"""How often anybody may guess a password.

Each address has some guesses, and each user; after these there is a wait, twice as long after every further
one. The wait of an address grows long. That of a user stays short, for whoever guesses on purpose makes the
user wait too; and where the user has logged in from lately, the user's wait does not count at all.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

import attrs

from mtlsd.oauth.pace import place_of

FORGIVEN_SECONDS: Final = 60.0
"""After so long one guess less is counted."""

MOST: Final = 10_000


@attrs.frozen
class Pace:
    """How fast one may guess.

    :ivar free: guesses without any wait.
    :ivar longest_seconds: the wait that stops growing.
    """

    free: int
    longest_seconds: float

    def wait_seconds(self, guesses: float) -> float:
        """After so many guesses."""
        over = guesses - self.free
        return 0.0 if over < 0 else min(2.0 ** min(over, 20.0), self.longest_seconds)


ADDRESS: Final = Pace(free=20, longest_seconds=900.0)
USER: Final = Pace(free=10, longest_seconds=30.0)


@attrs.define
class _Record:
    guesses: float
    last_at: float

    def left(self, now: float) -> float:
        """The guesses that are not forgiven yet."""
        return max(0.0, self.guesses - (now - self.last_at) / FORGIVEN_SECONDS)


@attrs.define
class Table:
    """Guesses by whatever they are counted for; where there are more, the one that is quiet longest goes.

    A flood of names or addresses thus only makes others be forgotten, which is what its owner could have by
    waiting, and never makes anybody wait.
    """

    pace: Pace
    most: int = MOST
    _records: OrderedDict[Hashable, _Record] = attrs.field(factory=OrderedDict, init=False)

    def __len__(self) -> int:
        return len(self._records)

    def wait_seconds(self, key: Hashable, now: float) -> float:
        """How long until the next guess is taken; 0 for at once."""
        record = self._records.get(key)
        if record is None:
            return 0.0
        return max(0.0, record.last_at + self.pace.wait_seconds(record.guesses) - now)

    def count(self, key: Hashable, now: float) -> None:
        before = self._records.get(key)
        left = 0.0 if before is None else before.left(now)
        self._records[key] = _Record(left + 1.0, now)
        self._records.move_to_end(key)
        while len(self._records) > self.most:
            self._records.popitem(last=False)

    def uncount(self, key: Hashable) -> None:
        """Take back one guess that turned out to be none."""
        record = self._records.get(key)
        if record is not None:
            record.guesses = max(0.0, record.guesses - 1.0)


@attrs.define
class Guesses:
    """Counts guesses. A guess counts from its beginning, so that many at once are no way around.

    Times are seconds of a clock that nobody sets.
    """

    addresses: Table = attrs.field(factory=lambda: Table(ADDRESS))
    users: Table = attrs.field(factory=lambda: Table(USER))
    _at_home: OrderedDict[tuple[str, str], None] = attrs.field(factory=OrderedDict, init=False)

    def wait_seconds(self, user: str, address: str, now: float) -> float:
        """How long until this user's password may be tried from this address; 0 for at once."""
        place = place_of(address)
        waits = self.addresses.wait_seconds(place, now)
        if (user, place) not in self._at_home:
            waits = max(waits, self.users.wait_seconds(user, now))
        return waits

    def began(self, user: str, address: str, now: float) -> None:
        """Count a guess before it is known whether it is right."""
        self.addresses.count(place_of(address), now)
        self.users.count(user, now)

    def right(self, user: str, address: str) -> None:
        """It was right: it does not count, and the user is at home at this address.

        The guesses before it stay counted: with an account of one's own nobody gets more of them.
        """
        place = place_of(address)
        self.addresses.uncount(place)
        self.users.uncount(user)
        self._at_home[user, place] = None
        self._at_home.move_to_end((user, place))
        while len(self._at_home) > self.users.most:
            self._at_home.popitem(last=False)
