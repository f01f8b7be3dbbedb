"""Collecting what is wrong with a configuration, so that all of it is told at once."""

from __future__ import annotations

from typing import Self

import attrs

from mtlsd.errors import Mistake


@attrs.frozen
class Notes:
    """Mistakes found so far, and the table that is being looked at.

    :ivar file: as it is called in messages, relative to the configuration's directory.
    :ivar table: the table's place in the file, such as `listener.mtls`; empty for the file itself.
    :ivar found: shared by all notes of one configuration, in the order in which they were made.
    """

    file: str
    table: str = ""
    found: list[Mistake] = attrs.field(factory=list)

    def at(self, table: str) -> Self:
        """Notes about another table of the same file."""
        return attrs.evolve(self, table=table)

    def of(self, file: str) -> Self:
        """Notes about another file."""
        return attrs.evolve(self, file=file, table="")

    def place(self, key: str = "") -> str:
        """Where `key` of this table stands."""
        path = ".".join(part for part in (self.table, key) if part)
        return f"{self.file}: {path}" if path else self.file

    def add(self, key: str, message: str, remedy: str, *, fatal: bool = True) -> None:
        """Note a mistake in `key`, or in the table itself when it is empty."""
        self.found.append(Mistake(self.place(key), message, remedy, fatal))

    def warn(self, key: str, message: str, remedy: str) -> None:
        """Note what works today but will not for long, or not for everybody."""
        self.add(key, message, remedy, fatal=False)

    @property
    def fatal(self) -> bool:
        """Whether the configuration cannot be used."""
        return any(mistake.fatal for mistake in self.found)
