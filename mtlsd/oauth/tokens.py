"""Certificate-bound access tokens: JWTs by RFC 9068 with the confirmation of RFC 8705 section 3.1."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import attrs

from mtlsd.jose.jwt import PreparedToken
from mtlsd.jose.signer import Signer
from mtlsd.oauth.authentication import AuthenticatedClient
from mtlsd.oauth.grants import Grant

_Key = tuple[str, str, Grant]


@attrs.frozen
class AccessToken:
    """A token as it was issued.

    :ivar value: the JWT; never to be logged.
    :ivar x5t_s256: the thumbprint it is bound to, or None for a client that registered unbound tokens.
    """

    value: str = attrs.field(repr=False)
    jti: str
    expires_in: int
    expires_at: int
    audience: tuple[str, ...]
    x5t_s256: str | None


@attrs.define
class AccessTokenIssuer:
    """Makes access tokens.

    What does not change between two tokens of one client is prepared once and remembered, at most
    `max_prepared` of it.

    :ivar audience: the audience of a token when the request names no resource (RFC 9068 section 3).
    :ivar lifetime: how long a token lives, if the certificate does not end before.
    :ivar random_id: makes an unguessable identifier.
    """

    issuer: str
    audience: str
    lifetime: timedelta
    signer: Signer
    random_id: Callable[[], str]
    max_prepared: int = 10_000
    _prepared: dict[_Key, PreparedToken] = attrs.field(factory=dict, init=False, repr=False)

    def issue(self, authenticated: AuthenticatedClient, grant: Grant, now: datetime) -> AccessToken:
        """A token for the client, never valid beyond its certificate's path.

        :raises Refusal: `signer.unavailable`.
        """
        client, identity = authenticated.client, authenticated.identity
        bound = client.tls_client_certificate_bound_access_tokens
        x5t_s256 = identity.certificate.x5t_s256
        prepared = self._prepare((client.client_id, x5t_s256 if bound else "", grant))
        issued_at = int(now.timestamp())
        expires_at = int(min(now + self.lifetime, identity.valid_until).timestamp())
        jti = self.random_id()
        value = prepared.issue(issued_at, expires_at, jti)
        return AccessToken(
            value, jti, expires_at - issued_at, expires_at, self._audience(grant), x5t_s256 if bound else None
        )

    def _audience(self, grant: Grant) -> tuple[str, ...]:
        return grant.resources or (self.audience,)

    def _prepare(self, key: _Key) -> PreparedToken:
        prepared = self._prepared.get(key)
        if prepared is None:
            if len(self._prepared) >= self.max_prepared:
                del self._prepared[next(iter(self._prepared))]
            prepared = self._prepared[key] = PreparedToken.from_claims(self._claims(*key), self.signer)
        return prepared

    def _claims(self, client_id: str, x5t_s256: str, grant: Grant) -> dict[str, Any]:
        """RFC 9068 section 2.2; the subject of a client_credentials token is the client itself."""
        audience = self._audience(grant)
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": client_id,
            "client_id": client_id,
            "aud": audience[0] if len(audience) == 1 else list(audience),
        }
        if grant.scope:
            claims["scope"] = " ".join(grant.scope)
        if x5t_s256:
            claims["cnf"] = {"x5t#S256": x5t_s256}
        return claims
