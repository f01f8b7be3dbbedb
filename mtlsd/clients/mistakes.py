"""Collecting mistakes, so that all of them are told at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import attrs

from mtlsd.errors import ConfigError, Mistake


@attrs.define
class Mistakes:
    """Mistakes found so far.

    :ivar place: the file and table that the keys stand in.
    """

    place: str
    found: list[Mistake] = attrs.field(factory=list)

    def add(self, key: str, message: str, remedy: str, *, fatal: bool = True) -> None:
        place = f"{self.place}.{key}" if key else self.place
        self.found.append(Mistake(place, message, remedy, fatal))

    def unknown(self, key: str, known: Iterable[str]) -> None:
        """A key that nobody knows, with the one that was probably meant."""
        close = difflib.get_close_matches(key, sorted(known), 1)
        self.add(key, "is an unknown key", f"Did you mean {close[0]}?" if close else "Remove it.")

    def has_any(self, key: str) -> bool:
        """Whether something is wrong with `key` already, so that what follows from it need not be told."""
        return any(mistake.place == f"{self.place}.{key}" for mistake in self.found)

    def raise_if_any(self) -> None:
        """:raises ConfigError: when a fatal mistake was found."""
        if any(mistake.fatal for mistake in self.found):
            raise ConfigError(tuple(self.found))
