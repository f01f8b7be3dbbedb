"""What is shown of OCSP responders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal

import attrs

from mtlsd.fetch.refused import FetchRefused
from mtlsd.pki.path import AnchorGroup
from mtlsd.revocation.breaker import State
from mtlsd.revocation.ocsp_flights import OcspFlights
from mtlsd.revocation.ocsp_table import AnswerTable
from mtlsd.revocation.responders import Responders, origin_of


@attrs.frozen
class ResponderStatus:
    """One responder at one moment.

    :ivar groups: of whose certificates it was asked, sorted.
    :ivar source: its origin: scheme, host and port.
    :ivar last_good: when it last gave an answer that counts; aware UTC, like every instant here.
    :ivar error: why it gave none when it was last asked: a stable code, and more.
    :ivar breaker: ``closed`` for one that works, ``open`` for one that is left alone, ``half_open`` for one
        that is being tried again.
    :ivar waiting: how many wait for it.
    :ivar answers: how many of its answers are known, by what they say: ``good``, ``revoked``, ``unknown``,
        and ``unread`` for those of the last run that nobody has asked for yet.
    :ivar stale: how many of these are not fresh any more.
    """

    groups: tuple[str, ...]
    source: str
    last_good: datetime | None = None
    last_tried: datetime | None = None
    error: str | None = None
    breaker: State = "closed"
    waiting: int = 0
    answers: Mapping[str, int] = attrs.field(factory=dict)
    stale: int = 0
    kind: Literal["ocsp"] = "ocsp"


@attrs.define(eq=False)
class _Row:
    groups: set[str] = attrs.field(factory=set)
    answers: Counter[str] = attrs.field(factory=Counter)
    stale: int = 0


def status_of(
    groups: Iterable[AnchorGroup],
    table: AnswerTable,
    responders: Responders,
    flights: OcspFlights,
    now: datetime,
) -> tuple[ResponderStatus, ...]:
    """All responders that were asked, whose answers are known, or that the operator has named.

    A responder that no group would ask any more is left out: nobody can mend it.
    """
    groups = tuple(groups)
    rows: dict[str, _Row] = {}
    origins: dict[str, str] = {}

    def row(url: str) -> _Row:
        if url not in origins:
            origins[url] = _origin(url)
        return rows.setdefault(origins[url], _Row())

    for group in groups:
        if group.revocation is not None and group.revocation.ocsp_url is not None:
            row(group.revocation.ocsp_url).groups.add(group.name)
    for kept in table:
        own = row(kept.record.url)
        own.groups.add(kept.record.key.group)
        own.answers["unread" if kept.answer is None else kept.answer.status] += 1
        own.stale += now >= kept.record.until
    known = {responder.url: responder for responder in responders}
    for origin, responder in known.items():
        asking = responder.groups & {group.name for group in groups if _asks(group, origin)}
        if asking or origin in rows:
            rows.setdefault(origin, _Row()).groups.update(asking)
    made = []
    for origin, own in sorted(rows.items()):
        status = ResponderStatus(
            tuple(sorted(own.groups)), origin, answers=dict(own.answers), stale=own.stale
        )
        if origin in known:
            responder = known[origin]
            status = attrs.evolve(
                status,
                last_good=responder.last_good,
                last_tried=responder.last_tried,
                error=responder.error,
                breaker=responder.breaker.state,
                waiting=flights.load(responder),
            )
        made.append(status)
    return tuple(made)


def _asks(group: AnchorGroup, origin: str) -> bool:
    """Whether the group's policy still leads to that responder."""
    policy = group.revocation
    if policy is None or "ocsp" not in policy.order:
        return False
    return policy.ocsp_url is None or _origin(policy.ocsp_url) == origin


def _origin(url: str) -> str:
    try:
        return origin_of(url)
    except FetchRefused:
        return url
