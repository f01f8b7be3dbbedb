"""How long what was fetched may be kept, and how to ask whether it has changed (RFC 9111; RFC 9110 §8.8)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Final, Self

import attrs

_MAX_AGE: Final = re.compile(r'max-age="?([0-9]{1,12})"?')
_ETAG: Final = re.compile(r'(?:W/)?"[!#-~]*"')
_DIGITS: Final = re.compile(r"[0-9]{1,12}")
_LONGEST_ETAG: Final = 256
_LONGEST: Final = timedelta(days=365)


@attrs.frozen
class Validators:
    """What a server knows its answer by.

    :ivar etag: as it was sent.
    :ivar last_modified: as it was sent: servers compare it as text.
    """

    etag: str | None = None
    last_modified: str | None = None

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Self:
        """Take them from a response; what is not as it should be counts as absent."""
        etag = headers.get("etag", "")
        modified = headers.get("last-modified", "")
        good = len(etag) <= _LONGEST_ETAG and _ETAG.fullmatch(etag)
        return cls(etag if good else None, modified if _date(modified) else None)

    def headers(self) -> Mapping[str, str]:
        """The headers of a request for what has changed since; none where nothing is known."""
        found = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return MappingProxyType({name: value for name, value in found.items() if value is not None})


def fresh_for(
    headers: Mapping[str, str], now: datetime, *, floor: timedelta, ceiling: timedelta, default: timedelta
) -> timedelta:
    """How long a response may be used without asking again.

    :param headers: of the response, names in lower case.
    :param now: when it came, aware.
    :param floor: at least this, whatever the server says: no server makes mtlsd ask all the time.
    :param ceiling: at most this.
    :param default: where the server says nothing.
    """
    said = _said(headers, now)
    return min(max(default if said is None else said, floor), ceiling)


def _said(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """The freshness lifetime less the age (RFC 9111 section 4.2), None where the server says nothing.

    A private cache: s-maxage is for others. Where it contradicts itself the response is stale.
    """
    directives = [part.strip().lower() for part in headers.get("cache-control", "").split(",")]
    if "no-store" in directives or "no-cache" in directives:
        return timedelta(0)
    ages = [part for part in directives if part.startswith("max-age")]
    if ages:
        matched = {found[1] if (found := _MAX_AGE.fullmatch(own)) else "0" for own in ages}
        lifetime = _seconds(matched.pop()) if len(matched) == 1 else timedelta(0)
    elif "expires" in headers:
        # An Expires that is no date is in the past (RFC 9111 section 5.3).
        expires, date = _date(headers["expires"]), _date(headers.get("date", "")) or now
        lifetime = timedelta(0) if expires is None else expires - date
    else:
        return None
    age = headers.get("age", "")
    return lifetime - (_seconds(age) if _DIGITS.fullmatch(age) else timedelta(0))


def _seconds(digits: str) -> timedelta:
    return min(timedelta(seconds=min(int(digits), 10**9)), _LONGEST)


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text[:100])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found
