"""Clients that register themselves, with a real store and without HTTP."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import attrs
from cryptography import x509

from mtlsd.clients.client import Client
from mtlsd.clients.fetched import Published
from mtlsd.clients.index import Registration
from mtlsd.clients.methods import AuthMethod
from mtlsd.config.model import Config
from mtlsd.errors import Reason
from mtlsd.judge import Identity, Standing
from mtlsd.oauth.registration import Caller, Registered, Registrations
from mtlsd.oauth.registration_metadata import Proof
from mtlsd.oauth.registration_policy import MODES, RegistrationPolicy
from mtlsd.pki.certificate import Certificate
from mtlsd.service.registering import Present, StoreBook
from mtlsd.service.snapshot import client_index
from mtlsd.stores.refusing import RefusingArtifacts
from mtlsd.stores.sqlite import SQLiteStore, open_store
from mtlsd.stores.workers import InlineWorker
from tests.pki import NOW, Pki, dn, ec_key
from tests.unit.config.example import Example
from tests.unit.oauth.grants_world import now_of, reason_of
from tests.unit.stores.values import result_of

REAL = Pki(NOW)
POLICY = RegistrationPolicy(
    modes=MODES,
    trust_anchors=("partners",),
    scopes=("read", "write"),
    redirect_hosts=("client.example", "*.apps.example", "127.0.0.1"),
    grant_types=("client_credentials", "authorization_code", "refresh_token"),
    token_endpoint_auth_methods=("tls_client_auth", "self_signed_tls_client_auth", "private_key_jwt", "none"),
)


def certificate(name: str, *sans: str) -> Certificate:
    """One that the CA issued for this CN and these DNS names, with a key of its own."""
    names = [x509.DNSName(san) for san in sans] or None
    return Certificate.from_der(REAL.leaf(subject=dn(CN=name), names=names, key=ec_key(name)).leaf)


def self_signed(name: str) -> Certificate:
    return Certificate.from_der(REAL.self_signed(name).leaf)


def caller(
    own: Certificate | None = None,
    groups: tuple[str, ...] = ("partners",),
    client: Client | None = None,
    bearer: str | None = None,
    address: str = "192.0.2.1",
) -> Caller:
    """:param client: whose certificate it is."""
    identity = None
    if client is not None:
        assert own is not None
        methods: dict[str, AuthMethod] = {client.client_id: client.token_endpoint_auth_method}
        standing = Standing(own, (), (), own.not_after, (), {})
        identity = Identity(standing, methods, groups, own.not_after, ())
    proof = Proof() if own is None else Proof(own, groups)
    return Caller(address, bearer, proof, identity)


A, B = certificate("a", "a.example"), certificate("b", "b.example")
PIN, OTHER_PIN = self_signed("pin"), self_signed("other pin")


@attrs.define
class World:
    """:ivar published: what clients publish at their `jwks_uri`."""

    directory: Path
    policy: RegistrationPolicy = POLICY
    published: dict[str, tuple[Published, ...]] = attrs.field(factory=dict)
    store: SQLiteStore = attrs.field(init=False)
    config: Config = attrs.field(init=False)
    registrations: Registrations = attrs.field(init=False)
    _book: StoreBook = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        loaded = Example.make(self.directory).load().config
        self.config = attrs.evolve(loaded, registration=self.policy)
        self.store = open_store(self.directory / "store.db", InlineWorker())
        result_of(self.store.open())
        secrets, ids = count(), count()
        self._book = StoreBook(lambda: self.store, self.present, self._nothing)
        self.registrations = Registrations(
            self.policy,
            self._book,
            RefusingArtifacts(self.store.artifacts),
            lambda: f"secret-{next(secrets)}",
            lambda: f"{next(ids)}",
        )

    async def _nothing(self) -> None:
        pass

    def present(self) -> Present:
        stored = result_of(self.store.list_clients())
        own = (*self.config.registrations, *(Registration(client, "store") for client in stored))
        return Present(self.config, own, self.published)

    def holders(self, certificate: Certificate) -> list[str]:
        """The clients that the certificate belongs to."""
        stored = result_of(self.store.list_clients())
        index = client_index(self.config, stored, self.published)
        return sorted(own.client_id for own in index.by_pin(certificate.sha256, certificate.der))

    def register(self, by: Caller, **metadata: Any) -> Registered:
        return now_of(self.registrations.register(metadata, by, NOW))

    def refused(self, by: Caller, **metadata: Any) -> Reason:
        """Why a registration is refused."""
        return reason_of(self.registrations.register(metadata, by, NOW))

    def clients(self) -> dict[str, Client]:
        return {own.client_id: own for own in result_of(self.store.list_clients())}
