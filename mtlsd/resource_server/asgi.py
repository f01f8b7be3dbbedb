"""Access tokens in front of an ASGI 3 application: Starlette, FastAPI, or any other.

guarded = AsgiGuard(app, ResourceServer.with_keys(issuer, audience), "invoices:read")
...
token = verified_token(request.scope)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, Final, TypeAlias

import attrs

from mtlsd.resource_server.answer import Answer
from mtlsd.resource_server.connection import certificate_of_scope
from mtlsd.resource_server.guard import ResourceServer, Waiting
from mtlsd.resource_server.values import RefusedToken, Verdict, VerifiedToken, scope_names

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
RequiredScope: TypeAlias = str | Iterable[str] | Callable[[Scope], str | Iterable[str]]

TOKEN: Final = "mtlsd.access_token"  # noqa: S105  # the name of the key in the scope
_MOST_THREADS: Final = 32
_POLICY_VIOLATION: Final = 1008  # RFC 6455 section 7.4.1


def _threads() -> Executor:
    """Their own: whoever waits for the authorization server takes no thread from the application."""
    return ThreadPoolExecutor(_MOST_THREADS, "mtlsd-resource-server")


@attrs.frozen
class AsgiGuard:
    """Lets a request, or a WebSocket's handshake, through when its token is good on its connection.

    What is neither, and not the application's own start and end (`lifespan`), is refused.

    :ivar scope: what each request requires; or a function that tells it for a connection scope of ASGI.
    :ivar certificate_of: gives the DER of the client certificate of a request's connection, or None; where it
        raises, the request is refused.
    """

    application: Application
    resource_server: ResourceServer
    scope: RequiredScope = ()
    certificate_of: Callable[[Mapping[str, Any]], bytes | None] = certificate_of_scope
    _executor: Executor = attrs.field(factory=_threads, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if not callable(self.scope):
            scope_names(self.scope)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.application(scope, receive, send)
            return
        if scope["type"] not in ("http", "websocket"):
            raise ValueError(f"nobody has checked what {scope['type']!r} is")
        verdict = await self._check(scope)
        if isinstance(verdict, RefusedToken):
            await _refuse(scope, send, self.resource_server.answer(verdict))
        else:
            await self.application({**scope, TOKEN: verdict}, receive, send)

    async def _check(self, scope: Scope) -> Verdict:
        fields = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
        required = self.scope(scope) if callable(self.scope) else self.scope
        found = self.resource_server.begin(fields, lambda: self.certificate_of(scope), required)
        if isinstance(found, Waiting):
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._executor, found.finish)
        return found


def verified_token(scope: Mapping[str, Any]) -> VerifiedToken:
    """The token of a request that an :class:`AsgiGuard` has let through.

    :raises LookupError: where none has: the application is not behind one.
    """
    token = scope.get(TOKEN)
    if not isinstance(token, VerifiedToken):
        raise LookupError("the request has come past no AsgiGuard")
    return token


async def _refuse(scope: Scope, send: Send, answer: Answer) -> None:
    """A WebSocket that is closed before it is open gets 403, or our answer where the server can send one."""
    prefix = scope["type"]
    if prefix == "websocket":
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        prefix = "websocket.http"
    headers = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in answer.headers]
    await send({"type": f"{prefix}.response.start", "status": answer.status, "headers": headers})
    body = b"" if scope.get("method") == "HEAD" else answer.body
    await send({"type": f"{prefix}.response.body", "body": body})
