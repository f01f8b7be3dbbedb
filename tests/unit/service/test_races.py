"""What happens at the same time: reloads, and looks at what other processes have changed."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from mtlsd.config.model import Config
from mtlsd.ops.audit import AuditLog, utc_now
from mtlsd.service.built import Seen
from mtlsd.service.server import Server


class Store:
    """A store whose generation is long in coming."""

    def __init__(self) -> None:
        self.asked: list[Deferred[int]] = []

    def generation(self) -> Deferred[int]:
        self.asked.append(Deferred())
        return self.asked[-1]


def test_a_look_does_not_bring_an_old_configuration_back() -> None:
    """A client is disabled by command, and a second later the configuration is reloaded."""
    old, new = cast("list[Config]", [object(), object()])
    taken: list[Config] = []

    class Recording(Server):
        async def _take_over(self, config: Config) -> None:
            taken.append(config)

    store, lines, anything = Store(), list[bytes](), cast(Any, None)
    server = Recording(
        old,
        {},
        Clock(),
        cast(Any, store),
        AuditLog(lines.append, utc_now),
        anything,
        Seen(1, (0, 0), None),
        anything,
        anything,
    )
    look = Deferred.fromCoroutine(server._look())
    server._changing.acquire()  # the reload begins,
    store.asked[0].callback(2)  # the look sees that the store has changed,
    server.config = new
    server._changing.release()  # and the reload is done
    assert look.called
    assert taken == [new]
