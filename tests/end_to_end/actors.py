"""Clients of every method, each with a certificate, before one daemon."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from secrets import token_urlsafe
from time import time
from typing import Any

import attrs
import jwt
from cryptography import x509

from mtlsd.clients.secret import SecretHash
from mtlsd.jose.jwk import public_members
from mtlsd.oauth.credentials import JWT_BEARER
from tests.end_to_end.clients import Answer, Session
from tests.end_to_end.setup import Setup
from tests.end_to_end.test_grants import CALLBACK, NATIVE_CALLBACK
from tests.pki import Written
from tests.unit.jose.keys import private_key

SECRET = "b3JkaW5hcnkgc2VjcmV0IG9mIDMyIGJ5dGVzIQ"
SERVES = ["token", "introspection", "revocation", "par"]
GRANTS = ["client_credentials", "authorization_code", "refresh_token"]

Sent = tuple[dict[str, str], dict[str, str]]
"""What is sent to authenticate: parameters of the form, and headers."""


@cache
def secret_hash() -> str:
    return SecretHash.from_secret(SECRET, lambda count: b"s" * count).to_string()


def assertion(client_id: str, issuer: str, key: int = 0, **change: Any) -> str:
    """Made by PyJWT. A claim of None is left out."""
    now = int(time())
    times = {"iat": now, "exp": now + 60}
    good = {"iss": client_id, "sub": client_id, "aud": issuer, **times, "jti": token_urlsafe()}
    claims = {name: value for name, value in {**good, **change}.items() if value is not None}
    signing: Any = private_key("P-256", key)
    return jwt.encode(claims, signing, algorithm="ES256")


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def with_assertion(text: str) -> dict[str, str]:
    return {"client_assertion": text, "client_assertion_type": JWT_BEARER}


@attrs.frozen
class Actor:
    """A client.

    :ivar certificate: what it presents; those of the last three methods are strangers'.
    :ivar sends: makes what it sends beside the certificate, anew for each request.
    """

    client_id: str
    method: str
    certificate: Written
    sends: Callable[[], Sent]

    @property
    def by_certificate(self) -> bool:
        return self.method in ("tls_client_auth", "self_signed_tls_client_auth")

    @property
    def is_public(self) -> bool:
        return self.method == "none"


@attrs.frozen
class World:
    setup: Setup
    actors: Mapping[str, Actor]

    def post(
        self, path: str, form: Mapping[str, str], sent: Sent, certificate: Written | None,
        listener: str = "optional",
    ) -> Answer:  # fmt: skip
        """A form with what somebody sends to authenticate, on a connection with a certificate."""
        parameters, headers = sent
        with Session(self.setup.url(listener, path), self.setup.ca_file, certificate) as session:
            return session.post({**form, **parameters}, headers)

    def ask(self, path: str, form: Mapping[str, str], of: str, over: str | None = None) -> Answer:
        """The request with the credentials of one and the certificate of another, or of the same."""
        return self.post(path, form, self.actors[of].sends(), self.actors[over or of].certificate)


def _metadata(setup: Setup, name: str, method: str, index: int) -> tuple[dict[str, Any], Written]:
    """What is registered, and the certificate that goes with it."""
    if method == "tls_client_auth":
        return {"tls_client_auth_san_dns": f"{name}.example"}, setup.leaf(
            name, x509.DNSName(f"{name}.example")
        )
    own = setup.present(name, setup.pki.self_signed(name))
    if method == "self_signed_tls_client_auth":
        return {"certificate": str(own.certificate)}, own
    if method == "private_key_jwt":
        return {"jwks": {"keys": [public_members(private_key("P-256", index).public_key())]}}, own
    if method == "none":
        return {"redirect_uris": [NATIVE_CALLBACK], "grant_types": GRANTS[1:]}, own
    return {"allow_client_secret": True, "client_secret_hash": secret_hash()}, own


METHODS = {
    "one": "tls_client_auth",
    "two": "tls_client_auth",
    "pinned": "self_signed_tls_client_auth",
    "jwt-one": "private_key_jwt",
    "jwt-two": "private_key_jwt",
    "basic": "client_secret_basic",
    "post": "client_secret_post",
    "native": "none",
}


def world_in(directory: Path) -> World:
    """The clients, the listener `optional` where all of them can come, and one without certificates."""
    setup = Setup(directory)
    setup.listener("mtls")["serves"] = SERVES
    setup.add_listener("optional", "optional", serves=SERVES)
    setup.listener("public")["serves"] = [*SERVES, "metadata", "jwks"]
    actors: dict[str, Actor] = {}
    for index, (name, method) in enumerate(METHODS.items()):
        metadata, certificate = _metadata(setup, name, method, index)
        usual: dict[str, Any] = {"grant_types": GRANTS, "redirect_uris": [CALLBACK]}
        if method != "none":
            usual["introspects"] = [setup.issuer]
        setup.add_client(name, token_endpoint_auth_method=method, **{**usual, **metadata})
        actors[name] = Actor(name, method, certificate, _sender(name, method, setup.issuer, index))
    return World(setup, actors)


def _sender(name: str, method: str, issuer: str, index: int) -> Callable[[], Sent]:
    def send() -> Sent:
        if method == "private_key_jwt":
            return with_assertion(assertion(name, issuer, index)), {}
        if method == "client_secret_basic":
            return {}, basic(name, SECRET)
        if method == "client_secret_post":
            return {"client_id": name, "client_secret": SECRET}, {}
        return {"client_id": name}, {}

    return send
