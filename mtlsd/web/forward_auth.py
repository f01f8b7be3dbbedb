"""The forward-auth endpoint: a proxy asks whether a request may pass to the application behind it.

It asks with the client's own Authorization field and the certificate that the client has presented to it, and
says in the URL, or in fields, what is demanded. Whoever may pass is named in fields of the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final
from urllib.parse import quote

import attrs
from twisted.web.iweb import IRequest

from mtlsd import reasons
from mtlsd.errors import Fact, Refusal
from mtlsd.forwarded.peer import ForwardedPeer
from mtlsd.pki.printable import printable
from mtlsd.resource_server.answer import answer_for
from mtlsd.resource_server.bearer import bearer_token
from mtlsd.resource_server.issued import verify_issued
from mtlsd.resource_server.values import RefusedToken, TokenRules, Verdict, VerifiedToken
from mtlsd.web.answers import NO_STORE, RETRY_AFTER_SECONDS, answer_refusal
from mtlsd.web.endpoint import Endpoint
from mtlsd.web.forward_auth_demands import Demands
from mtlsd.web.peers import client_of

PATH: Final = "/forward-auth"
AUDIENCE_FIELD: Final = b"x-forward-auth-audience"
SCOPE_FIELD: Final = b"x-forward-auth-scope"
NO_SCOPE: Final = '""'
"""In place of an empty value, which proxies take for none, and would leave the client's own in its place. No
scope has such a name (RFC 6749 section 3.3)."""

_LONGEST: Final = 200
_KEPT: Final = "".join(chr(octet) for octet in range(0x21, 0x7F) if octet != 0x25)
_METHODS: Final = (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS")
# What the client did wrong is a 401: many a proxy makes a 500 of everything but 401 and 403.
_UNAUTHORIZED: Final = (reasons.ACCESS_TOKEN_REQUEST, reasons.FORWARD_AUTH_FORGED)
# What the proxy does wrong is told as it is, to whoever sets it up.
_MISTAKES: Final = (reasons.FORWARD_AUTH_DEMANDS, reasons.FORWARDED_PROXY)


def identity_fields(token: VerifiedToken) -> dict[bytes, bytes]:
    """Who may pass. Each field is always there, and never empty: so the proxy can overwrite the client's own.

    Of client and subject, everything but the printable ASCII characters is percent-encoded, and so is `%`:
    different names stay different, and none of them can end the field.
    """
    return {
        b"x-auth-client-id": _encoded(token.client_id),
        b"x-auth-subject": _encoded(token.subject),
        b"x-auth-scope": (" ".join(token.scope) or NO_SCOPE).encode("ascii"),
        b"x-auth-expires": b"%d" % token.expires_at.timestamp(),
    }


@attrs.define(slots=False, eq=False)
class ForwardAuth(Endpoint):
    """Where the query says what is demanded: the proxy asks one URL that the client has no part in."""

    methods: ClassVar[tuple[bytes, ...]] = _METHODS
    refused = "forward_auth.refused"

    def respond(self, request: IRequest, correlation_id: str) -> int:
        return self.later(request, correlation_id, self._answer(request, correlation_id))

    def demands(self, request: IRequest) -> Demands:
        """:raises Refusal: forward_auth.*"""
        if _values(request, AUDIENCE_FIELD) or _values(request, SCOPE_FIELD):
            raise Refusal(reasons.FORWARD_AUTH_FORGED)
        return Demands.from_query(request.uri.partition(b"?")[2])

    def asked_for(self, request: IRequest) -> str:
        """What the client wants from the application, says the proxy; for the audit log alone."""
        names = (b"x-forwarded-method", b"x-forwarded-host", b"x-forwarded-uri")
        method, host, uri = (b"".join(_values(request, name)[-1:]) for name in names)
        return _shown(method, host, uri)

    async def _answer(self, request: IRequest, correlation_id: str) -> bytes:
        peer = client_of(request)
        facts: dict[str, Fact] = {"correlation_id": correlation_id}
        if peer is not None:
            facts |= {"listener": peer.listener, "address": peer.address}
        facts["request"] = self.asked_for(request)
        try:
            verdict = await self._verdict(request)
        except Refusal as refusal:
            verdict = RefusedToken(refusal)
        if isinstance(verdict, VerifiedToken):
            self.current.audit("forward_auth.allowed", {**facts, **verdict.facts})
            return _allow(request, verdict)
        said = {"reason": verdict.refusal.reason.code, **verdict.refusal.facts, **verdict.facts}
        self.current.audit(self.refused, {**facts, **said})
        if verdict.refusal.reason in _MISTAKES:
            return answer_refusal(request, verdict.refusal, correlation_id)
        return _refuse(request, verdict)

    async def _verdict(self, request: IRequest) -> Verdict:
        """:raises Refusal: where it does not come as far as the token"""
        peer = client_of(request)
        if not isinstance(peer, ForwardedPeer):  # the configuration sees to it; this fails closed
            raise Refusal(reasons.FORWARDED_PROXY, {"expected": "a proxy"})
        demands = self.demands(request)
        tokens = self.current.serving.introspection.tokens
        token = bearer_token(_values(request, b"authorization"))
        rules = TokenRules(tokens.issuer, demands.audiences)
        return await verify_issued(tokens, token, peer.presented, rules, self.current.now(), demands.scope)


@attrs.define(slots=False, eq=False)
class ForwardAuthBelow(ForwardAuth):
    """Where the proxy appends the client's own path and query: they mean nothing, and fields say it.

    :ivar path: what stands before the client's path.
    """

    path: bytes = attrs.field(kw_only=True)

    def demands(self, request: IRequest) -> Demands:
        return Demands.from_fields(_values(request, AUDIENCE_FIELD), _values(request, SCOPE_FIELD))

    def asked_for(self, request: IRequest) -> str:
        host = b"".join(_values(request, b"host")[-1:])
        return _shown(request.method, host, request.uri.removeprefix(self.path))


def _values(request: IRequest, name: bytes) -> Sequence[bytes]:
    """The value of every field of that name."""
    found: Sequence[bytes] | None = request.requestHeaders.getRawHeaders(name)
    return found or ()


def _shown(method: bytes, host: bytes, uri: bytes) -> str:
    """Without the query, which may hold secrets."""
    path = uri.partition(b"?")[0]
    return printable((method[:16] + b" " + host[:_LONGEST] + path[:_LONGEST]).decode("latin-1")).strip()


def _encoded(text: str) -> bytes:
    return quote(text, safe=_KEPT, errors="surrogatepass").encode("ascii")


def _allow(request: IRequest, token: VerifiedToken) -> bytes:
    request.setResponseCode(200)
    for name, value in identity_fields(token).items():
        request.setHeader(name, value)
    request.setHeader(b"cache-control", NO_STORE)  # it is for one certificate and one moment (R71)
    request.setHeader(b"content-length", b"0")
    return b""


def _refuse(request: IRequest, refused: RefusedToken) -> bytes:
    """As RFC 6750 section 3 has it; proxies pass that on to their client."""
    answer = answer_for(refused)
    request.setResponseCode(401 if refused.refusal.reason in _UNAUTHORIZED else answer.status)
    for name, value in answer.headers:
        request.setHeader(name.encode("ascii"), value.encode("ascii"))
    if answer.status == 503:
        request.setHeader(b"retry-after", RETRY_AFTER_SECONDS)
    return answer.body
