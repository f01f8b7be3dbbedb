"""mtlsd that looks for another revocation list within a second or so, where it is a minute at least."""

from __future__ import annotations

import sys
from datetime import timedelta

from mtlsd.cli import main
from mtlsd.revocation import crl_sources
from mtlsd.revocation.crl_pace import Pace

second = timedelta(seconds=1)


def hasty() -> Pace:
    return Pace(
        floor=second, ceiling=second, dear_ceiling=second, first_retry=second, last_retry=second,
        again=timedelta(0), spread=second, file=second,
    )  # fmt: skip


if __name__ == "__main__":
    vars(crl_sources)["Pace"] = hasty
    sys.exit(main())
