"""From how the sources of revocation fare to what the metrics show of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from mtlsd.ops.metrics import SourceSample
from mtlsd.revocation.status_file import Row


def samples(rows: Iterable[Row], now: datetime) -> tuple[SourceSample, ...]:
    """One sample for each source of each group; where it has several lists, the one that runs out first.

    :param now: aware.
    """
    grouped: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        grouped.setdefault((row.group, row.kind, row.source), []).append(row)
    return tuple(_sample(own, now) for own in grouped.values())


def _sample(rows: list[Row], now: datetime) -> SourceSample:
    row = rows[0]
    ends = [own.next_update for own in rows if own.next_update is not None]
    return SourceSample(
        row.group,
        row.kind,
        row.source,
        failing=row.error is not None or row.state in ("open", "half_open"),
        age_seconds=None if row.last_good is None else (now - row.last_good).total_seconds(),
        left_seconds=(min(ends) - now).total_seconds() if ends else None,
        waiting=row.waiting,
    )
