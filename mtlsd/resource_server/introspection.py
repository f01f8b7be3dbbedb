"""Asking the authorization server what a token is (RFC 7662), with the own certificate (RFC 8705)."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlencode

import attrs

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.fetch.refused import FetchRefused
from mtlsd.fetch.url import Url
from mtlsd.jose import b64
from mtlsd.oauth.introspection import THUMBPRINT
from mtlsd.resource_server.https import HttpsClient, https_url
from mtlsd.resource_server.metadata import introspection_endpoint

MOST_CACHE_SECONDS: Final = 60.0

_Key = tuple[bytes, str]


@attrs.define(eq=False)
class Introspection:
    """Introspects tokens. Threads may share it.

    :ivar client: with the certificate of the resource server.
    :ivar issuer: whose metadata names the endpoint.
    :ivar client_id: of the resource server.
    :ivar endpoint: in place of what the metadata says.
    :ivar submit_thumbprint: whether to say which certificate the connection has, so that the server's audit
        log has it as well. It is mtlsd's own extension; what the token says is compared here in any case.
    :ivar cache_seconds: how long an answer is remembered that a token is active, at most 60; so long a token
        that was revoked lives on. 0 asks for each request.
    :ivar most_asking: questions at once; one more is refused.
    :ivar max_entries: answers that are remembered.
    """

    client: HttpsClient
    issuer: str
    client_id: str
    endpoint: str | None = None
    submit_thumbprint: bool = False
    cache_seconds: float = 0.0
    most_asking: int = 32
    max_entries: int = 10_000
    monotonic: Callable[[], float] = time.monotonic
    _url: Url | None = attrs.field(default=None, init=False)
    _asking: int = attrs.field(default=0, init=False)
    _answers: dict[_Key, tuple[float, Mapping[str, Any]]] = attrs.field(factory=dict, init=False, repr=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.cache_seconds <= MOST_CACHE_SECONDS:
            raise ValueError(f"cache_seconds is between 0 and {MOST_CACHE_SECONDS:g}")
        self._url = None if self.endpoint is None else https_url(self.endpoint)

    def remembered(self, token: str, certificate: bytes | None) -> Mapping[str, Any] | None:
        """The answer of a moment ago, where there is one."""
        if not self.cache_seconds:
            return None
        with self._lock:
            until, answer = self._answers.get(_key(token, certificate), (0.0, None))
        return answer if self.monotonic() < until else None

    def ask(self, token: str, certificate: bytes | None) -> Mapping[str, Any]:
        """The answer (RFC 7662 section 2.2). Blocks.

        :raises Refusal: `issuer.introspection_unavailable`: what cannot be asked is not accepted.
        """
        asked_at = self.monotonic()
        try:
            with self._turn():
                answer = self.client.post(self._where(), self._form(token, certificate)).members
            if not isinstance(answer.get("active"), bool):
                raise FetchRefused("http", "the answer does not say whether the token is active")
        except FetchRefused as refused:
            facts = {"code": refused.code, "detail": refused.detail}
            raise Refusal(reasons.ISSUER_INTROSPECTION_UNAVAILABLE, facts) from None
        if self.cache_seconds and answer["active"]:
            self._remember(_key(token, certificate), asked_at + self.cache_seconds, answer)
        return answer

    def _remember(self, key: _Key, until: float, answer: Mapping[str, Any]) -> None:
        with self._lock:
            self._answers.pop(key, None)
            while len(self._answers) >= self.max_entries:
                del self._answers[next(iter(self._answers))]
            self._answers[key] = (until, answer)

    def _where(self) -> Url:
        url = self._url
        if url is None:
            url = self._url = introspection_endpoint(self.client, self.issuer)
        return url

    def _form(self, token: str, certificate: bytes | None) -> bytes:
        form = {"client_id": self.client_id, "token": token, "token_type_hint": "access_token"}
        if self.submit_thumbprint and certificate is not None:
            form[THUMBPRINT] = b64.sha256_text(certificate)
        return urlencode(form).encode("ascii")

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with self._lock:
            if self._asking >= self.most_asking:
                raise FetchRefused("busy", "too many questions are open")
            self._asking += 1
        try:
            yield
        finally:
            with self._lock:
                self._asking -= 1


def _key(token: str, certificate: bytes | None) -> _Key:
    """No token is kept. The answer may depend on the certificate that was told."""
    seen = "" if certificate is None else hashlib.sha256(certificate).hexdigest()
    return hashlib.sha256(token.encode("ascii")).digest(), seen
