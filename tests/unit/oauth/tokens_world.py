"""Clients with tokens of both formats, resource servers, and what is known of certificates."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from datetime import datetime, timedelta
from itertools import count
from typing import Any, TypeVar

import attrs
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mtlsd.clients.client import Client
from mtlsd.jose.keyring import Keyring, SigningKey
from mtlsd.jose.own import OwnTokens
from mtlsd.jose.signer import Signer
from mtlsd.judge import Identity, Snapshot
from mtlsd.oauth.authentication import AuthenticatedClient
from mtlsd.oauth.bound import BoundCertificates
from mtlsd.oauth.forms import Form
from mtlsd.oauth.grants import Grant
from mtlsd.oauth.introspection import THUMBPRINT, Introspected, IntrospectionEndpoint
from mtlsd.oauth.live import AccessTokens
from mtlsd.oauth.token_revocation import Revocation, RevocationEndpoint
from mtlsd.oauth.tokens import NO_CLAIMS, AccessToken, AccessTokenIssuer, Claims
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.path import AnchorGroup
from mtlsd.pki.revocation import RevocationPolicy
from mtlsd.verdicts import Judge
from tests.pki import DNS, NOW, Pki, Presented
from tests.unit.stores.artifacts_memory import MemoryArtifacts
from tests.unit.test_judge_revocation import KnownHere
from tests.unit.world import LISTENER, PARTNERS, client, group, offline, snapshot

T = TypeVar("T")

REAL = Pki(NOW)
ISSUER = "https://as.example.com"
LEDGER = "urn:example:ledger"
CERTIFICATES: dict[str, Presented] = {
    "jwt": REAL.leaf(REAL.root),
    "opaque": REAL.self_signed("opaque"),
    "pinned": REAL.self_signed("pinned"),
    "api": REAL.self_signed("api"),
    "ledger": REAL.self_signed("ledger"),
}


def clients(**changes: Client | None) -> list[Client]:
    """:param changes: by client_id; None for one that is gone."""
    by_id = {
        "jwt": client("jwt", tls_client_auth_san_dns=DNS, scope="read", resources=[LEDGER]),
        "opaque": client("opaque", [CERTIFICATES["opaque"].leaf], access_token_format="opaque"),
        "pinned": client("pinned", [CERTIFICATES["pinned"].leaf]),
        "api": client("api", [CERTIFICATES["api"].leaf], grant_types=[], introspects=[ISSUER]),
        "ledger": client("ledger", [CERTIFICATES["ledger"].leaf], grant_types=[], introspects=[LEDGER]),
        **changes,
    }
    return [own for own in by_id.values() if own is not None]


def fresh_signer() -> Signer:
    return Signer.from_private_key(ec.generate_private_key(ec.SECP256R1()), "ES256")


def done(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine gives at once."""
    found: list[T | Failure] = []
    Deferred.fromCoroutine(work).addBoth(found.append)
    assert found, "it waits"
    if isinstance(found[0], Failure):
        found[0].raiseException()
    assert not isinstance(found[0], Failure)
    return found[0]


@attrs.define(eq=False)
class World:
    """One authorization server.

    :ivar known: what responders have said of the certificates of the group `partners`.
    """

    signer: Signer = attrs.field(factory=fresh_signer)
    artifacts: MemoryArtifacts = attrs.field(factory=MemoryArtifacts)
    bound: BoundCertificates = attrs.field(factory=BoundCertificates)
    known: KnownHere = attrs.field(factory=KnownHere)
    snapshot: Snapshot = attrs.field(init=False)
    judge: Judge = attrs.field(init=False)
    ids: Any = attrs.field(factory=count)

    def __attrs_post_init__(self) -> None:
        self.known.learn(PARTNERS, "good")
        self.reload(clients())

    def reload(self, registered: Iterable[Client], *groups: AnchorGroup) -> None:
        """Another configuration: everything but the store and what is remembered of certificates is new."""
        asked = attrs.evolve(
            group(PARTNERS, REAL.anchors),
            revocation=RevocationPolicy(("ocsp",), ocsp_url="http://ocsp.example/"),
        )
        self.snapshot = attrs.evolve(snapshot(registered, *(groups or (asked,))), revocation=self.known)
        self.judge = Judge(self.snapshot)

    @property
    def tokens(self) -> AccessTokens:
        keyring = Keyring(SigningKey(fresh_signer(), NOW), SigningKey(self.signer, NOW))
        own = OwnTokens.from_keyring(keyring, NOW)
        return AccessTokens(ISSUER, self.snapshot.clients, self.judge, own, self.artifacts, self.bound)

    def keep(self, now: datetime = NOW) -> int:
        """What is done in the background: how many certificates the store has got."""
        return done(self.bound.keep(self.artifacts, now, 100))

    def authenticated(self, client_id: str) -> AuthenticatedClient:
        own = self.snapshot.clients.by_id(client_id)
        assert own is not None
        identity = self.judge.judge(offline(CERTIFICATES[client_id]), NOW)
        assert isinstance(identity, Identity)
        return AuthenticatedClient(own, identity)

    def issue(
        self, client_id: str, more: Claims = NO_CLAIMS, resources: tuple[str, ...] = (), issuer: str = ISSUER
    ) -> AccessToken:
        """A token as the token endpoint gives it, with everything that goes with it."""
        authenticated = self.authenticated(client_id)
        issuing = AccessTokenIssuer(
            issuer, ISSUER, timedelta(minutes=5), self.signer, lambda: f"id-{next(self.ids)}"
        )
        token = issuing.issue(authenticated, Grant(("read",), resources), NOW, more)
        if token.artifact is not None:
            self.artifacts.save(token.artifact, now=NOW)
        assert authenticated.identity is not None
        self.bound.note(authenticated.identity.standing, LISTENER, self.judge)
        return token

    def introspect(
        self, token: str, by: str = "api", after: timedelta = timedelta(0), seen: str = ""
    ) -> Introspected:
        """:param seen: the thumbprint of the certificate that the resource server saw."""
        endpoint = IntrospectionEndpoint(self.tokens, self.signer)
        form = Form({name: (value,) for name, value in (("token", token), (THUMBPRINT, seen)) if value})
        return done(endpoint.answer(self.authenticated(by), form, NOW + after))

    def ended(self, token: str, by: str = "api", after: timedelta = timedelta(0)) -> str | None:
        """Why it is not active, where the resource server hears only that."""
        said = self.introspect(token, by, after)
        assert said.ended is None or said.document == {"active": False}
        return said.ended

    def revoke(self, token: str, by: str, **more: str) -> Revocation:
        form = Form({name: (value,) for name, value in {"token": token, **more}.items() if value})
        return done(RevocationEndpoint(self.tokens).answer(self.authenticated(by), form, NOW))


def thumbprint(client_id: str) -> str:
    return Certificate.from_der(CERTIFICATES[client_id].leaf).x5t_s256
