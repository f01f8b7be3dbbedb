"""One request and its answer over one connection: HTTP/1.1 by Twisted, held within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs
from OpenSSL import SSL
from service_identity.exceptions import VerificationError
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectError, ConnectingCancelledError, ConnectionClosed
from twisted.internet.interfaces import IConsumer, IReactorTCP
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.web.client import Agent, RequestTransmissionFailed, ResponseDone, ResponseFailed
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer, IResponse
from zope.interface import implementer

from mtlsd.fetch.connection import CheckedEndpoint
from mtlsd.fetch.refused import FetchRefused
from mtlsd.fetch.url import Url

_KEPT: Final = ("age", "cache-control", "content-type", "date", "etag", "expires", "last-modified")
_NOT_MODIFIED: Final = 304
_CONDITIONS: Final = frozenset({"if-none-match", "if-modified-since"})


@attrs.frozen
class Request:
    """What is asked for.

    :ivar max_bytes: how long the answer's body may be.
    """

    method: str
    url: Url
    headers: Mapping[str, str]
    body: bytes
    max_bytes: int

    @property
    def is_conditional(self) -> bool:
        return not _CONDITIONS.isdisjoint(name.lower() for name in self.headers)


@attrs.frozen
class Fetched:
    """What came back.

    :ivar status: 200; or 304 with an empty body, to a conditional request only.
    :ivar headers: those that tell how long it may be kept and what it is, by their names in lower case.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = attrs.field(repr=False)


async def exchange(reactor: IReactorTCP, endpoint: CheckedEndpoint, request: Request) -> Fetched:
    """Connect, ask and read the answer. However this ends, the connection is closed; cancel it to give up.

    :raises FetchRefused: whatever goes wrong
    """
    # A pool without persistence and a factory that ignores URIs: connections are made here and nowhere else.
    agent = Agent.usingEndpointFactory(reactor, endpoint)
    try:
        response = await agent.request(
            request.method.encode("ascii"),
            str(request.url).encode("ascii"),
            _headers(request),
            _Body(request.body) if request.body else None,
        )
        if endpoint.meter is not None:
            endpoint.meter.is_open = True
        _check(response, request)
        body = await _read(response, request.max_bytes)
    except (ConnectError, ConnectionClosed, RequestTransmissionFailed, ResponseFailed) as error:
        if endpoint.meter is not None and endpoint.meter.exceeded:
            raise FetchRefused("headers", "the headers of the answer do not end") from None
        raise _refused(error) from None
    except ConnectingCancelledError:
        raise CancelledError from None
    finally:
        if endpoint.meter is not None:
            endpoint.meter.abort()
    return Fetched(response.code, _kept(response.headers), body)


def _headers(request: Request) -> Headers:
    """No cookie and no credentials; and nothing is ever unpacked."""
    found = Headers({"Host": [request.url.authority], "User-Agent": ["mtlsd"]})
    for name, value in {"Accept-Encoding": "identity", **request.headers}.items():
        found.setRawHeaders(name, [value])
    return found


def _check(response: IResponse, request: Request) -> None:
    code = response.code
    if 300 <= code < 400 and code != _NOT_MODIFIED:
        raise FetchRefused("redirect", f"{request.url.host} answers {code}; redirects are not followed")
    if code != 200 and not (code == _NOT_MODIFIED and request.is_conditional):
        raise FetchRefused("status", f"{request.url.host} answers {code}", code)
    codings = response.headers.getRawHeaders(b"content-encoding", [])
    if any(coding.strip().lower() not in (b"", b"identity") for coding in codings):
        raise FetchRefused("encoding", "the answer is packed, though that was not asked for")
    if isinstance(response.length, int) and response.length > request.max_bytes:
        raise FetchRefused("too_large", f"{response.length} bytes are more than {request.max_bytes}")


def _read(response: IResponse, max_bytes: int) -> Deferred[bytes]:
    reader = _Reader(max_bytes)
    response.deliverBody(reader)
    return reader.done


class _Reader(Protocol):
    """Takes a body, up to its bound."""

    def __init__(self, max_bytes: int) -> None:
        # Whoever cancels closes the connection, so nothing is to be done here.
        self.done: Deferred[bytes] = Deferred()
        self._left = max_bytes
        self._parts: list[bytes] = []

    def dataReceived(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left >= 0:
            self._parts.append(data)
        elif not self.done.called:
            self._parts.clear()
            self.done.errback(FetchRefused("too_large", "the answer is longer than it may be"))

    def connectionLost(self, reason: Failure | None = None) -> None:
        if self.done.called:
            return
        # HTTP/1.0 ends a body by closing; what it carries here tells itself whether it is whole.
        if reason is not None and reason.check(ResponseDone, PotentialDataLoss):
            self.done.callback(b"".join(self._parts))
        else:
            self.done.errback(reason or Failure(ConnectionClosed()))


def _kept(headers: Headers) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for name in _KEPT:
        value = b", ".join(headers.getRawHeaders(name.encode(), [])).decode("latin-1")
        if value and value.isascii() and value.isprintable():
            found[name] = value
    return MappingProxyType(found)


def _refused(error: Exception) -> FetchRefused | CancelledError:
    """Which of Twisted's many ways to fail this is."""
    causes = [error, *(reason.value for reason in getattr(error, "reasons", ()))]
    for cause in causes:
        if isinstance(cause, CancelledError):
            return cause
        if isinstance(cause, VerificationError):
            return FetchRefused("tls", "the server's certificate is for another name")
        if isinstance(cause, SSL.Error):
            return FetchRefused("tls", f"TLS failed: {_openssl_reason(cause)}")
    for cause in causes[1:] or causes:
        if not isinstance(cause, ConnectError | ConnectionClosed):
            return FetchRefused("http", f"the answer is not HTTP: {type(cause).__name__}")
    return FetchRefused("connection", f"{causes[-1]}")


def _openssl_reason(error: SSL.Error) -> str:
    """The first reason of OpenSSL's error queue, such as ``certificate verify failed``."""
    queue = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return ", ".join(str(entry[-1]) for entry in queue[:3]) or type(error).__name__


@implementer(IBodyProducer)
class _Body:
    """A request's body that is in memory."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        pass

    def resumeProducing(self) -> None:
        pass

    def stopProducing(self) -> None:
        pass
