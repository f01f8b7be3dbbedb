"""The clock that timers go by."""

from __future__ import annotations

import time
from typing import Any


def use_steady_clock(reactor: Any) -> None:
    """Have timers go by a clock that nobody sets.

    Twisted's go by the wall clock: where that is set forth, every timeout is over at once; where it is set
    back, every deadline is held up. Nothing that runs already may go by the other one.
    """
    if not reactor.getDelayedCalls():
        reactor.seconds = time.monotonic
