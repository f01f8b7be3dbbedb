"""An operating system that fails when it is told to, and remembers what it did."""

from __future__ import annotations

import os
from typing import Any

import attrs

CHANGES = ("mkdir", "open", "write", "fsync", "rename", "unlink", "close")


class PowerCut(BaseException):
    """Nobody catches it, as nobody catches a power cut."""


@attrs.define
class FailingOs:
    """The module ``os``, but its ``fail_at``-th change of the disk does not happen.

    :ivar failure: what is raised then.
    :ivar torn: what is to be written is written by half first.
    :ivar done: the changes so far, with their first argument.
    """

    fail_at: int = -1
    failure: BaseException = attrs.field(factory=PowerCut)
    torn: bool = False
    done: list[tuple[str, object]] = attrs.field(factory=list)
    names: dict[int, object] = attrs.field(factory=dict)

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self._watched(name, real) if name in CHANGES else real

    def _watched(self, name: str, real: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if name != "close":
                self._count(name, args)
            result = real(*args, **kwargs)
            if name == "open":
                self.names[result] = args[0]
            return result

        return call

    def _count(self, name: str, args: tuple[Any, ...]) -> None:
        if len(self.done) == self.fail_at:
            if self.torn and name == "write":
                os.write(args[0], bytes(args[1])[: len(args[1]) // 2])
            raise self.failure
        subject = self.names.get(args[0], args[0]) if isinstance(args[0], int) else args[0]
        self.done.append((name, subject))
