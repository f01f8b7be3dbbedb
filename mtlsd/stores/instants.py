"""Instants as databases hold them: microseconds since 1970-01-01T00:00:00Z."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(instant: datetime) -> int:
    """Exactly. :raises TypeError: for a datetime without a time zone."""
    return (instant - _EPOCH) // _MICROSECOND


def from_microseconds(number: int) -> datetime:
    """The aware instant. :raises OverflowError: beyond the year 9999."""
    return _EPOCH + number * _MICROSECOND
