"""What an access token of ours is worth at this moment, whichever format it has.

Having a :class:`LiveToken` is the proof that the token is valid now. Who may learn it, use it or end it is
for others to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Self

import attrs

from mtlsd.clients.client import Client
from mtlsd.clients.index import ClientIndex
from mtlsd.clients.methods import SELF_SIGNED
from mtlsd.jose import b64
from mtlsd.jose.jwt import AT_JWT
from mtlsd.jose.own import OwnTokens
from mtlsd.oauth.artifacts import Artifact, Artifacts
from mtlsd.oauth.bound import BoundCertificates
from mtlsd.oauth.tokens import GRANT_ID
from mtlsd.verdicts import Judge

Ended = Literal["unknown", "expired", "revoked", "client", "certificate"]
"""Why a token is worth nothing: `client` is gone, disabled, or has another certificate by now."""


@attrs.frozen
class FoundToken:
    """An access token that this server has issued. It may have ended.

    :ivar claims: those of a JWT, or what the opaque token stands for.
    :ivar opaque_key: of the artifact; None for a JWT.
    """

    claims: Mapping[str, Any] = attrs.field(repr=False)
    opaque_key: bytes | None

    @property
    def jti(self) -> str:
        jti: str = self.claims["jti"]
        return jti

    @property
    def client_id(self) -> str:
        """Whom it was issued to."""
        client_id: str = self.claims["client_id"]
        return client_id

    @property
    def audience(self) -> tuple[str, ...]:
        aud: str | list[str] = self.claims["aud"]
        return (aud,) if isinstance(aud, str) else tuple(aud)

    @property
    def expires_at(self) -> int:
        """In seconds since 1970."""
        exp: int = self.claims["exp"]
        return exp

    @property
    def x5t_s256(self) -> str | None:
        """The thumbprint that it is bound to."""
        thumbprint: str | None = self.claims.get("cnf", {}).get("x5t#S256")
        return thumbprint

    @property
    def revoked_key(self) -> bytes:
        """Where it stands that a JWT was revoked. Whose it is does not matter: no other token has the jti."""
        return Artifact.key_of(self.jti)


@attrs.frozen
class LiveToken(FoundToken):
    """One that is valid now.

    :ivar client: whom it was issued to.
    """

    client: Client

    @classmethod
    def from_found(cls, found: FoundToken, client: Client) -> Self:
        return cls(found.claims, found.opaque_key, client)


@attrs.frozen
class AccessTokens:
    """Finds the access tokens that this server has issued, by one snapshot of clients, keys and trust.

    :ivar bound: what is known of the certificates that tokens are bound to.
    """

    issuer: str
    clients: ClientIndex
    judge: Judge
    own: OwnTokens
    artifacts: Artifacts
    bound: BoundCertificates

    async def find(self, token: str, now: datetime) -> FoundToken | None:
        """The token, where it is an access token of ours; JWTs also after their end. Takes any string."""
        if "." in token:
            return self._read(token)
        key = Artifact.key_of(token)
        found = await self.artifacts.find("access_token", key, now)
        return None if found is None else FoundToken(found.artifact.content, key)

    async def live(self, token: str, now: datetime) -> LiveToken | Ended:
        """The token, where it is valid, or why it is not. Takes any string.

        It fails closed, but for one thing: a token lives on where nobody can tell whether the certificate is
        revoked that it is bound to.
        """
        found = await self.find(token, now)
        return "unknown" if found is None else await self.still_live(found, now)

    async def still_live(self, found: FoundToken, now: datetime) -> LiveToken | Ended:
        """The same for a token that was found."""
        if found.expires_at <= now.timestamp():
            return "expired"
        client = self.clients.by_id(found.client_id)
        if client is None or client.disabled:
            return "client"
        ended = await self._certificate_ended(found, client, now)
        if ended is not None:
            return ended
        return "revoked" if await self._is_revoked(found, now) else LiveToken.from_found(found, client)

    def _read(self, token: str) -> FoundToken | None:
        read = self.own.read(token)
        if read is None or read.typ != AT_JWT or read.claims.get("iss") != self.issuer:
            return None
        return FoundToken(read.claims, None)

    async def _certificate_ended(self, found: FoundToken, client: Client, now: datetime) -> Ended | None:
        x5t_s256 = found.x5t_s256
        if x5t_s256 is None:
            return None
        pinned = client.token_endpoint_auth_method == SELF_SIGNED
        if pinned and b64.decode(x5t_s256) not in client.pin_sha256s:
            return "client"
        await self.bound.recall(x5t_s256, self.judge, self.artifacts, now)
        refusal = self.bound.refusal(x5t_s256, client, self.judge, now)
        return None if refusal is None else "certificate"

    async def _is_revoked(self, found: FoundToken, now: datetime) -> bool:
        """The artifact of an opaque token goes when the token is revoked, and so does its grant's."""
        if found.opaque_key is not None:
            return False
        grant_id = found.claims.get(GRANT_ID)
        if grant_id is not None and await self.artifacts.grant_removed(grant_id, now):
            return True
        return await self.artifacts.find("revoked", found.revoked_key, now) is not None
