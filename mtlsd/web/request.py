"""A request as resources of twisted.web know it, over a head that is already parsed.

It has the names of :class:`twisted.web.server.Request` that resources use, not all of them: no sessions, no
cookies, no ``args`` (forms are parsed strictly, by the resources' own parser), no producers.
"""

from __future__ import annotations

from io import BytesIO
from typing import AnyStr

from twisted.internet.interfaces import IAddress, ITransport
from twisted.web.http_headers import Headers

from mtlsd.web.http11 import Head
from mtlsd.web.reply import Carrier, Reply


class Request(Reply):
    """One request, and through :class:`mtlsd.web.reply.Reply` its answer.

    :ivar head: the parsed head; ``header`` is the cheap way to one field.
    """

    strictly_parsed = True  # mtlsd.web.strict need not look again
    client_peer: object  # for mtlsd.web.peers
    _request_headers: Headers | None = None

    def __init__(self, channel: Carrier, head: Head, body: bytes, keep_alive: bool) -> None:
        super().__init__(channel, keep_alive, head.method == b"HEAD", head.version == b"HTTP/1.1")
        self.client_peer = channel.client_peer
        self.head = head
        self.method = head.method
        self.uri = head.target
        self.path = head.path
        self.clientproto = head.version
        self.content = BytesIO(body)
        self.prepath: list[bytes] = []
        self.postpath = list(head.segments)

    def __repr__(self) -> str:
        return f"<Request {self.method!r} {self.path!r}>"

    def header(self, name: bytes) -> bytes | None:
        """Look up the last value of a field.

        :param name: in lower case.
        """
        return self.head.values.get(name)

    def getHeader(self, key: AnyStr) -> AnyStr | None:
        """Look up the last value of a field, whatever the case of its name."""
        if isinstance(key, bytes):
            return self.head.values.get(key.lower())
        value = self.head.values.get(key.lower().encode("latin-1", "replace"))
        return None if value is None else value.decode("latin-1")

    @property
    def requestHeaders(self) -> Headers:
        """All fields, as twisted.web has them; made when first asked for."""
        headers = self._request_headers
        if headers is None:
            headers = self._request_headers = Headers()
            for name, value in self.head.fields:
                headers.addRawHeader(name, value)
        return headers

    @property
    def site(self) -> object:
        return self.channel.site

    @property
    def transport(self) -> ITransport | None:
        return self.channel.transport

    def getClientAddress(self) -> IAddress | None:
        transport = self.channel.transport
        return None if transport is None else transport.getPeer()

    def getClientIP(self) -> str | None:
        host = getattr(self.getClientAddress(), "host", None)
        return host if isinstance(host, str) else None

    def getHost(self) -> IAddress | None:
        transport = self.channel.transport
        return None if transport is None else transport.getHost()

    def getRequestHostname(self) -> bytes:
        """Give the Host without its port; empty when there is none, as HTTP/1.0 allows."""
        host = self.head.values.get(b"host", b"")
        return host[: host.index(b"]") + 1] if host.startswith(b"[") else host.partition(b":")[0]

    def isSecure(self) -> bool:
        return self.channel.is_secure()
