"""What is counted, and how it is told to Prometheus.

Everything is counted from the events of the audit log: what is not in one cannot be in the other. Nothing
that a stranger chooses becomes a label, so their number is bounded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import attrs
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from mtlsd.errors import Fact
from mtlsd.reasons import REASONS

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"

_BY_REASON: Final[Mapping[str, tuple[str, str]]] = {
    "handshake.refused": ("mtlsd_handshakes_refused", "Handshakes that were refused, by reason."),
    "token.refused": ("mtlsd_tokens_refused", "Token requests that were refused, by reason."),
    "request.refused": ("mtlsd_requests_refused", "Other requests that were refused, by reason."),
    "forwarding.refused": ("mtlsd_forwarding_refused", "What a proxy alone may send, by reason."),
}
_OTHER: Final = "other"


@attrs.frozen
class SourceSample:
    """One source of revocation lists or answers at this moment.

    :ivar age_seconds: since its last good answer; None where there was none.
    :ivar left_seconds: until what it gave runs out, negative afterwards; None where that is not one instant.
    :ivar waiting: how many requests wait for it; None where nobody does that.
    """

    group: str
    kind: str
    source: str
    failing: bool
    age_seconds: float | None = None
    left_seconds: float | None = None
    waiting: int | None = None

    @property
    def labels(self) -> list[str]:
        return [self.group, self.kind, self.source]


@attrs.define(eq=False)
class Metrics:
    """The numbers of one service.

    :ivar sources: how the sources fare now.
    """

    sources: Callable[[], Iterable[SourceSample]] = tuple
    _events: Counter[str] = attrs.field(factory=Counter, init=False)
    _refused: Mapping[str, Counter[str]] = attrs.field(init=False)
    _unknown_allowed: Counter[str] = attrs.field(factory=Counter, init=False)
    _registry: CollectorRegistry = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._refused = {event: Counter() for event in _BY_REASON}
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def count(self, event: str, facts: Mapping[str, Fact]) -> None:
        """Take note of an event of the audit log."""
        self._events[event] += 1
        refused = self._refused.get(event)
        if refused is not None:
            reason = facts.get("reason")
            refused[reason if isinstance(reason, str) and reason in REASONS else _OTHER] += 1
        groups = facts.get("revocation_unchecked")
        if event == "token.issued" and isinstance(groups, (list, tuple)):
            self._unknown_allowed.update(groups)

    def exposition(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """For the registry."""
        issued = self._events["token.issued"]
        yield CounterMetricFamily("mtlsd_tokens_issued", "Tokens that were issued.", value=issued)
        for event, (name, meaning) in _BY_REASON.items():
            yield _counter(name, meaning, "reason", self._refused[event])
        yield _counter(
            "mtlsd_revocation_unknown_allowed",
            "Tokens issued although no source could tell whether the certificate is revoked.",
            "group",
            self._unknown_allowed,
        )
        yield _counter("mtlsd_events", "Events of the audit log, by name.", "event", self._events)
        yield from _gauges(tuple(self.sources()))


def _counter(name: str, meaning: str, label: str, found: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=(label,))
    for value, count in sorted(found.items()):
        family.add_metric((value,), count)
    return family


def _gauges(samples: Iterable[SourceSample]) -> Iterable[Metric]:
    labels = ("group", "kind", "source")
    failing = GaugeMetricFamily("mtlsd_source_failing", "Whether a source is failing.", labels=labels)
    age = GaugeMetricFamily(
        "mtlsd_source_age_seconds", "Since the last good answer of a source.", labels=labels
    )
    left = GaugeMetricFamily("mtlsd_source_left_seconds", "Until what a source gave runs out.", labels=labels)
    waiting = GaugeMetricFamily("mtlsd_source_waiting", "Requests that wait for a source.", labels=labels)
    for own in samples:
        failing.add_metric(own.labels, own.failing)
        for family, value in ((age, own.age_seconds), (left, own.left_seconds), (waiting, own.waiting)):
            if value is not None:
                family.add_metric(own.labels, value)
    return failing, age, left, waiting
