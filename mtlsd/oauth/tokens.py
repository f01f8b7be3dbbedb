"""Certificate-bound access tokens: JWTs by RFC 9068 with the confirmation of RFC 8705 section 3.1, or opaque
ones that stand for the same claims and are told to whoever may introspect them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

import attrs

from mtlsd.jose.jwt import PreparedToken
from mtlsd.jose.signer import Signer
from mtlsd.oauth.artifacts import Artifact
from mtlsd.oauth.authentication import AuthenticatedClient
from mtlsd.oauth.grants import Grant

GRANT_ID: Final = "grant_id"
"""The claim that names the authorization a token comes from."""

Claims = Mapping[str, Any]
NO_CLAIMS: Final[Claims] = MappingProxyType({})

_Key = tuple[str, str, tuple[str, ...], tuple[str, ...]]


@attrs.frozen
class AccessToken:
    """A token as it was issued.

    :ivar value: never to be logged.
    :ivar x5t_s256: the thumbprint it is bound to, or None for a client that registered unbound tokens.
    :ivar artifact: of an opaque token: what has to be saved before anybody is told the token. None for a JWT.
    """

    value: str = attrs.field(repr=False)
    jti: str
    expires_in: int
    expires_at: int
    audience: tuple[str, ...]
    x5t_s256: str | None
    artifact: Artifact | None = attrs.field(default=None, repr=False)


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

    def issue(
        self,
        authenticated: AuthenticatedClient,
        grant: Grant,
        now: datetime,
        more: Claims = NO_CLAIMS,
        until: datetime | None = None,
    ) -> AccessToken:
        """A token for the client, never valid beyond its certificate's path.

        Save :attr:`AccessToken.artifact` before the token is answered, where there is one.

        :param more: claims beside those that follow from client and grant, or in their place: `sub` where it
            is a user; :data:`GRANT_ID` for what goes when that grant is removed.
        :param until: when it ends at the latest; None for no such end.
        :raises Refusal: `signer.unavailable`; `binding.absent` where the token has to be bound, and there is
            no certificate to bind it to.
        """
        client, x5t_s256 = authenticated.client, authenticated.x5t_s256
        key = (client.client_id, x5t_s256 or "", grant.scope, grant.resources)
        issued_at = int(now.timestamp())
        ends = now + self.lifetime
        limit = authenticated.valid_until
        if limit is not None and limit < ends:
            ends = limit
        if until is not None and until < ends:
            ends = until
        expires_at = int(ends.timestamp())
        jti = self.random_id()
        artifact: Artifact | None = None
        if client.access_token_format == "opaque":  # noqa: S105  # a format, and no secret
            value = self.random_id() + self.random_id()
            artifact = _artifact(value, self._claims(*key, more), issued_at, expires_at, jti)
        elif more:  # no two of these are alike
            prepared = PreparedToken.from_claims(self._claims(*key, more), self.signer)
            value = prepared.issue(issued_at, expires_at, jti)
        else:
            value = self._prepare(key).issue(issued_at, expires_at, jti)
        lives = expires_at - issued_at
        audience = grant.resources or (self.audience,)
        return AccessToken(value, jti, lives, expires_at, audience, x5t_s256, artifact)

    def _prepare(self, key: _Key) -> PreparedToken:
        prepared = self._prepared.get(key)
        if prepared is None:
            if len(self._prepared) >= self.max_prepared:
                del self._prepared[next(iter(self._prepared))]
            prepared = self._prepared[key] = PreparedToken.from_claims(self._claims(*key), self.signer)
        return prepared

    def _claims(
        self,
        client_id: str,
        x5t_s256: str,
        scope: tuple[str, ...],
        resources: tuple[str, ...],
        more: Claims = NO_CLAIMS,
    ) -> dict[str, Any]:
        """RFC 9068 section 2.2; the subject of a client_credentials token is the client itself."""
        audience = resources or (self.audience,)
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": client_id,
            "client_id": client_id,
            "aud": audience[0] if len(audience) == 1 else list(audience),
        }
        if scope:
            claims["scope"] = " ".join(scope)
        if x5t_s256:
            claims["cnf"] = {"x5t#S256": x5t_s256}
        return {**claims, **more}


def _artifact(value: str, claims: Claims, issued_at: int, expires_at: int, jti: str) -> Artifact:
    """What an opaque token stands for."""
    return Artifact(
        kind="access_token",
        key=Artifact.key_of(value),
        client_id=claims["client_id"],
        grant_id=claims.get(GRANT_ID),
        content={**claims, "iat": issued_at, "exp": expires_at, "jti": jti},
        expires_at=datetime.fromtimestamp(expires_at, UTC),
    )
