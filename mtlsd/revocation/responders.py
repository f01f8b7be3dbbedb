"""The OCSP responders: how each fares, and how much of everything it may take.

A responder is known by its origin, so that URLs with many paths are one. One that hangs holds slots, but only
its own few, and after some failures in a row none at all: its breaker opens, and who waits for it is told so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal

import attrs
from twisted.internet.defer import CancelledError, Deferred, succeed

from mtlsd.fetch.refused import FetchRefused
from mtlsd.fetch.slots import Slots
from mtlsd.fetch.url import Url
from mtlsd.pki.ocsp_refused import OcspRefused
from mtlsd.revocation.breaker import Breaker, BreakerLimits

Way = Literal["nonce", "plain", "post"]
"""How a responder is asked: with a nonce by POST; without one by GET where that is possible; or by POST."""

_WAYS: Final[Mapping[Way, tuple[Way, ...]]] = MappingProxyType(
    {
        "nonce": ("nonce", "plain", "post"),
        "plain": ("plain", "post", "nonce"),
        "post": ("post", "plain", "nonce"),
    }
)
"""What is tried after what was understood last."""

_WAY_SECONDS: Final = 86_400.0  # then look whether it gives a nonce by now
_QUEUE: Final = 100_000  # who asks is bounded elsewhere
_REFUSALS_IN_A_ROW: Final = 3
_SERVER_ERROR: Final = 500
_SAY_NOTHING_OF_IT: Final = frozenset({"busy", "closed", "url", "scheme", "port"})
_NO_ANSWER: Final = frozenset(
    {"ocsp.malformed", "ocsp.content_type", "ocsp.status.trylater", "ocsp.status.internalerror"}
)


class NotAsked(Exception):
    """Nobody was asked: ``ocsp.breaker_open`` or ``ocsp.busy``, with one sentence."""


@attrs.define(eq=False)
class Responder:
    """One responder.

    :ivar url: its origin.
    :ivar groups: of whose certificates it was asked.
    :ivar error: what went wrong last; None after a good answer.
    :ivar is_failing: as the audit log has it.
    """

    url: str
    breaker: Breaker
    groups: set[str] = attrs.field(factory=set)
    last_good: datetime | None = None
    last_tried: datetime | None = None
    error: str | None = None
    is_failing: bool = False
    queued: set[Deferred[None]] = attrs.field(factory=set)
    _refusals: int = 0
    _way: Way = "nonce"
    _way_until: float = 0.0

    def ways(self, require_nonce: bool) -> tuple[Way, ...]:
        """How to ask it, the likeliest first."""
        if require_nonce:
            return ("nonce",)
        return _WAYS[self._way if self.breaker.seconds() < self._way_until else "nonce"]

    def learn(self, way: Way) -> None:
        self._way = way
        self._way_until = self.breaker.seconds() + _WAY_SECONDS

    def was_good(self, now: datetime) -> bool:
        """It gave an answer that counts. Whether that is news."""
        was, self.is_failing = self.is_failing, False
        self.last_good, self.error, self._refusals = now, None, 0
        return was

    def was_bad(self, error: str, no_answer: bool) -> bool:
        """It gave none. Whether that is news.

        What it refuses may be one certificate's fault, so it takes some of these in a row.
        """
        was, self.error = self.is_failing, error
        self._refusals += 1
        self.is_failing = was or no_answer or self._refusals >= _REFUSALS_IN_A_ROW
        return self.is_failing and not was


@attrs.frozen
class ResponderLimits:
    """How much of everything.

    :ivar fetches: at once, of all responders: fewer than the fetcher has slots, so that lists find some too.
    :ivar fetches_per_responder: of these to one of them.
    :ivar responders: how many are remembered; the one unused longest is forgotten first.
    """

    fetches: int = 48
    fetches_per_responder: int = 8
    responders: int = 256
    breaker: BreakerLimits = attrs.field(factory=BreakerLimits)


def _at_once() -> Deferred[None]:
    return succeed(None)


@attrs.define(eq=False, repr=False)
class Responders:
    """All of them, and what they share.

    :ivar turn: waits for one's turn: hundreds may have to be told that a responder is left alone from now on.
    """

    limits: ResponderLimits
    seconds: Callable[[], float]
    random: Callable[[], float]
    now: Callable[[], datetime]
    changed: Callable[[Responder], None]
    turn: Callable[[], Deferred[None]] = _at_once
    _known: dict[str, Responder] = attrs.field(factory=dict, init=False)
    _slots: Slots = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        limits = self.limits
        self._slots = Slots(limits.fetches, limits.fetches_per_responder, _QUEUE, _QUEUE)

    def __iter__(self) -> Iterator[Responder]:
        return iter(tuple(self._known.values()))

    def of(self, url: str) -> Responder:
        """The responder at that URL.

        :raises FetchRefused: for what is not a URL to fetch from.
        """
        origin = origin_of(url)
        found = self._known.pop(origin, None)
        if found is None:
            found = Responder(origin, Breaker(self.limits.breaker, self.seconds, self.random))
            self._forget()
        self._known[origin] = found
        return found

    def allows(self, url: str) -> bool:
        """Whether it may be asked now, as far as is known."""
        try:
            found = self._known.get(origin_of(url))
        except FetchRefused:
            return False
        return found is None or found.breaker.allows

    async def slot(self, responder: Responder) -> None:
        """Wait for a slot; each must be given back by :meth:`release`.

        :raises NotAsked: where the breaker opens meanwhile
        """
        waiting = self._slots.acquire(responder.url)
        responder.queued.add(waiting)
        try:
            await waiting
        except CancelledError:
            if responder.breaker.state == "closed":
                raise
            await self.turn()
            raise breaker_open(responder) from None
        finally:
            responder.queued.discard(waiting)

    def release(self, responder: Responder) -> None:
        self._slots.release(responder.url)

    @contextmanager
    def trying(self, responder: Responder) -> Iterator[None]:
        """One attempt: what comes of it says how the responder fares."""
        is_trial = responder.breaker.begin()
        responder.last_tried = self.now()
        try:
            yield
        except (FetchRefused, OcspRefused) as refused:
            self._was_bad(responder, refused, is_trial)
            raise
        except BaseException:
            responder.breaker.given_up(is_trial)
            raise
        responder.breaker.answered(is_trial)
        if responder.was_good(self.now()):
            self.changed(responder)

    def _was_bad(self, responder: Responder, refused: FetchRefused | OcspRefused, is_trial: bool) -> None:
        if isinstance(refused, FetchRefused) and refused.code in _SAY_NOTHING_OF_IT:
            responder.breaker.given_up(is_trial)
            return
        no_answer = is_no_answer(refused)
        if no_answer:
            responder.breaker.failed(is_trial)
        else:
            responder.breaker.answered(is_trial)
        if responder.was_bad(why_of(refused), no_answer):
            self.changed(responder)
        if not responder.breaker.allows:
            for waiting in tuple(responder.queued):
                waiting.cancel()

    def _forget(self) -> None:
        if len(self._known) >= self.limits.responders:
            idle = (origin for origin, own in self._known.items() if not own.queued)
            origin = next(idle, None)
            if origin is not None:
                del self._known[origin]


def origin_of(url: str) -> str:
    """:raises FetchRefused: for what is not a URL to fetch from."""
    found = Url.from_string(url)
    return f"{found.scheme}://{found.authority}"


def breaker_open(responder: Responder) -> NotAsked:
    error = responder.error or "it failed"
    return NotAsked(f"ocsp.breaker_open: {responder.url} is left alone for a while: {error}")


def why_of(refused: FetchRefused | OcspRefused) -> str:
    """Code and detail in one line: ``fetch.deadline: ...``, ``ocsp.stale: ...``."""
    return f"fetch.{refused}" if isinstance(refused, FetchRefused) else str(refused)


def is_no_answer(refused: FetchRefused | OcspRefused) -> bool:
    """Whether it says that the responder does not work, not only that one certificate gets no answer."""
    if isinstance(refused, FetchRefused):
        return refused.code != "status" or (refused.status or 0) >= _SERVER_ERROR
    return refused.why in _NO_ANSWER


def is_not_understood(refused: FetchRefused | OcspRefused, way: Way) -> bool:
    """Whether the same asked in another way may be."""
    if isinstance(refused, OcspRefused):
        return refused.why == "ocsp.status.malformedrequest"
    if refused.code == "redirect":
        return way == "plain"  # some servers do that to what is in a path
    return refused.code == "status" and (refused.status or 0) < _SERVER_ERROR
