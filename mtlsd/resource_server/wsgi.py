"""Access tokens in front of a WSGI application (PEP 3333): Flask, Django, or any other.

app.wsgi_app = WsgiGuard(app.wsgi_app, ResourceServer.with_keys(issuer, audience), "invoices:read")
...
token = verified_token(request.environ)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from mtlsd.resource_server.connection import Environ, certificate_of_environ
from mtlsd.resource_server.guard import ResourceServer
from mtlsd.resource_server.values import RefusedToken, VerifiedToken, scope_names

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

TOKEN: Final = "mtlsd.access_token"  # noqa: S105  # the name of the key in the environ

RequiredScope: TypeAlias = str | Iterable[str] | Callable[[Environ], str | Iterable[str]]


@attrs.frozen
class WsgiGuard:
    """Lets a request through to the application when its token is good on its connection.

    :ivar scope: what each request requires; or a function that tells it for an environ.
    :ivar certificate_of: gives the DER of the client certificate of a request's connection, or None; where it
        raises, the request is refused.
    """

    application: WSGIApplication
    resource_server: ResourceServer
    scope: RequiredScope = ()
    certificate_of: Callable[[Environ], bytes | None] = certificate_of_environ

    def __attrs_post_init__(self) -> None:
        if not callable(self.scope):
            scope_names(self.scope)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        authorization = environ.get("HTTP_AUTHORIZATION")
        scope = self.scope(environ) if callable(self.scope) else self.scope
        verdict = self.resource_server.check(
            [] if authorization is None else [authorization], lambda: self.certificate_of(environ), scope
        )
        if isinstance(verdict, RefusedToken):
            answer = self.resource_server.answer(verdict)
            phrase = HTTPStatus(answer.status).phrase
            start_response(f"{answer.status} {phrase}", list(answer.headers))
            return [] if environ.get("REQUEST_METHOD") == "HEAD" else [answer.body]
        environ[TOKEN] = verdict
        return self.application(environ, start_response)


def verified_token(environ: dict[str, Any]) -> VerifiedToken:
    """The token of a request that a :class:`WsgiGuard` has let through.

    :raises LookupError: where none has: the application is not behind one.
    """
    token = environ.get(TOKEN)
    if not isinstance(token, VerifiedToken):
        raise LookupError("the request has come past no WsgiGuard")
    return token
