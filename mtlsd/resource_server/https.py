"""Asking the authorization server: HTTPS by the standard library's client, held within bounds.

Redirects are not followed, proxies of the environment are not used, and nothing is unpacked. One deadline is
over connecting, TLS and the whole answer.
"""

from __future__ import annotations

import http.client
import os
import ssl
import threading
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from mtlsd.fetch.refused import FetchRefused
from mtlsd.fetch.url import Url
from mtlsd.jose.compact import json_object
from mtlsd.resource_server.deadline import TimedSocket, connect, has_something_to_read, seconds_until
from mtlsd.resource_server.tls import TlsFiles

_MOST_IDLE: Final = 8
_LONGEST_IDLE: Final = 30.0  # seconds; many servers end a connection after a minute
_JSON: Final = frozenset({"application/json", "application/jwk-set+json"})


@attrs.frozen
class Document:
    """A JSON object that was fetched.

    :ivar headers: of the answer, by their names in lower case.
    """

    members: Mapping[str, Any] = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict)


@attrs.define(eq=False)
class HttpsClient:
    """Asks for JSON over verified HTTPS. Threads may share it, and processes that are forked from one.

    :ivar tls: the trust anchors, and the own certificate.
    :ivar deadline_seconds: for each question, the answer included.
    :ivar max_bytes: how long an answer may be.
    """

    tls: TlsFiles = attrs.field(factory=TlsFiles)
    deadline_seconds: float = 5.0
    max_bytes: int = 262_144
    _idle: list[_Connection] = attrs.field(factory=list, init=False, repr=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def get(self, url: Url) -> Document:
        """:raises FetchRefused: whatever goes wrong"""
        return self._ask("GET", url, None)

    def post(self, url: Url, form: bytes) -> Document:
        """Post a form that does no harm if it arrives twice.

        :raises FetchRefused: whatever goes wrong
        """
        return self._ask("POST", url, form)

    def _ask(self, method: str, url: Url, form: bytes | None) -> Document:
        ends_at = time.monotonic() + self.deadline_seconds
        try:
            return self._exchange(method, url, form, ends_at)
        except TimeoutError:
            raise FetchRefused("deadline", f"not done within {self.deadline_seconds:g} seconds") from None
        except ssl.SSLError as error:
            raise FetchRefused("tls", str(error)) from None
        except OSError as error:
            raise FetchRefused("connection", str(error)) from None
        except (http.client.HTTPException, ValueError) as error:
            raise FetchRefused("http", f"{type(error).__name__}: {error}") from None

    def _exchange(self, method: str, url: Url, form: bytes | None, ends_at: float) -> Document:
        kept = self._take(url)
        if kept is not None:
            try:
                return self._over(kept, method, url, form, ends_at)
            except TimeoutError:
                raise
            except (OSError, http.client.HTTPException):
                seconds_until(ends_at)  # the server has closed it meanwhile: ask again, once, over a new one
        context = self.tls.context(TimedSocket)
        return self._over(
            _Connection(url, connect(url.host, url.port, context, ends_at)), method, url, form, ends_at
        )

    def _over(
        self, connection: _Connection, method: str, url: Url, form: bytes | None, ends_at: float
    ) -> Document:
        try:
            document, reusable = connection.ask(method, url, form, self.max_bytes, ends_at)
        except BaseException:
            connection.close()
            raise
        if reusable:
            self._keep(connection)
        else:
            connection.close()
        return document

    def _take(self, url: Url) -> _Connection | None:
        now = time.monotonic()
        with self._lock:
            dropped = [own for own in self._idle if not own.is_usable(now)]
            fitting = [own for own in self._idle if own.leads_to(url) and own not in dropped]
            taken = fitting[-1] if fitting else None
            self._idle = [own for own in self._idle if own is not taken and own not in dropped]
        for own in dropped:
            own.close()
        return taken

    def _keep(self, connection: _Connection) -> None:
        connection.idle_since = time.monotonic()
        with self._lock:
            self._idle.append(connection)
            dropped, self._idle = self._idle[:-_MOST_IDLE], self._idle[-_MOST_IDLE:]
        for own in dropped:
            own.close()


class _Connection:
    """A connection that may be used again."""

    def __init__(self, url: Url, connected: TimedSocket) -> None:
        self._authority, self._pid, self.idle_since = url.authority, os.getpid(), 0.0
        self._socket = connected
        self._http = http.client.HTTPConnection(url.host, url.port)
        self._http.sock = connected
        self._http.auto_open = 0

    def is_usable(self, now: float) -> bool:
        """In a forked process a connection is its parent's: two that write to it would mix their records."""
        mine = self._pid == os.getpid() and now - self.idle_since < _LONGEST_IDLE
        return mine and not has_something_to_read(self._socket)

    def leads_to(self, url: Url) -> bool:
        return self._authority == url.authority

    def close(self) -> None:
        self._http.close()

    def ask(
        self, method: str, url: Url, form: bytes | None, max_bytes: int, ends_at: float
    ) -> tuple[Document, bool]:
        """:return: what was answered, and whether the connection can be used again"""
        self._socket.ends_at = ends_at
        headers = {
            "Host": url.authority,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "mtlsd-resource-server",
        }
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self._http.request(method, url.target, form, headers)
        response = self._http.getresponse()
        _check(response, url)
        body = response.read(max_bytes + 1)
        if len(body) > max_bytes:
            raise FetchRefused("too_large", f"the answer has more than {max_bytes} bytes")
        if response.length:
            raise FetchRefused("http", "the answer is cut short")
        reusable = response.isclosed() and not response.will_close
        told = MappingProxyType({name.lower(): value for name, value in response.getheaders()})
        try:
            return Document(json_object(body), told), reusable
        except ValueError as error:
            raise FetchRefused("http", f"the answer cannot be read: {error}") from None


def _check(response: http.client.HTTPResponse, url: Url) -> None:
    if 300 <= response.status < 400:
        raise FetchRefused("redirect", f"{url.host} answers {response.status}; redirects are not followed")
    if response.status != 200:
        raise FetchRefused("status", f"{url.host} answers {response.status}", response.status)
    if response.getheader("content-encoding", "identity").strip().lower() != "identity":
        raise FetchRefused("encoding", "the answer is packed, though that was not asked for")
    kind = response.getheader("content-type", "").partition(";")[0].strip().lower()
    if kind not in _JSON:
        raise FetchRefused("http", f"the answer is no JSON but {kind[:60] or 'of no type'}")


def https_url(text: str) -> Url:
    """:raises FetchRefused: where it is none"""
    url = Url.from_string(text)
    if url.scheme != "https":
        raise FetchRefused("scheme", f"{url.scheme} is not enough here")
    return url
