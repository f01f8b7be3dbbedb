"""Access tokens in front of the routes of a klein application.

guarded = guard(ResourceServer.with_keys(issuer, audience))

@app.route("/invoices")
@guarded("invoices:read")
def invoices(request): ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.web.iweb import IRequest

from mtlsd.resource_server.guard import ResourceServer
from mtlsd.resource_server.twisted_web import Threads, certificate_of_request, check_request, in_thread
from mtlsd.resource_server.values import scope_names

Handler = Callable[..., Any]


def guard(
    resource_server: ResourceServer,
    certificate_of: Callable[[Any], bytes | None] = certificate_of_request,
    threads: Threads = in_thread,
) -> Callable[..., Callable[[Handler], Handler]]:
    """What makes decorators, one for each scope, to stand below ``@app.route``.

    A handler is called when the token is good, and finds it with
    :func:`~mtlsd.resource_server.twisted_web.verified_token`.
    """

    def guarded(scope: str | Iterable[str] = ()) -> Callable[[Handler], Handler]:
        required = scope_names(scope)

        def decorate(handler: Handler) -> Handler:
            @wraps(handler)
            def checked(*arguments: Any, **names: Any) -> Deferred[Any]:
                request = next(one for one in arguments[:2] if IRequest.providedBy(one))
                found = check_request(request, resource_server, required, certificate_of, threads)
                return found.addCallback(
                    lambda body: maybeDeferred(handler, *arguments, **names) if body is None else body
                )

            return checked

        return decorate

    return guarded
