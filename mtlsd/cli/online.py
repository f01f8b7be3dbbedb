"""`mtlsd check --online`: fetch each list and ask each responder that the configuration names, once."""

from __future__ import annotations

import os
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, Self

import attrs
from cryptography import x509
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.internet.selectreactor import SelectReactor
from twisted.python.failure import Failure

from mtlsd.config.lists import LARGEST_LIST, Lists
from mtlsd.config.model import Config
from mtlsd.config.notes import Notes
from mtlsd.config.text import shown
from mtlsd.errors import Mistake, Refusal
from mtlsd.fetch.addresses import AddressRules
from mtlsd.fetch.fetcher import Fetcher
from mtlsd.fetch.lookups import SystemResolver
from mtlsd.fetch.refused import FetchRefused
from mtlsd.fetch.trust import Trust
from mtlsd.fetch.url import Url
from mtlsd.ops.audit import utc_now
from mtlsd.pki.crl_table import CrlTable
from mtlsd.pki.ocsp_refused import OcspRefused
from mtlsd.pki.ocsp_request import NONCE_OCTETS, CertId
from mtlsd.pki.path import AnchorGroup, PathValidator
from mtlsd.pki.revocation import RevocationPolicy
from mtlsd.revocation.crl_book import CrlLimits
from mtlsd.revocation.inquiry import Inquiry, Key
from mtlsd.revocation.ocsp_exchange import Exchange
from mtlsd.revocation.responders import NotAsked, ResponderLimits, Responders

_RESPONDER_SECONDS: Final = 10.0
_NO_LISTS: Final = CrlTable.build(())
_NO_SUCH_CERTIFICATE: Final = "ocsp.status.unauthorized"  # RFC 5019 §2.2.3: it answers, though

_FETCH: Final = "See whether it can be reached from here."

_Work = Coroutine[Deferred[Any], Any, Notes]


def online_mistakes(config: Config) -> Sequence[Mistake]:
    """What failed, as warnings, in the order of the configuration.

    It runs a reactor of its own until everything has been answered or is out of time.
    """
    reactor: Any = SelectReactor()
    found: list[Sequence[Mistake] | Failure] = []

    def start() -> None:
        asking = Deferred.fromCoroutine(_Online.over(reactor, config).ask())
        asking.addBoth(found.append).addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(start)
    reactor.run(installSignalHandlers=False)
    (result,) = found
    if isinstance(result, Failure):
        result.raiseException()
    return [attrs.evolve(mistake, fatal=False) for mistake in result]


@attrs.frozen
class _Online:
    """:ivar clock: the reactor's."""

    config: Config
    fetcher: Fetcher
    clock: IReactorTime

    @classmethod
    def over(cls, reactor: Any, config: Config) -> Self:
        trust = Trust.system(root.der for root in config.fetch.trusted_certificates)
        rules = AddressRules.allowing(config.fetch.allow)
        fetcher = Fetcher(reactor, reactor, SystemResolver(reactor.nameResolver), rules, trust)
        return cls(config, fetcher, reactor)

    async def ask(self) -> Sequence[Mistake]:
        work = [one for group in self.config.groups for one in self._of_group(group)]
        try:
            found = await gatherResults(list(map(Deferred.fromCoroutine, work)), consumeErrors=True)
        finally:
            self.fetcher.close()
        return [mistake for notes in found for mistake in notes.found]

    def _of_group(self, group: AnchorGroup) -> Iterator[_Work]:
        """Everything there is to ask for one group."""
        policy = group.revocation
        if policy is None:
            return
        for url in policy.crl_urls:
            yield self._list(group, policy, url, self._rules_for(url))
        own = (*group.anchors, *group.intermediates) if policy.crl_from_certificate else ()
        for url in dict.fromkeys(url for certificate in own for url in certificate.crl_urls):
            yield self._list(group, policy, url, self.fetcher.rules)
        if policy.ocsp_url is not None and group.anchors:
            yield self._responder(group, policy, policy.ocsp_url)

    def _notes(self, group: AnchorGroup) -> Notes:
        return Notes(self.config.path.name, f"trust_anchors.{group.name}")

    def _rules_for(self, url: str) -> AddressRules:
        """Who writes a URL into the configuration allows it."""
        return self.fetcher.rules.with_host(Url.from_string(url).host)

    async def _list(
        self, group: AnchorGroup, policy: RevocationPolicy, url: str, rules: AddressRules
    ) -> Notes:
        notes, limits = self._notes(group), CrlLimits()
        try:
            fetched = await self.fetcher.get(
                url, max_bytes=limits.list_bytes, deadline_seconds=limits.fetch_seconds, rules=rules
            )
        except FetchRefused as refused:
            remedy = "See whether it can be reached from here; [fetch] says what else may be."
            notes.warn("revocation.crl", f"{shown(url)} was not fetched: {refused}", remedy)
            return notes
        lists = Lists(self.config.path.parent, group, utc_now(), policy.grace, LARGEST_LIST, notes)
        lists.read("revocation.crl", url, fetched.body)
        return notes

    async def _responder(self, group: AnchorGroup, policy: RevocationPolicy, url: str) -> Notes:
        notes, key = self._notes(group), "revocation.ocsp"
        subject, inquiry = _inquiry(group, policy, url)
        responders = Responders(ResponderLimits(), self.clock.seconds, lambda: 0.5, utc_now, lambda _: None)
        exchange = Exchange(self.fetcher, self.clock, utc_now, _nonce, lambda _: _NO_LISTS, responders)
        try:
            found = await exchange.ask(responders.of(url), url, inquiry, _RESPONDER_SECONDS)
        except (FetchRefused, OcspRefused, NotAsked) as refused:
            if subject is not None or not str(refused).startswith(_NO_SUCH_CERTIFICATE):
                asked = subject or f"a certificate of {group.anchors[0].subject.to_string()}"
                message = f"{shown(url)} gives no answer about {asked} that counts: {refused}"
                notes.warn(
                    key, message, _FETCH if isinstance(refused, FetchRefused) else _other_remedy(policy)
                )
            return notes
        if subject is not None and found.answer.status != "good":
            remedy = "Remove that CA, or ask those who run the responder."
            notes.warn(key, f"{shown(url)} says of {subject}: {found.answer.status}", remedy)
        return notes


def _inquiry(group: AnchorGroup, policy: RevocationPolicy, url: str) -> tuple[str | None, Inquiry]:
    """What to ask: about one of the group's own CAs, by that subject, or about a number that nobody has."""
    validator = PathValidator.from_groups((group,), strict=False)
    for own in group.intermediates:
        with suppress(Refusal):
            path = validator.build(own, (), utc_now())
            return own.subject.to_string(), Inquiry.of(group, own, path.certificates[1:])
    anchor = group.anchors[0]
    invented = Inquiry(
        key=Key.of(group.name, anchor, anchor),
        policy=policy,
        cert_id=CertId.numbered(x509.random_serial_number(), anchor),
        urls=(url,),
        by_operator=True,
        issuers=(anchor,),
        facts={},
        not_after=anchor.not_after,
    )
    return None, invented


def _other_remedy(policy: RevocationPolicy) -> str:
    """For a responder that answers, but not so that it counts."""
    if policy.order[0] == "crl":
        return "Where it answers for other CAs, see that a list tells of this one; else ask who runs it."
    remedy = (
        'Where it answers for other CAs, configure a list that tells of this one, and order = ["crl", "ocsp"]'
    )
    return f'{remedy}; or take ocsp = "from-certificate". Else ask who runs it.'


def _nonce() -> bytes:
    return os.urandom(NONCE_OCTETS)
