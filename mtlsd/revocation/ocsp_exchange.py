"""Asking one responder one question, and verifying what it says.

Responders differ in what they understand. Many answer from signed files, repeat no nonce, and are best asked
by GET, which caches understand (RFC 5019); some refuse a nonce, some GET, some POST. So a responder is asked
with a nonce first, another way is tried where it does not understand, and what it understood is remembered.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from mtlsd.fetch.exchange import Fetched
from mtlsd.fetch.fetcher import Fetcher
from mtlsd.fetch.refused import FetchRefused
from mtlsd.fetch.url import Url
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.crl_check import check_crls
from mtlsd.pki.crl_table import CrlTable
from mtlsd.pki.ocsp import MAX_RESPONSE_BYTES, verify_response
from mtlsd.pki.ocsp_refused import OcspRefused
from mtlsd.pki.ocsp_request import REQUEST_TYPE, RESPONSE_TYPE, HttpRequest, OcspRequest
from mtlsd.pki.ocsp_signer import SigningRules
from mtlsd.pki.path import Path
from mtlsd.pki.revocation import Answer
from mtlsd.revocation.inquiry import Inquiry
from mtlsd.revocation.ocsp_record import Record
from mtlsd.revocation.responders import (
    NotAsked,
    Responder,
    Responders,
    Way,
    breaker_open,
    is_not_understood,
)

_LEAST_SECONDS: Final = 0.05  # with less left nobody can answer, and it would look like the responder's fault


@attrs.frozen
class Verified:
    """An answer that counts, and what it can be verified from again."""

    answer: Answer
    record: Record


@attrs.define(eq=False, repr=False)
class Exchange:
    """Asks responders.

    :ivar nonce: makes fresh nonces of 32 octets.
    :ivar lists: the revocation lists of a group by its name: they may tell that a delegate is revoked.
    """

    fetcher: Fetcher
    clock: IReactorTime
    now: Callable[[], datetime]
    nonce: Callable[[], bytes]
    lists: Callable[[str], CrlTable]
    responders: Responders

    async def ask(self, responder: Responder, url: str, inquiry: Inquiry, seconds: float) -> Verified:
        """Ask that responder, in each way that it may understand.

        :raises FetchRefused, OcspRefused: where it gives no answer that counts
        :raises NotAsked: where its breaker is open
        """
        until = self.clock.seconds() + seconds
        first: FetchRefused | OcspRefused | None = None
        for way in responder.ways(inquiry.policy.require_nonce):
            left = until - self.clock.seconds()
            if left <= 0:
                break
            try:
                found = await self._in_turn(responder, url, inquiry, way, left)
            except (FetchRefused, OcspRefused) as refused:
                first = first or refused
                if not is_not_understood(refused, way):
                    raise
            else:
                responder.learn("plain" if found.answer.facts["nonce"] == "absent" else way)
                return found
        raise first or FetchRefused("deadline", f"not done within {seconds:g} seconds")

    async def _in_turn(
        self, responder: Responder, url: str, inquiry: Inquiry, way: Way, seconds: float
    ) -> Verified:
        until = self.clock.seconds() + seconds
        slot: Deferred[None] = Deferred.fromCoroutine(self.responders.slot(responder))
        await slot.addTimeout(seconds, self.clock, _waited_too_long)
        try:
            if not responder.breaker.allows:
                raise breaker_open(responder)
            left = until - self.clock.seconds()
            if left < _LEAST_SECONDS:
                raise _busy(seconds)
            with self.responders.trying(responder):
                return await self._once(url, inquiry, way, left)
        finally:
            self.responders.release(responder)

    async def _once(self, url: str, inquiry: Inquiry, way: Way, seconds: float) -> Verified:
        request = OcspRequest.make(inquiry.cert_id, self.nonce() if way == "nonce" else None)
        fetched = await self._fetch(_http(request, url, way), url, inquiry.by_operator, seconds)
        kind = fetched.headers.get("content-type", RESPONSE_TYPE).partition(";")[0].strip().lower()
        if kind != RESPONSE_TYPE:
            raise OcspRefused("ocsp.content_type", f"the answer is of type {kind[:60]}")
        now = self.now()
        answer = self._verify(fetched.body, request, url, inquiry, now)
        assert answer.fresh_until is not None  # every response's life ends
        record = Record(inquiry.key, url, request.nonce, now, answer.fresh_until, fetched.body)
        return Verified(answer, record)

    def _verify(
        self, response: bytes, request: OcspRequest, url: str, inquiry: Inquiry, now: datetime
    ) -> Answer:
        """:raises OcspRefused: where the response does not count at that instant"""
        policy = inquiry.policy
        rules = SigningRules(
            inquiry.issuers[0],
            configured=policy.ocsp_responders,
            is_revoked=partial(self._is_revoked, inquiry, now),
        )
        return verify_response(response, request, rules, now=now, source=url, policy=inquiry.ocsp_policy)

    def verify_again(self, record: Record, inquiry: Inquiry) -> Answer:
        """Verify what was kept like something new, but with the grace of the policy.

        :raises OcspRefused: where it does not count any more
        """
        try:
            answer = self._verify_at(record, inquiry, self.now())
        except OcspRefused as refused:
            if refused.why != "ocsp.stale" or inquiry.policy.grace <= timedelta():
                raise
            answer = self._verify_at(record, inquiry, self.now() - inquiry.policy.grace)
        return attrs.evolve(answer, fetched_at=min(record.fetched_at, self.now()))

    def _verify_at(self, record: Record, inquiry: Inquiry, now: datetime) -> Answer:
        request = OcspRequest.make(inquiry.cert_id, record.nonce)
        return self._verify(record.response, request, record.url, inquiry, now)

    def _is_revoked(self, inquiry: Inquiry, now: datetime, delegate: Certificate) -> bool | None:
        path = Path((delegate, *inquiry.issuers))
        found = check_crls(path, 0, self.lists(inquiry.key.group), now, inquiry.policy.grace)
        return None if found.status == "unknown" else found.status == "revoked"

    def _fetch(self, request: HttpRequest, url: str, by_operator: bool, seconds: float) -> Deferred[Fetched]:
        rules = self.fetcher.rules.with_host(Url.from_string(url).host) if by_operator else None
        if request.method == "GET":
            return self.fetcher.get(
                request.url,
                headers=request.headers,
                max_bytes=MAX_RESPONSE_BYTES,
                deadline_seconds=seconds,
                rules=rules,
            )
        return self.fetcher.post(
            request.url,
            body=request.body,
            headers=request.headers,
            max_bytes=MAX_RESPONSE_BYTES,
            deadline_seconds=seconds,
            rules=rules,
        )


def _http(request: OcspRequest, url: str, way: Way) -> HttpRequest:
    if way != "post":
        return request.to_http(url)
    headers = {"Accept": RESPONSE_TYPE, "Content-Type": REQUEST_TYPE}
    return HttpRequest("POST", url, headers, request.der)


def _waited_too_long(_: object, seconds: float) -> None:
    raise _busy(seconds)


def _busy(seconds: float) -> NotAsked:
    return NotAsked(f"ocsp.busy: the responder was busy for {seconds:g} seconds")
