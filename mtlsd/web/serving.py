"""What the resources serve at this moment: one whole, swapped when anything changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import attrs
from twisted.internet.defer import Deferred, succeed

from mtlsd.errors import Fact
from mtlsd.judge import Standing
from mtlsd.oauth.authentication import Authenticator
from mtlsd.oauth.authorization import AuthorizationEndpoint
from mtlsd.oauth.bound import BoundCertificates
from mtlsd.oauth.introspection import IntrospectionEndpoint
from mtlsd.oauth.pushed import PushedAuthorizationEndpoint
from mtlsd.oauth.registration import Registrations
from mtlsd.oauth.token_endpoint import TokenEndpoint
from mtlsd.oauth.token_revocation import RevocationEndpoint
from mtlsd.pki.revocation_check import Failures, Question
from mtlsd.verdicts import Judge
from mtlsd.web.talking import Talking

Resolve = Callable[[Sequence[Question]], Deferred[Failures]]
"""Has questions about revocation answered, within a deadline; fires with why some got no answer."""


def nobody_answers(questions: Sequence[Question]) -> Deferred[Failures]:
    """Where there is nobody to ask."""
    return succeed({question.key: "" for question in questions})


@attrs.frozen
class Serving:
    """Everything that an answer depends on, made from one configuration, store and keyring.

    :ivar metadata: the JSON document of RFC 8414.
    :ivar jwks: the JWK Set (RFC 7517) of the signing keys.
    :ivar resolve: has answered what the judge leaves open.
    :ivar authenticator: says which client sends a request.
    :ivar introspection: what is said of tokens to resource servers.
    :ivar token_revocation: what ends tokens.
    :ivar authorization: what reads authorization requests and issues codes.
    :ivar pushed_authorization: what takes such requests from clients beforehand.
    :ivar talking: with users, where there is an authorization endpoint.
    """

    judge: Judge
    authenticator: Authenticator
    token_endpoint: TokenEndpoint
    metadata: bytes
    jwks: bytes
    resolve: Resolve
    introspection: IntrospectionEndpoint
    token_revocation: RevocationEndpoint
    authorization: AuthorizationEndpoint
    pushed_authorization: PushedAuthorizationEndpoint
    talking: Talking | None = None

    @property
    def bound(self) -> BoundCertificates:
        """The certificates that tokens are bound to. They outlive this whole."""
        return self.introspection.tokens.bound


@attrs.define
class Current:
    """The one reference that a reload swaps.

    :ivar audit: takes the name of an event and its facts.
    :ivar seen: takes the client_id of whoever got a token, what its certificate proves, and when.
    :ivar registration: registers clients; None where nobody may register.
    :ivar metrics: what was counted, in Prometheus's text format.
    :ivar now: the instant, aware UTC.
    :ivar random_id: makes an unguessable identifier, short enough to be read out.
    """

    serving: Serving
    audit: Callable[[str, dict[str, Fact]], None]
    now: Callable[[], datetime]
    random_id: Callable[[], str]
    seen: Callable[[str, Standing, datetime], None] = lambda client_id, standing, now: None
    registration: Registrations | None = None
    metrics: Callable[[], bytes] = lambda: b""
