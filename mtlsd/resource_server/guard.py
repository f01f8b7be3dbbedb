"""A resource server's one gate, which every wrapper uses: a request's parts go in, a verdict comes out.

    guard = ResourceServer.with_keys("https://as.example.com", "https://api.example.com")
    verdict = guard.check(authorization_fields, lambda: certificate, "invoices:read")
    if isinstance(verdict, RefusedToken):
        answer = guard.answer(verdict)

Nothing here passes a request on that was not verified: whatever goes wrong on the way is a refusal.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self, TypeAlias, TypeVar

import attrs

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.resource_server.answer import Answer, answer_for, checked_realm
from mtlsd.resource_server.bearer import bearer_token
from mtlsd.resource_server.https import HttpsClient
from mtlsd.resource_server.introspection import Introspection
from mtlsd.resource_server.issuer_keys import IssuerKeys
from mtlsd.resource_server.metadata import key_set_of
from mtlsd.resource_server.sources import ByIntrospection, ByKeys, Question, TokenSource
from mtlsd.resource_server.tls import TlsFiles
from mtlsd.resource_server.values import RefusedToken, TokenRules, Verdict, scope_names

Log: TypeAlias = Callable[[RefusedToken], object]
T = TypeVar("T")

_LOGGER: Final = logging.getLogger("mtlsd.resource_server")


def utc_now() -> datetime:
    return datetime.now(UTC)


def facts_for_log(refused: RefusedToken) -> str:
    """The facts as JSON of ASCII: nothing that a stranger wrote can forge a line."""
    return json.dumps({**refused.facts, **refused.refusal.facts}, default=list)


def log_refused(refused: RefusedToken) -> None:
    """Where no other log is configured: one warning by :mod:`logging`, with the reason and its facts."""
    _LOGGER.warning("access.refused %s %s", refused.refusal.reason.code, facts_for_log(refused))


@attrs.frozen
class Waiting:
    """A request whose verdict takes the network.

    :ivar finish: gives it, in a thread that may block.
    """

    finish: Callable[[], Verdict] = attrs.field(repr=False)


@attrs.frozen
class ResourceServer:
    """Checks the tokens of requests. Threads may share it.

    :ivar realm: for the WWW-Authenticate header; empty for none.
    :ivar log: is called with each refusal, which has why; callers are never told. None for the log that is
        usual where the wrapper is.
    """

    rules: TokenRules
    source: TokenSource
    realm: str = attrs.field(default="", converter=checked_realm)
    log: Log | None = None
    now: Callable[[], datetime] = utc_now

    @classmethod
    def with_keys(
        cls,
        issuer: str,
        audience: str | Iterable[str],
        *,
        ca_file: str | Path | None = None,
        jwks_uri: str | None = None,
        accept_unbound: bool = False,
        realm: str = "",
        log: Log | None = None,
    ) -> Self:
        """Tokens are JWTs, verified with the issuer's keys, which are fetched when they are needed.

        :param audience: what this resource server is called, or several such names.
        :param ca_file: the trust anchors for the issuer's TLS certificate, in place of the system's.
        :param jwks_uri: where the keys are; None for what the issuer's metadata (RFC 8414) says.
        :param accept_unbound: see :class:`~mtlsd.resource_server.values.TokenRules`.
        :raises ValueError: where something of this cannot be right; FetchRefused for a URL.
        """
        keys = IssuerKeys(key_set_of(HttpsClient(TlsFiles(ca_file)), issuer, jwks_uri))
        return cls(TokenRules(issuer, audience, accept_unbound=accept_unbound), ByKeys(keys), realm, log)

    @classmethod
    def with_introspection(
        cls,
        issuer: str,
        audience: str | Iterable[str],
        *,
        client_id: str,
        certificate: str | Path,
        key: str | Path,
        ca_file: str | Path | None = None,
        endpoint: str | None = None,
        submit_thumbprint: bool = False,
        cache_seconds: float = 0.0,
        accept_unbound: bool = False,
        realm: str = "",
        log: Log | None = None,
    ) -> Self:
        """Tokens are introspected, by this resource server's own certificate.

        :param client_id: of this resource server, which is a client with `introspects`.
        :param endpoint: the introspection endpoint; None for what the issuer's metadata says.
        :param submit_thumbprint: see :class:`~mtlsd.resource_server.introspection.Introspection`.
        :param cache_seconds: likewise; 0 asks for each request.
        :raises ValueError: where something of this cannot be right; FetchRefused for a URL.
        """
        client = HttpsClient(TlsFiles(ca_file, certificate, key))
        introspection = Introspection(client, issuer, client_id, endpoint, submit_thumbprint, cache_seconds)
        rules = TokenRules(issuer, audience, accept_unbound=accept_unbound)
        return cls(rules, ByIntrospection(introspection), realm, log)

    def begin(
        self,
        authorization: Sequence[bytes | str],
        certificate_of: Callable[[], bytes | None],
        scope: str | Iterable[str] = (),
    ) -> Verdict | Waiting:
        """Check a request, as far as that is possible without blocking. Raises nothing.

        :param authorization: the values of all its Authorization fields.
        :param certificate_of: gives the DER of its client certificate, or None.
        :param scope: what it requires.
        """
        try:
            token = bearer_token(authorization)
            question = Question(token, certificate_of(), self.rules, scope_names(scope), self.now())
        except Exception as error:
            return _refused(error)
        verdict = _attempt(lambda: self.source.at_once(question, question.at))
        if verdict is not None:
            return verdict
        return Waiting(lambda: _attempt(lambda: self.source.waited_for(question, self.now())))

    def check(
        self,
        authorization: Sequence[bytes | str],
        certificate_of: Callable[[], bytes | None],
        scope: str | Iterable[str] = (),
    ) -> Verdict:
        """As :meth:`begin`, and waits: within the deadlines of the source."""
        found = self.begin(authorization, certificate_of, scope)
        return found.finish() if isinstance(found, Waiting) else found

    def answer(self, refused: RefusedToken, usual_log: Log = log_refused) -> Answer:
        """Log a refusal, and make its answer.

        :param usual_log: where none is configured.
        """
        try:
            (self.log or usual_log)(refused)
        except Exception:  # no log that fails lets anybody in, or keeps the answer back
            _LOGGER.exception("the log of refusals fails")
        return answer_for(refused, self.realm)


def _attempt(verify: Callable[[], T]) -> T | RefusedToken:
    try:
        return verify()
    except Exception as error:
        return _refused(error)


def _refused(error: Exception) -> RefusedToken:
    """It fails closed: what nobody foresaw is a refusal, too."""
    if isinstance(error, Refusal):
        return RefusedToken(error)
    _LOGGER.error("checking an access token fails", exc_info=error)
    return RefusedToken(Refusal(reasons.SERVER_INTERNAL, {"error": type(error).__name__}))
