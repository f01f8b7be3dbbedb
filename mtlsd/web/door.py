"""What stands before the resources of a listener: nobody comes in with a certificate that he may not forward.

On a listener for proxies the proxy is known first, by all that is configured; then the certificate that it
forwards becomes the client's of this one request. Everywhere else a field that could carry a certificate is
not overlooked: somebody tries to get it past a proxy, or the proxy is not set up as it should be.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, ClassVar
from weakref import WeakSet

import attrs
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest

from mtlsd import reasons
from mtlsd.errors import Fact, Refusal
from mtlsd.forwarded.address import last_address
from mtlsd.forwarded.connection import header_below
from mtlsd.forwarded.credentials import uid_at
from mtlsd.forwarded.fields import misplaced, once_each
from mtlsd.forwarded.formats import Reader
from mtlsd.forwarded.forwarded import ForwardedCertificate
from mtlsd.forwarded.peer import ForwardedPeer
from mtlsd.forwarded.spellings import CREDENTIALS_FIELD
from mtlsd.judge import Identity, PresentedCertificate, Provisional, Settled
from mtlsd.tls.peer import Peer, connected_peer
from mtlsd.verdicts import Judge
from mtlsd.web.answers import answer_refusal
from mtlsd.web.endpoint import Endpoint
from mtlsd.web.peers import speak_for
from mtlsd.web.refused import refused_facts
from mtlsd.web.resources import Routes

_REMEMBERED = 256  # certificates of clients that came last, as forwarded
_REMEMBERED_BYTES = 8192


@attrs.define(slots=False, eq=False)
class Door(Endpoint):
    """Of a listener that clients connect to themselves.

    :ivar listener: its name, which a connection without TLS does not know.
    :ivar guarded: the fields that carry certificates, in lower case and every spelling.
    """

    attacked: ClassVar[str] = "forwarding.refused"

    listener: str = attrs.field(kw_only=True)
    routes: Routes = attrs.field(kw_only=True)
    guarded: frozenset[bytes] = attrs.field(kw_only=True)

    def render(self, request: IRequest) -> bytes | int:
        head = getattr(request, "head", None)  # a stock Site has none
        names = _names(request) if head is None else head.values
        if self.guarded.isdisjoint(names):
            return self.routes.render(request)
        return self.turn_away(request, misplaced(next(name for name in names if name in self.guarded)))

    def turn_away(self, request: IRequest, refusal: Refusal) -> bytes:
        """Refuse, and have the audit log say that this was no mistake of a client's."""
        correlation_id = self.current.random_id()
        said = refused_facts(refusal, correlation_id, _transport(request))
        facts: dict[str, Fact] = {"listener": self.listener, **said, **self.told_of(request)}
        self.current.audit(self.attacked, facts)
        return answer_refusal(request, refusal, correlation_id)

    def told_of(self, request: IRequest) -> Mapping[str, Fact]:
        """What the sender says of where the request comes from."""
        return {}


@attrs.frozen
class ProxyRules:
    """Who a listener's proxy is, and what it sends; see :class:`mtlsd.config.model.Forwarding`.

    :ivar judge: says whether a certificate is the proxy's; None where it need not present one.
    """

    format: Reader | None
    client_address: bytes
    judge: Judge | None
    credentials: bytes | None = attrs.field(repr=False)
    uids: frozenset[int] | None


@attrs.define(slots=False, eq=False)
class ProxyDoor(Door):
    """Of a listener that a proxy connects to, for its clients."""

    rules: ProxyRules = attrs.field(kw_only=True)
    _own: frozenset[bytes] = attrs.field(init=False)
    _foreign: frozenset[bytes] = attrs.field(init=False)
    _read: dict[tuple[bytes, ...], PresentedCertificate] = attrs.field(factory=dict, init=False)
    # The kernel says who has connected, so it says the same as long as the connection is open
    _by_users: WeakSet[object] = attrs.field(factory=WeakSet, init=False)

    @_own.default
    def _own_fields(self) -> frozenset[bytes]:
        by = self.rules.format
        if by is None:
            return frozenset()
        credentials = () if self.rules.credentials is None else (CREDENTIALS_FIELD,)
        return frozenset((*by.fields, *by.beside, self.rules.client_address, *credentials))

    @_foreign.default
    def _others_fields(self) -> frozenset[bytes]:
        return self.guarded - self._own

    def render(self, request: IRequest) -> bytes | int:
        try:
            provisional = self._enter(request)
        except Refusal as refusal:
            return self.turn_away(request, refusal)
        except Exception:
            return self.failed(Failure(), request, self.current.random_id())
        if provisional is None:
            return self.routes.render(request)
        return self.later(request, self.current.random_id(), provisional)

    def told_of(self, request: IRequest) -> Mapping[str, Fact]:
        name = self.rules.client_address
        found = [value for key, value in _fields(request) if key.lower() == name]
        try:
            return {"forwarded_for": last_address(name, found[-1])} if found else {}
        except Refusal:
            return {}

    def _enter(self, request: IRequest) -> Coroutine[Any, Any, bytes | int] | None:
        """Let the request in as its client's.

        :returns: what goes on later, where nobody has said yet whether the proxy's certificate is revoked.
        :raises Refusal: forwarded.*
        """
        values = self._values(request)
        self._check_uid(request)
        self._check_credentials(values)
        provisional = self._check_certificate(request)
        client = self._client(request, values)
        if client.presented is not None:
            self._check_not_its_own(request, client.presented)
        speak_for(request, client)
        return None if provisional is None else self._after_judging(request, provisional)

    def _values(self, request: IRequest) -> Mapping[bytes, bytes]:
        """Fields by name, in lower case, of which those that only the proxy may send are there once."""
        head = getattr(request, "head", None)
        if head is None or len(head.values) < len(head.fields) or not self._foreign.isdisjoint(head.values):
            return once_each(_fields(request), self._own, self.guarded)
        values: Mapping[bytes, bytes] = head.values  # as nearly always: no field at all is there twice
        return values

    def _client(self, request: IRequest, values: Mapping[bytes, bytes]) -> ForwardedPeer:
        rules = self.rules
        if rules.format is None:
            header = header_below(_transport(request))
            if header is None:
                raise Refusal(reasons.FORWARDED_PROXY, {"expected": "a header of the PROXY protocol"})
            if header.withheld:
                detail = "the client presented a certificate, and the proxy does not forward it"
                raise Refusal(reasons.FORWARDED_MALFORMED, {"detail": detail})
            return ForwardedPeer(self.listener, header.address, self._presented(header.client_certificate))
        presented = self._read_from(rules.format, values)
        address = last_address(rules.client_address, values.get(rules.client_address, b""))
        return ForwardedPeer(self.listener, address, presented)

    def _presented(self, certificate: ForwardedCertificate | None) -> PresentedCertificate | None:
        if certificate is None:
            return None
        return PresentedCertificate(certificate.leaf, certificate.chain, self.listener, "forwarded")

    def _read_from(self, by: Reader, values: Mapping[bytes, bytes]) -> PresentedCertificate | None:
        """What the format says; clients come again, so it is remembered for a while."""
        key = tuple([values.get(name, b"") for name in by.fields])
        known = self._read.get(key)
        if known is not None:
            return known
        presented = self._presented(by.parse(values))
        if presented is not None and sum(map(len, key)) <= _REMEMBERED_BYTES:
            if len(self._read) >= _REMEMBERED:
                del self._read[next(iter(self._read))]
            self._read[key] = presented
        return presented

    # -- who the proxy is ------------------------------------------------------------------------------------

    def _check_uid(self, request: IRequest) -> None:
        transport = _transport(request)
        if self.rules.uids is None or transport in self._by_users:
            return
        uid = uid_at(transport)
        if uid not in self.rules.uids:
            seen = "no UNIX socket" if uid is None else f"user {uid}"
            raise Refusal(reasons.FORWARDED_PROXY, {"expected": "one of proxy_users", "seen": seen})
        self._by_users.add(transport)

    def _check_credentials(self, values: Mapping[bytes, bytes]) -> None:
        if self.rules.credentials is None:
            return
        given = hashlib.sha256(values.get(CREDENTIALS_FIELD, b"")).digest()
        if not hmac.compare_digest(given, self.rules.credentials):
            seen = "another" if values.get(CREDENTIALS_FIELD) else "none"
            facts: dict[str, Fact] = {"expected": "X-Proxy-Authorization as configured", "seen": seen}
            raise Refusal(reasons.FORWARDED_PROXY, facts)

    def _check_certificate(self, request: IRequest) -> Provisional | None:
        """:returns: what is yet to be settled of the proxy's certificate."""
        if self.rules.judge is None:
            return None
        found = self._proxy(request).judgement_at(self.rules.judge, self.current.now())
        if isinstance(found, Provisional):
            return found
        _check_identity(found)
        return None

    def _check_not_its_own(self, request: IRequest, presented: PresentedCertificate) -> None:
        """Whatever clients are registered: the proxy's certificate is not forwarded (P28)."""
        if self.rules.judge is None:
            return
        own = self._proxy(request).claimed
        if own is not None and own.der == presented.leaf:
            detail = "the proxy forwards its own certificate in the client's place"
            raise Refusal(reasons.FORWARDED_PROXY, {"detail": detail})

    async def _after_judging(self, request: IRequest, found: Provisional) -> bytes | int:
        assert self.rules.judge is not None  # or nothing would be provisional
        failures = await self.current.serving.resolve(found.questions)
        try:
            settled = self._proxy(request).settled(self.rules.judge, self.current.now(), failures)
            _check_identity(settled)
        except Refusal as refusal:
            return self.turn_away(request, refusal)
        return self.routes.render(request)

    def _proxy(self, request: IRequest) -> Peer:
        proxy = connected_peer(_transport(request))
        if proxy is None or not proxy.is_proxy:
            raise Refusal(reasons.FORWARDED_PROXY, {"expected": "the proxy's certificate"})
        return proxy


def _check_identity(found: Settled | None) -> None:
    if not isinstance(found, Identity):
        why: dict[str, Fact] = {"detail": "it came without a certificate"}
        if found is not None:
            why = {**found.refusal.facts, "detail": found.refusal.reason.code}
        raise Refusal(reasons.FORWARDED_PROXY, why)


def _fields(request: IRequest) -> Iterable[tuple[bytes, bytes]]:
    head = getattr(request, "head", None)
    if head is not None:
        fields: Iterable[tuple[bytes, bytes]] = head.fields
        return fields
    headers = request.requestHeaders.getAllRawHeaders()
    return [(name, value) for name, values in headers for value in values]


def _transport(request: IRequest) -> object:
    return getattr(request, "transport", None)


def _names(request: IRequest) -> list[bytes]:
    return [name.lower() for name, _ in request.requestHeaders.getAllRawHeaders()]
