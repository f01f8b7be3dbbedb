"""The issuer's keys, kept for every request and fetched again when it is time.

While they are fetched those known serve on, unless they are older than `ceiling`; and a server that is down
ends nothing before `keep` has passed. A token with an unknown `kid` has them fetched at once, since the
issuer may have a new key, but after a few times not more often than every `early_seconds`: anybody can write
a `kid`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import attrs

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.fetch.freshness import fresh_for
from mtlsd.fetch.refused import FetchRefused
from mtlsd.jose.verification import VerificationKey
from mtlsd.resource_server.metadata import FetchKeySet, keys_in

Keys: TypeAlias = tuple[VerificationKey, ...]


@attrs.frozen
class KeyTiming:
    """How often keys are fetched, and for how long they serve.

    :ivar floor: keys that were fetched are not stale before, whatever their server says.
    :ivar ceiling: nor are they fresh for longer: so long a key that the issuer has removed is accepted.
    :ivar default: where the server says nothing.
    :ivar keep: for how long they serve where no newer ones can be had.
    :ivar early_seconds: between two fetches, on the average.
    :ivar early_burst: so many may follow each other at once.
    :ivar wait_seconds: for how long a request waits for a fetch.
    :ivar most_waiting: requests that wait at once.
    """

    floor: timedelta = timedelta(minutes=1)
    ceiling: timedelta = timedelta(hours=1)
    default: timedelta = timedelta(minutes=10)
    keep: timedelta = timedelta(hours=24)
    early_seconds: float = 10.0
    early_burst: int = 4
    wait_seconds: float = 12.0
    most_waiting: int = 64


def start_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True, name="mtlsd-issuer-keys").start()


@attrs.frozen
class _Fetched:
    """:ivar at, fresh_until: of the monotonic clock, in seconds."""

    keys: Keys
    at: float
    fresh_until: float


@attrs.define(eq=False)
class _Flight:
    """A fetch that is under way, in this process."""

    pid: int = attrs.field(factory=lambda: os.getpid())
    landed: threading.Event = attrs.field(factory=threading.Event)


@attrs.define(eq=False)
class IssuerKeys:
    """The keys of one issuer. Threads may share it.

    :ivar fetch: fetches the JWK Set; may block, within a deadline of its own.
    :ivar start: runs the fetch beside whoever needs it.
    """

    fetch: FetchKeySet
    timing: KeyTiming = attrs.field(factory=KeyTiming)
    monotonic: Callable[[], float] = time.monotonic
    start: Callable[[Callable[[], None]], None] = start_thread
    _fetched: _Fetched | None = attrs.field(default=None, init=False, repr=False)
    _failed: FetchRefused | None = attrs.field(default=None, init=False)
    _next_try: float | None = attrs.field(default=None, init=False)
    _flight: _Flight | None = attrs.field(default=None, init=False, repr=False)
    _waiting: int = attrs.field(default=0, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def known(self, kid: str | None) -> Keys | None:
        """The keys, without waiting; None where it is worth waiting for a fetch: see :meth:`awaited`.

        :param kid: of the token.
        :raises Refusal: `issuer.keys_unavailable`
        """
        now, flight = self.monotonic(), None
        with self._lock:
            keys = self._usable(now)
            has = _has(keys, kid)
            if (self._is_stale(now) or not has) and self._may_try(now):
                self._flight = flight = _Flight()
                self._next_try = max(self._next_try or now, now) + self.timing.early_seconds
        if flight is not None:
            self._take_off(flight)
        if has and not self._is_too_old(now):
            return keys if flight is None else self._settled(kid)
        return None if self._is_flying() else self._settled(kid)

    def awaited(self, kid: str | None) -> Keys:
        """The keys, after a fetch that is under way: :meth:`known` has started it.

        :raises Refusal: `issuer.keys_unavailable`
        """
        with self._lock:
            flight = self._flight
            if self._waiting >= self.timing.most_waiting:
                raise _unavailable(FetchRefused("busy", "too many requests wait for the keys"))
            self._waiting += 1
        try:
            if flight is not None:
                flight.landed.wait(self.timing.wait_seconds)
        finally:
            with self._lock:
                self._waiting -= 1
        return self._settled(kid)

    def _settled(self, kid: str | None) -> Keys:
        """What there is. Where a key is missing and the last fetch has failed, nobody knows: not the caller's
        fault."""
        with self._lock:
            keys, failed, late = self._usable(self.monotonic()), self._failed, self._is_flying()
        if keys is None or (not _has(keys, kid) and (late or failed is not None)):
            raise _unavailable(failed or FetchRefused("deadline", "the keys have not come yet"))
        return keys

    def _usable(self, now: float) -> Keys | None:
        fetched = self._fetched
        if fetched is None or now >= fetched.at + self.timing.keep.total_seconds():
            return None
        return fetched.keys

    def _is_stale(self, now: float) -> bool:
        return self._fetched is None or now >= self._fetched.fresh_until

    def _is_too_old(self, now: float) -> bool:
        """Whether newer ones are worth waiting for: after a quiet night, but not where none can be had."""
        ends = 0.0 if self._fetched is None else self._fetched.at + self.timing.ceiling.total_seconds()
        return now >= ends and self._failed is None

    def _may_try(self, now: float) -> bool:
        ahead = self.timing.early_seconds * (self.timing.early_burst - 1)
        return (self._next_try is None or now >= self._next_try - ahead) and not self._is_flying()

    def _is_flying(self) -> bool:
        """A flight of the process that this one was forked from never lands here."""
        return self._flight is not None and self._flight.pid == os.getpid()

    def _take_off(self, flight: _Flight) -> None:
        try:
            self.start(lambda: self._land(flight, *self._fetch()))
        except RuntimeError as error:  # there is no thread to be had
            self._land(flight, None, FetchRefused("failed", str(error)))

    def _land(self, flight: _Flight, fetched: _Fetched | None, failed: FetchRefused | None) -> None:
        with self._lock:
            self._fetched, self._failed = fetched or self._fetched, failed
            self._flight = None
        flight.landed.set()

    def _fetch(self) -> tuple[_Fetched | None, FetchRefused | None]:
        try:
            document = self.fetch()
            keys = keys_in(document)
        except FetchRefused as refused:
            return None, refused
        except Exception as error:  # whatever it is, those who wait are told
            return None, FetchRefused("failed", f"{type(error).__name__}: {error}")
        timing, now = self.timing, self.monotonic()
        fresh = fresh_for(
            document.headers, datetime.now(UTC), floor=timing.floor, ceiling=timing.ceiling,
            default=timing.default,
        )  # fmt: skip
        return _Fetched(keys, now, now + fresh.total_seconds()), None


def _has(keys: Keys | None, kid: str | None) -> bool:
    return keys is not None and (kid is None or any(key.kid == kid for key in keys))


def _unavailable(refused: FetchRefused) -> Refusal:
    return Refusal(reasons.ISSUER_KEYS_UNAVAILABLE, {"code": refused.code, "detail": refused.detail})
