"""Access tokens in front of a resource of twisted.web.

site = Site(GuardedResource(resource, ResourceServer.with_keys(issuer, audience), "invoices:read"))
...
token = verified_token(request)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import attrs
from OpenSSL import crypto
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import IResource, getChildForRequest
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from mtlsd.resource_server.guard import ResourceServer, Waiting, facts_for_log
from mtlsd.resource_server.values import RefusedToken, Verdict, VerifiedToken, scope_names

Threads = Callable[[Callable[[], Verdict]], "Deferred[Verdict]"]

_TOKEN: Final = "_mtlsd_access_token"  # noqa: S105  # the name of an attribute of the request
_log: Final = Logger("mtlsd.resource_server")


def certificate_of_request(request: Any) -> bytes | None:
    """The DER of the client certificate of a request's connection, as OpenSSL has it."""
    peer = getattr(request.transport, "getPeerCertificate", None)
    certificate = peer() if callable(peer) else None
    return None if certificate is None else crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)


def log_refused(refused: RefusedToken) -> None:
    """One warning by :mod:`twisted.logger`."""
    _log.warn("access.refused {code} {facts}", code=refused.refusal.reason.code, facts=facts_for_log(refused))


def in_thread(finish: Callable[[], Verdict]) -> Deferred[Verdict]:
    """In the pool of the reactor that runs."""
    return deferToThread(finish)


def check_request(
    request: Any,
    resource_server: ResourceServer,
    scope: str | Iterable[str] = (),
    certificate_of: Callable[[Any], bytes | None] = certificate_of_request,
    threads: Threads = in_thread,
) -> Deferred[bytes | None]:
    """Check a request.

    :return: None where it is good: :func:`verified_token` has its token now. Otherwise the body of the
        answer, whose status and headers are set.
    """
    authorization = request.requestHeaders.getRawHeaders(b"authorization", [])
    found = resource_server.begin(authorization, lambda: certificate_of(request), scope)
    waited = (
        maybeDeferred(threads, found.finish) if isinstance(found, Waiting) else maybeDeferred(lambda: found)
    )

    def judged(verdict: Verdict) -> bytes | None:
        if isinstance(verdict, VerifiedToken):
            setattr(request, _TOKEN, verdict)
            return None
        answer = resource_server.answer(verdict, log_refused)
        request.setResponseCode(answer.status)
        for name, value in answer.headers:
            request.setHeader(name.encode("ascii"), value.encode("ascii"))
        return answer.body

    return waited.addCallback(judged)


def verified_token(request: Any) -> VerifiedToken:
    """The token of a request that was let through.

    :raises LookupError: where nobody has checked it: the resource is not behind a guard.
    """
    token = getattr(request, _TOKEN, None)
    if not isinstance(token, VerifiedToken):
        raise LookupError("the request has come past no guard")
    return token


@implementer(IResource)
@attrs.define(eq=False, slots=False)  # putChild of twisted.web writes an attribute `server`
class GuardedResource:
    """Lets a request through to a resource, or to whatever is below it, when its token is good.

    :ivar scope: what each request requires.
    :ivar certificate_of: gives the DER of the client certificate of a request's connection, or None; where it
        raises, the request is refused.
    """

    isLeaf = False

    resource: IResource
    resource_server: ResourceServer
    scope: tuple[str, ...] = attrs.field(default=(), converter=scope_names)
    certificate_of: Callable[[Any], bytes | None] = certificate_of_request
    threads: Threads = in_thread

    def getChildWithDefault(self, name: bytes, request: Any) -> IResource:
        request.postpath.insert(0, request.prepath.pop())
        return _Checked(self)

    def putChild(self, path: bytes, child: IResource) -> None:
        """:raises NotImplementedError: always: put it below the resource that is guarded"""
        raise NotImplementedError("put children below the resource that is guarded")

    def render(self, request: Any) -> int:
        return _Checked(self).render(request)


@implementer(IResource)
@attrs.frozen(eq=False)
class _Checked:
    """The rest of the way to the resource, which goes on once the request is checked."""

    isLeaf = True

    guard: GuardedResource

    def getChildWithDefault(self, name: bytes, request: Any) -> IResource:
        raise NotImplementedError("a leaf")

    def putChild(self, path: bytes, child: IResource) -> None:
        raise NotImplementedError("a leaf")

    def render(self, request: Any) -> int:
        guard, gone = self.guard, [False]
        checked = check_request(
            request, guard.resource_server, guard.scope, guard.certificate_of, guard.threads
        )

        def left(_: object) -> None:
            gone[0] = True

        def go_on(body: bytes | None) -> None:
            if gone[0]:
                return
            if body is not None:
                request.write(body)
                request.finish()
            else:
                request.render(getChildForRequest(guard.resource, request))

        request.notifyFinish().addErrback(left)
        checked.addCallback(go_on).addErrback(_failed, request)
        return NOT_DONE_YET


def _failed(failure: Failure, request: Any) -> None:
    _log.failure("a guarded resource fails", failure)
    request.processingFailed(failure)
