"""mtlsd whose resources stand in the stock ``Site`` of twisted.web, as others may serve them.

stock_mtlsd.py run -c CONFIG
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.web.resource import IResource
from twisted.web.server import Site

from mtlsd.cli import main
from mtlsd.service import front


class StockSite(Site):
    """With what a listener asks of its factory."""

    noisy = False

    def __init__(self, resource: IResource, reactor: Any, *, limits: object, **_: object) -> None:
        super().__init__(resource, reactor=reactor)  # type: ignore[no-untyped-call]  # Twisted's
        self.limits = limits
        self.channels = frozenset[object]()

    def drain(self) -> Deferred[None]:
        return succeed(None)

    def abort_all(self) -> None:
        pass


if __name__ == "__main__":
    vars(front)["ChannelFactory"] = StockSite
    sys.exit(main(sys.argv[1:]))
