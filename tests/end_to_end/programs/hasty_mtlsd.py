"""mtlsd that looks for another revocation list every moment, also where it has just failed.

hasty_mtlsd.py run -c CONFIG
hasty_mtlsd.py --die STEP FILE run -c CONFIG

With --die it is killed when it keeps something in its cache, once FILE exists. STEP is ``write`` when half of
the octets are written, ``rename`` just before the file has its name, or ``renamed`` just after.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from mtlsd.cli import main
from mtlsd.fetch.fetcher import Fetcher, Limits
from mtlsd.revocation import crl_schedule, crl_sources
from mtlsd.revocation.crl_pace import Pace
from mtlsd.service import background

moment = timedelta(seconds=0.2)


def hasty() -> Pace:
    return Pace(
        floor=moment, dear_floor=moment, ceiling=moment, dear_ceiling=moment, first_retry=moment,
        last_retry=moment, again=timedelta(0), spread=moment, file=moment,
    )  # fmt: skip


def sleep(seconds: float) -> None:
    """Python's own way to sleep is one that libfaketime fails in once the clock was set."""
    select.select([], [], [], seconds)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dying(step: str, file: str, write: Callable[..., int], rename: Callable[..., None]) -> dict[str, Any]:
    """Functions in place of those of the system."""

    def is_due(descriptor: int) -> bool:
        return "/cache/" in os.readlink(f"/proc/self/fd/{descriptor}") and os.path.exists(file)

    def write_half(descriptor: int, data: Any) -> int:
        if step != "write" or not is_due(descriptor):
            return write(descriptor, data)
        write(descriptor, data[: len(data) // 2])
        die()
        return 0

    def rename_and_die(*arguments: Any, **how: Any) -> None:
        due = is_due(how.get("dst_dir_fd", 0))
        if due and step == "rename":
            die()
        rename(*arguments, **how)
        if due and step == "renamed":
            die()

    return {"write": write_half, "rename": rename_and_die}


if __name__ == "__main__":
    vars(crl_sources)["Pace"] = hasty
    vars(crl_schedule)["_SHORTEST_SLEEP"] = moment.total_seconds()
    vars(background)["Fetcher"] = partial(Fetcher, limits=Limits(failure_seconds=moment.total_seconds()))
    vars(time)["sleep"] = sleep
    arguments = sys.argv[1:]
    if arguments[0] == "--die":
        vars(os).update(dying(arguments[1], arguments[2], os.write, os.rename))
        del arguments[:3]
    sys.exit(main(arguments))
