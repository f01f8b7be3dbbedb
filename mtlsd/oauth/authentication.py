"""Client authentication: by certificate (RFC 8705 section 2), or by what else a client registered."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime

import attrs

from mtlsd import reasons
from mtlsd.clients.client import Client
from mtlsd.clients.index import ClientIndex
from mtlsd.clients.methods import CERTIFICATE_METHODS, PRIVATE_KEY_JWT
from mtlsd.errors import Refusal
from mtlsd.judge import Identity, Settled, match_client, seen_names
from mtlsd.oauth.artifacts import Artifacts
from mtlsd.oauth.assertion import AssertionRules, ClientAssertion, check_claims, claim_jti, prove
from mtlsd.oauth.credentials import (
    PARAMETERS,
    AssertionCredentials,
    Credentials,
    SecretCredentials,
    credentials_of,
    names_of,
)
from mtlsd.oauth.forms import Form
from mtlsd.oauth.possession import ProvenCertificate
from mtlsd.oauth.secrets import SecretChecker


@attrs.frozen
class AuthenticatedClient:
    """A client that has proven who it is: having this value is the proof. A public one has proven nothing.

    :ivar identity: what the connection has proven, where the certificate is by what the client is known.
        None for every other client, whatever certificate it came with.
    """

    client: Client
    identity: Identity | None
    _beside: ProvenCertificate | None = None

    @property
    def proven(self) -> ProvenCertificate | None:
        """The certificate that tokens may be bound to; None where there is none."""
        return self._beside if self.identity is None else ProvenCertificate.from_identity(self.identity)

    @property
    def x5t_s256(self) -> str | None:
        """The thumbprint of :attr:`binding`, at less cost in the usual case.

        :raises Refusal: `binding.absent`
        """
        if self.identity is None or not self.client.tls_client_certificate_bound_access_tokens:
            return None if (binding := self.binding) is None else binding.x5t_s256
        return self.identity.certificate.x5t_s256

    @property
    def binding(self) -> ProvenCertificate | None:
        """What tokens of this request have to be bound to; None for a client that registered unbound ones.

        :raises Refusal: `binding.absent` where they have to be bound, and there is nothing (R19, P33).
        """
        if not self.client.tls_client_certificate_bound_access_tokens:
            return None
        proven = self.proven
        if proven is None:
            raise Refusal(reasons.BINDING_ABSENT)
        return proven

    @property
    def valid_until(self) -> datetime | None:
        """Nothing that is issued now outlives this: the end of the certificate that authenticated the client,
        or that tokens are bound to. None where nothing limits it.

        :raises Refusal: `binding.absent`
        """
        if self.identity is not None:
            return self.identity.valid_until
        binding = self.binding
        return None if binding is None else binding.valid_until


def authenticate(
    form: Form, has_authorization: bool, judgement: Settled | None, clients: ClientIndex
) -> AuthenticatedClient:
    """The client that `form` names, if the certificate of this connection proves it (R1 to R4, R50).

    :param has_authorization: whether the request has an Authorization header.
    :param judgement: what the connection's certificate was judged to be; None when it came without one.
    :raises Refusal: always with the same public face, whether the client is unknown, has registered
        something else, or the certificate was refused.
    """
    client_id = form.get("client_id")
    _check_single_method(form, has_authorization, judgement)
    if client_id is None:
        raise Refusal(reasons.CLIENT_ID_ABSENT)
    return _by_certificate(client_id, judgement, clients)


@attrs.frozen
class Authenticator:
    """Authenticates clients in every way that any of them has registered, by one snapshot of the clients.

    One method a request (R50). A certificate on the connection of a client that authenticates otherwise is
    no method: its tokens are bound to it.

    :ivar artifacts: where the jti of assertions are kept.
    """

    clients: ClientIndex
    assertions: AssertionRules
    artifacts: Artifacts
    secrets: SecretChecker

    def authenticate(
        self,
        form: Form,
        authorization: str | None,
        judgement: Settled | None,
        now: datetime,
        *,
        public: bool = False,
    ) -> AuthenticatedClient | Awaitable[AuthenticatedClient]:
        """The client that sends the request. A certificate is enough at once; all else has to be awaited.

        :param authorization: the Authorization header, decoded as Latin-1; None where there is none.
        :param judgement: what the connection's certificate was judged to be, the handshake being complete;
            None when it came without one.
        :param public: whether public clients may come here, of whom nothing is proven. It fails closed.
        :raises Refusal: with the same public face, whether the client is unknown, has registered something
            else, or what it came with is wrong; an awaitable raises it later.
        """
        if authorization is None and form.parameters.keys().isdisjoint(PARAMETERS):
            return self._without_credentials(form, judgement, now, public)
        credentials = credentials_of(form, authorization)
        if credentials is None:  # the parameters are there, and empty: as if they were not
            return self._without_credentials(form, judgement, now, public)
        return self._with_credentials(credentials, judgement, now)

    def _without_credentials(
        self, form: Form, judgement: Settled | None, now: datetime, public: bool
    ) -> AuthenticatedClient:
        client_id = form.get("client_id")
        if client_id is None:
            raise Refusal(reasons.CLIENT_ID_ABSENT)
        client = self.clients.by_id(client_id) if public else None
        if client is None or not client.is_public:
            return _by_certificate(client_id, judgement, self.clients)
        return _enabled(client, judgement, now)

    async def _with_credentials(
        self, credentials: Credentials, judgement: Settled | None, now: datetime
    ) -> AuthenticatedClient:
        if isinstance(credentials, SecretCredentials):
            client = await self._by_secret(credentials, judgement)
        else:
            client = await self._by_assertion(credentials, judgement, now)
        return _enabled(client, judgement, now)

    async def _by_secret(self, credentials: SecretCredentials, judgement: Settled | None) -> Client:
        _check_no_other_method(credentials.client_id, judgement, credentials.method)
        if credentials.method not in self.clients.methods:  # so nobody makes us compute hashes for nothing
            raise Refusal(reasons.CLIENT_METHOD, {"seen": credentials.method})
        client = self.clients.by_id(credentials.client_id)
        fits = client is not None and client.token_endpoint_auth_method == credentials.method
        hashed = client.client_secret_hash if client is not None and fits else None
        right = await self.secrets.is_right(credentials.secret, hashed)
        if client is None:
            raise Refusal(reasons.CLIENT_UNKNOWN)
        if not fits:
            expected = client.token_endpoint_auth_method
            raise Refusal(reasons.CLIENT_METHOD, {"expected": expected, "seen": credentials.method})
        if not right:
            raise Refusal(reasons.CLIENT_SECRET)
        return client

    async def _by_assertion(
        self, credentials: AssertionCredentials, judgement: Settled | None, now: datetime
    ) -> Client:
        """RFC 7523 section 3. The jti is used up last: only who holds the key can use one up."""
        if PRIVATE_KEY_JWT not in self.clients.methods:
            raise Refusal(reasons.CLIENT_METHOD, {"seen": PRIVATE_KEY_JWT})
        assertion = ClientAssertion.from_text(credentials.assertion)
        if credentials.client_id not in (None, assertion.client_id):
            detail = "the client_id of the request is another one (RFC 7521 section 4.2)"
            raise Refusal(reasons.CLIENT_ASSERTION, {"detail": detail})
        _check_no_other_method(assertion.client_id, judgement, PRIVATE_KEY_JWT)
        if assertion.alg not in self.assertions.algorithms:
            facts = {"detail": "this algorithm is not allowed here", "seen": assertion.alg}
            raise Refusal(reasons.CLIENT_ASSERTION, facts)
        client = prove(assertion, self.clients.by_id(assertion.client_id))
        until = check_claims(assertion, self.assertions, now)
        if not client.disabled:
            await claim_jti(assertion, until, self.artifacts, now)
        return client


def _by_certificate(client_id: str, judgement: Settled | None, clients: ClientIndex) -> AuthenticatedClient:
    if judgement is None:
        raise Refusal(reasons.CERTIFICATE_ABSENT)
    if not isinstance(judgement, Identity):
        raise judgement.refusal
    client = clients.by_id(client_id)
    if client is None:
        raise Refusal(reasons.CLIENT_UNKNOWN, {"seen": seen_names(judgement.certificate)})
    if client.token_endpoint_auth_method not in CERTIFICATE_METHODS:
        expected = client.token_endpoint_auth_method
        raise Refusal(reasons.CLIENT_METHOD, {"expected": expected, "seen": "a certificate alone"})
    refusal = match_client(judgement, client)
    if refusal is not None:
        raise refusal
    return AuthenticatedClient(client, judgement)


def _enabled(client: Client, judgement: Settled | None, now: datetime) -> AuthenticatedClient:
    """A client that is not known by a certificate, with the one that its tokens may be bound to."""
    if client.disabled:
        raise Refusal(reasons.CLIENT_DISABLED, {"disabled": client.client_id})
    return AuthenticatedClient(client, None, ProvenCertificate.from_judgement(judgement, now))


def _check_no_other_method(client_id: str, judgement: Settled | None, method: str) -> None:
    """R50: whoever is known by its certificate, and presents it, sends no other credentials."""
    if isinstance(judgement, Identity) and client_id in judgement.clients:
        raise Refusal(reasons.REQUEST_MULTIPLE_METHODS, {"seen": [method]})


def _check_single_method(form: Form, has_authorization: bool, judgement: Settled | None) -> None:
    if not has_authorization and form.parameters.keys().isdisjoint(PARAMETERS):
        return
    others = names_of(form, has_authorization)
    if others:
        reason = reasons.CLIENT_METHOD if judgement is None else reasons.REQUEST_MULTIPLE_METHODS
        raise Refusal(reason, {"seen": others})
