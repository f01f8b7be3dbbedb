"""What the channel asks of Twisted's transports and resources, in types: their own interfaces have none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IPushProducer, IReactorTime

from mtlsd.errors import Refusal
from mtlsd.web.http11 import RememberedHeads
from mtlsd.web.limits import Limits
from mtlsd.web.observer import Connection, ConnectionObserver
from mtlsd.web.request import Request
from mtlsd.web.response import HeaderList

ErrorBody = Callable[[Refusal, object], tuple[HeaderList, bytes]]
"""Makes header fields and body of an error answer from a refusal and the transport of the connection."""


class Wire(Protocol):
    """What a channel needs of its transport: a TCP or UNIX connection, or TLS over one."""

    def write(self, data: bytes) -> None: ...

    def loseConnection(self) -> None: ...

    def abortConnection(self) -> None: ...

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None: ...

    def unregisterProducer(self) -> None: ...

    def pauseProducing(self) -> None: ...

    def resumeProducing(self) -> None: ...


class WebResource(Protocol):
    """What a channel asks of a resource: :class:`twisted.web.resource.IResource`, in types."""

    @property
    def isLeaf(self) -> bool | int: ...

    def getChildWithDefault(self, name: bytes, request: Request) -> WebResource: ...

    def render(self, request: Request) -> object: ...


class Owner(Protocol):
    """What a channel needs of the factory that made it."""

    @property
    def clock(self) -> IReactorTime: ...

    @property
    def limits(self) -> Limits: ...

    @property
    def observer(self) -> ConnectionObserver: ...

    @property
    def resource(self) -> WebResource: ...

    @property
    def heads(self) -> RememberedHeads: ...

    @property
    def error_body(self) -> ErrorBody: ...

    def date_line(self) -> bytes: ...

    def opened(self, channel: Connection) -> None: ...

    def closed(self, channel: Connection) -> None: ...


def find_resource(resource: WebResource, request: Request) -> WebResource:
    """Go down the tree of resources as :func:`twisted.web.resource.getChildForRequest` does."""
    while request.postpath and not resource.isLeaf:
        segment = request.postpath.pop(0)
        request.prepath.append(segment)
        resource = resource.getChildWithDefault(segment, request)
    return resource
